"""`gridloop token`: bearer tokens for development. A token names a person; posts follow from the roster."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from shared.kernel.clock import SystemClock
from shared.runtime.tokens import generate_key_pair, mint, read_key


def register(app: typer.Typer) -> None:
    """Add the `token` command."""
    app.command("token")(token)


def token(
    person: Annotated[str, typer.Argument(help="The person's handle.")],
    keys: Annotated[Path, typer.Option(help="Folder with the key pair; made where there is none.")] = Path(
        ".run/keys"
    ),
    hours: Annotated[float, typer.Option(help="How long the token is good for.")] = 8.0,
) -> None:
    """Print a bearer token for a person."""
    private = keys / "token.private.jwk"
    if not private.exists():
        generate_key_pair().write(keys)
    print(mint(read_key(private), person, lifetime=timedelta(hours=hours), now=SystemClock().now()))
