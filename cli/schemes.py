"""`gridloop schemes check`: say whether scheme files are right, before a service is asked to load them."""

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import UserError
from services.registry.schemes import load_schemes
from shared.kernel.errors import ConfigurationError

SHIPPED = Path(__file__).parents[1] / "schemes"


def register(app: typer.Typer) -> None:
    """Add the `schemes` commands."""
    schemes = typer.Typer(help="Check scheme files.", no_args_is_help=True)
    schemes.callback()(lambda: None)
    schemes.command("check")(check)
    app.add_typer(schemes, name="schemes")


def check(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders with scheme files; the shipped ones if none.")
    ] = None,
) -> None:
    """Read every scheme of the folders, references between them included; name each fault."""
    try:
        schemes = load_schemes(*(folders or [SHIPPED]))
    except ConfigurationError as error:
        raise UserError(f"{error.code}: {error.detail}") from error
    for scheme in schemes.values():
        chains = ", ".join(f"{name} {len(types)}" for name, types in scheme.templates.items())
        print(f"{scheme.scheme} v{scheme.version}: {len(scheme.posts)} post types; chains: {chains or '-'}")
