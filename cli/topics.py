"""`gridloop topics apply|diff`: topics as their cards declare them; never altered silently."""

import asyncio
import sys
from typing import Annotated

import typer

from cli.errors import UserError
from cli.stack.probes import broker_asked
from cli.target import asked, local_stack, settings_of
from shared.kernel.errors import Transient
from shared.messaging.admin import TopicAdmin, wanted
from shared.service.process import security_of

AGAIN_AFTER_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the `topics` commands."""
    topics = typer.Typer(
        help="Create topics and show how they differ from their cards.", no_args_is_help=True
    )
    topics.command("apply")(apply)
    topics.command("diff")(diff)
    app.add_typer(topics, name="topics")


def apply(
    wait: Annotated[float, typer.Option(help="Seconds to wait for the broker.")] = 30.0,
) -> None:
    """Create the topics that are missing; drift is shown and leaves with status 1."""
    created, drift = asyncio.run(_apply(wait))
    for name in created:
        print(f"created {name}")
    _show(drift)


def diff() -> None:
    """Show how the broker's topics differ from their cards; status 1 if they do. Nothing is changed."""
    _show(asked(_diff()))


def _show(drift: list[str]) -> None:
    for line in drift:
        print(f"drift: {line}", file=sys.stderr)
    if drift:
        raise typer.Exit(1)


async def _apply(wait: float) -> tuple[list[str], list[str]]:
    settings = settings_of(local_stack())
    topics = wanted(settings.partitions)
    why = "no answer"
    try:
        async with asyncio.timeout(wait):
            while True:
                try:
                    with broker_asked():
                        async with TopicAdmin(settings.kafka, security_of(settings)) as admin:
                            created = await admin.apply(topics, replication=settings.replication)
                            return created, await admin.drift(topics)
                except Transient as error:
                    why = str(error)
                await asyncio.sleep(AGAIN_AFTER_S)
    except TimeoutError as error:
        told = f"Kafka at {settings.kafka} has not taken the topics within {wait:g} s: {why}."
        raise UserError(told) from error


async def _diff() -> list[str]:
    settings = settings_of(local_stack())
    async with TopicAdmin(settings.kafka, security_of(settings)) as admin:
        return [*await admin.drift(wanted(settings.partitions)), *await admin.undeclared()]
