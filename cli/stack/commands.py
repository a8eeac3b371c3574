"""`gridloop up`, `down` and `status`, and the keys that gates trust."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.stack import detached, keys
from cli.stack.health import probe_of
from cli.stack.paths import RunDir, default_run_dir
from cli.stack.plan import StackState
from cli.stack.services import SERVICE_NAMES

NOT_RUNNING = 1
ALL = "all"


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command("pass-keys")(pass_keys)


def up(
    services: Annotated[
        str,
        typer.Option(
            help=f"Services to run as well, separated by commas: {', '.join(SERVICE_NAMES)}; or all."
        ),
    ] = "",
) -> None:
    """Start Kafka and MongoDB on this machine, in the background, and wait until they answer."""
    began = time.monotonic()
    names = SERVICE_NAMES if services == ALL else [name for name in services.split(",") if name]
    _show(detached.up(services=names))
    print(f"up after {time.monotonic() - began:.1f} s; `gridloop down` ends it")


def down() -> None:
    """End what `up` started; data and logs stay."""
    print("down" if detached.down() else "nothing was running")


def status(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print the whole state as JSON.")] = False
) -> None:
    """Show what runs and whether it answers."""
    state = detached.status()
    if state is None:
        print("{}" if as_json else "not running")
        raise typer.Exit(NOT_RUNNING)
    if as_json:
        print(json.dumps(state.as_json(), indent=2))
        return
    _show(state)


def pass_keys(
    file: Annotated[
        Path | None, typer.Option(help="The key file; the running stack's if none is given.")
    ] = None,
    *,
    rotate: Annotated[bool, typer.Option(help="Add a key: it signs from now on, the others verify.")] = False,
    withdraw: Annotated[str, typer.Option(help="Id of a key whose passes are believed no longer.")] = "",
) -> None:
    """Make the keys that sign passes, once, and show their ids; a running checkpoint follows the file."""
    where = keys.pass_keys(file or RunDir(default_run_dir()).pass_keys)
    if rotate:
        keys.rotate_pass_keys(where)
    if withdraw:
        keys.withdraw_pass_key(where, withdraw)
    print("\n".join(keys.pass_key_ids(where)))


def _show(state: StackState) -> None:
    addresses = {"kafka": state.kafka, "mongo": state.mongo}
    for name, child in state.children.items():
        address = addresses.get(name, f"http://127.0.0.1:{child.port}")
        health = "stopped" if not child.wanted else "answers" if probe_of(state, name)() else "no answer"
        print(f"{name:<12} {health:<10} pid {child.pid or '-':<8} restarts {child.restarts:<3} {address}")
    print(f"{'supervisor':<12} {'runs':<10} pid {state.supervisor.pid:<8} {'':<12} {state.run_dir}")
