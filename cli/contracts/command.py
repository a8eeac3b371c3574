"""`gridloop contracts check|export`: may the contracts change like this; are their files up to date."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.contracts import artefacts, gate
from cli.contracts.compatibility import Change
from cli.errors import UserError
from shared.contracts.catalog import TOPICS

EXPORT = "gridloop contracts export"


def register(app: typer.Typer) -> None:
    """Add the `contracts` commands."""
    contracts = typer.Typer(
        help="JSON Schemas, AsyncAPI and OpenAPI: write them, and refuse what would break a partner.",
        no_args_is_help=True,
    )
    contracts.command("check")(check)
    contracts.command("export")(export)
    app.add_typer(contracts, name="contracts")


def check(
    against: Annotated[
        str, typer.Option(help="A commit, branch or tag to compare with; the files of the work tree if none.")
    ] = "",
) -> None:
    """Show how the contracts differ from what was promised; status 1 if it breaks a partner, or is stale."""
    promised = gate.at_commit(against) if against else gate.in_folder()
    found = gate.changes(TOPICS, promised)
    _show(found)
    stale = artefacts.stale({**artefacts.of_messages(TOPICS), **artefacts.of_services()})
    for name in stale:
        print(f"stale: {name} (`{EXPORT}`)", file=sys.stderr)
    if stale or any(change.breaking for change in found):
        raise typer.Exit(1)


def export(
    *,
    breaking: Annotated[
        bool, typer.Option("--breaking", help="Write although partners break: for what nobody uses yet.")
    ] = False,
) -> None:
    """Write the generated files; refused if that would break a partner."""
    found = gate.changes(TOPICS, gate.in_folder())
    _show(found)
    if any(change.breaking for change in found) and not breaking:
        raise UserError("nothing was written: a breaking change is a new type or topic beside the old one.")
    artefacts.write({**artefacts.of_messages(TOPICS), **artefacts.of_services()})


def _show(changes: Sequence[Change]) -> None:
    for change in changes:
        print(change, file=sys.stderr if change.breaking else sys.stdout)
