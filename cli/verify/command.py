"""`gridloop verify`: whether the state of every service follows from the log."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from cli.errors import UserError
from cli.target import asked, local_stack, settings_of
from cli.verify.comparing import COMPARISONS
from cli.verify.log import LogCut, read_log
from cli.verify.rest import APPENDED, NotAtRest, at_rest
from cli.verify.statements import Difference, differences
from cli.verify.stored import read_documents
from shared.messaging.security import Security
from shared.runtime.settings import ServiceSettings
from shared.service.process import security_of

LOG_CUT: Final = 3
NOT_AT_REST: Final = 4
SHOWN_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Verified:
    """What comparing one service came to."""

    service: str
    places: int
    differences: Sequence[Difference]


def register(app: typer.Typer) -> None:
    """Add the `verify` command."""
    app.command("verify")(verify)


def verify(
    services: Annotated[list[str] | None, typer.Argument(help="Services; without one, all of them.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until nothing flows.")] = 30.0,
) -> None:
    """Read the raw log from its beginning, add it up apart from the services, and compare.

    The status is 0 only if all is equal; 1 for differences, 2 where there is no answer, 3 if a log no longer
    starts at its beginning, 4 if something was still flowing when the time was over.
    """
    names = services or list(COMPARISONS)
    unknown = [name for name in names if name not in COMPARISONS]
    if unknown:
        raise UserError(f"there is no service {unknown[0]!r}; known are {', '.join(COMPARISONS)}.")
    try:
        found = asked(compare(settings_of(local_stack()), names, wait=wait))
    except LogCut as cut:
        print(f"cannot verify: {cut.detail} no longer start at their beginning, and there are no snapshots.")
        raise typer.Exit(LOG_CUT) from cut
    except NotAtRest as flowing:
        print(f"cannot verify while records flow: {flowing.detail}.")
        raise typer.Exit(NOT_AT_REST) from flowing
    for each in found:
        _show(each)
    if any(each.differences for each in found):
        raise typer.Exit(1)


async def compare(settings: ServiceSettings, services: Sequence[str], *, wait: float) -> list[Verified]:
    """Return what comparing services came to, at a moment at which nothing flowed.

    Raises `LogCut`, `NotAtRest`, and `Transient` where a server does not answer.
    """
    deadline = time.monotonic() + wait
    security = security_of(settings)
    while True:
        ends = await at_rest(settings.kafka, security, services, deadline=deadline)
        found = [await _compared(settings, security, service) for service in services]
        if ends == await at_rest(settings.kafka, security, services, deadline=deadline):
            return found
        if time.monotonic() > deadline:
            raise NotAtRest("not-at-rest", APPENDED)


async def _compared(settings: ServiceSettings, security: Security, service: str) -> Verified:
    comparison = COMPARISONS[service]
    log, documents = await asyncio.gather(
        read_log(settings.kafka, security, comparison.topics),
        read_documents(settings, service, comparison.collections),
    )
    said, stored = comparison.sides(log, documents, settings.zone)
    return Verified(service, len(said.keys() | stored.keys()), differences(said, stored))


def _show(found: Verified) -> None:
    equal = "equal" if not found.differences else f"{len(found.differences)} differ"
    print(f"{found.service}: {found.places} places compared with the log, {equal}")
    for difference in found.differences[:SHOWN_MOST]:
        print(f"  {difference}")
    if len(found.differences) > SHOWN_MOST:
        print(f"  and {len(found.differences) - SHOWN_MOST} more")
    for what in COMPARISONS[found.service].not_compared:
        print(f"  not compared: {what}")
