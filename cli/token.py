"""`gridloop token`: bearer tokens for development. A token names a person; posts follow from the roster."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.stack.keys import OPERATOR, token_for
from cli.stack.paths import RunDir, default_run_dir


def register(app: typer.Typer) -> None:
    """Add the `token` command."""
    app.command("token")(token)


def token(
    person: Annotated[str, typer.Argument(help="The person's handle.")] = OPERATOR,
    keys: Annotated[
        Path | None, typer.Option(help="Folder with the key pair; the running stack's if none is given.")
    ] = None,
    hours: Annotated[float, typer.Option(help="How long the token is good for.")] = 8.0,
) -> None:
    """Print a bearer token for a person; without one, for who may make the first import."""
    print(token_for(person, keys or RunDir(default_run_dir()).keys, timedelta(hours=hours)))
