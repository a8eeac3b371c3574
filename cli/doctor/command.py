"""`gridloop doctor`: run every check at once and say what each has found."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from cli.doctor import broker, database, local, log, profile
from cli.doctor.findings import Check, Finding, checked, worst
from cli.errors import UserError
from cli.stack.paths import RunDir, default_run_dir
from cli.stack.plan import StackState
from cli.target import asked, local_stack, settings_of
from shared.kernel.clock import SystemClock
from shared.runtime.settings import ServiceSettings


def register(app: typer.Typer) -> None:
    """Add the `doctor` command."""
    app.command("doctor")(doctor)


def doctor(
    *,
    service: Annotated[
        list[str] | None, typer.Option(help="A service elsewhere, as NAME=URL; may be repeated.")
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds in which a group that has work must move; a batch takes up to 5.")
    ] = 8.0,
    lag: Annotated[int, typer.Option(help="Most records that may wait for a group.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the running system; the status is 0 if all is well, 1 for warnings, 2 for failures.

    It is the system of the environment (`GRIDLOOP_KAFKA` and so on), or the stack of `gridloop up`.
    """
    stack = local_stack()
    named = dict(_named(each) for each in service or ())
    findings = asked(
        look(settings_of(stack), stack, local.addresses(stack, named), patience=patience, lag=lag)
    )
    if as_json:
        print(json.dumps([finding.as_json() for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{finding.level.name.lower():<5} {finding.code:<18} {finding.text}")
    raise typer.Exit(worst(findings))


async def look(
    settings: ServiceSettings,
    stack: StackState | None,
    services: dict[str, str],
    *,
    patience: float,
    lag: int,
) -> Sequence[Finding]:
    """Return what every check has found, in a fixed order."""
    clock = SystemClock()
    checks: list[tuple[str, Check]] = [
        ("broker", partial(broker.look, settings)),
        ("broker-clock", partial(broker.look_at_clock, settings, clock)),
        ("database", partial(database.look, settings, clock)),
        ("positions", partial(log.look_at_positions, settings)),
        ("lag", partial(log.look_at_lag, settings, patience=patience, most=lag)),
        ("dead-letters", partial(log.look_at_letters, settings)),
        *(("service", partial(local.look_at_service, name, url)) for name, url in services.items()),
    ]
    found = await asyncio.gather(*(checked(code, check) for code, check in checks))
    files = local.look_at_files(RunDir(default_run_dir()), stack) if stack else []
    return [*profile.judge(settings), *(finding for findings in found for finding in findings), *files]


def _named(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    if not name or not url.startswith(("http://", "https://")):
        raise UserError(f"a service is NAME=URL, not {text!r}.")
    return name, url
