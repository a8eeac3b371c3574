"""Entry point of `gridloop`: each command group lives in its own module and is registered here."""

import sys

import typer

from cli import dashboard, dlq, schemes, screening, token, topics
from cli.contracts import command as contracts_command
from cli.demo import command as demo_command
from cli.doctor import command as doctor_command
from cli.errors import UserError
from cli.rebuild import command as rebuild_command
from cli.stack import commands as stack_commands
from cli.verify import command as verify_command


def build_app() -> typer.Typer:
    app = typer.Typer(
        name="gridloop",
        help="Gridloop (网格闭环): the chain of command of a city's community emergency response.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    stack_commands.register(app)
    topics.register(app)
    contracts_command.register(app)
    dlq.register(app)
    doctor_command.register(app)
    verify_command.register(app)
    rebuild_command.register(app)
    dashboard.register(app)
    token.register(app)
    schemes.register(app)
    screening.register(app)
    demo_command.register(app)
    return app


def main() -> None:
    try:
        build_app()()
    except UserError as error:
        print(f"gridloop: {error}", file=sys.stderr)
        sys.exit(error.status)


if __name__ == "__main__":
    main()
