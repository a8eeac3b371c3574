"""`gridloop demo`: everything from an empty machine to a closed loop, checked, and nothing left behind."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from joserfc.jwk import OKPKey

from cli.demo import directive
from cli.demo.load import check, tell
from cli.demo.places import read_geography
from cli.demo.shape import LEAST_POSTS, STREET
from cli.demo.stage import Options, Timing, opened, running
from cli.demo.summary import Summary
from cli.demo.world import World, street
from cli.stack.local import LocalStack
from cli.stack.paths import ROOT

GEOGRAPHY = ROOT / "schemes" / "geography" / "610802006.json"
INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the `demo` command."""
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(help="The same seed makes the same street and the same people.")] = 7,
    speed: Annotated[float, typer.Option(min=0.1, max=20, help="How many times faster people are.")] = 1.0,
    silent: Annotated[float, typer.Option(min=0, max=0.5, help="Share of holders who never answer.")] = 0.03,
    posts: Annotated[
        int, typer.Option(min=LEAST_POSTS, max=STREET.posts, help="A smaller street of the same shape.")
    ] = STREET.posts,
    report: Annotated[Path | None, typer.Option("--json", help="Write the summary here as JSON.")] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs of the run.")] = False,
) -> None:
    """Give one order to every post of a real street, and see the loop close."""
    options = Options(seed=seed, speed=speed, silent=silent, posts=posts, keep=keep)
    try:
        summary = run(options, Timing())
    except KeyboardInterrupt:
        print("interrupted; everything it started has ended")
        raise typer.Exit(INTERRUPTED) from None
    if report is not None:
        report.write_text(json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if summary.differences:
        raise typer.Exit(1)


def run(options: Options, timing: Timing) -> Summary:
    """Run the demonstration and return its summary, once everything it started has ended."""
    world = street(options.seed, read_geography(GEOGRAPHY), options.posts)
    timing.say("starting Kafka and MongoDB on this machine")
    with running(options, timing) as (stack, key):
        timing.phases["start"] = round(timing.elapsed(), 1)
        summary = asyncio.run(_acts(stack, key, world, options, timing))
    summary.seconds = {**timing.phases, "all": round(timing.elapsed(), 1)}
    for line in summary.lines():
        print(line)
    return summary


async def _acts(stack: LocalStack, key: OKPKey, world: World, options: Options, timing: Timing) -> Summary:
    """Play the acts in order on one stage."""
    async with opened(stack, key, world, options, timing) as stage:
        residents = sum(len(household.members) for household in world.households)
        told = f"{len(world.seats)} posts, {residents} residents in {len(world.households)} households"
        with timing.phase("load", f"telling registry the street: {told}"):
            await tell(stage)
        with timing.phase("check", "asking registry who answers for whom"):
            findings, differences = await check(stage)
        summary = await directive.act(stage)
    summary.findings = findings
    summary.differences += differences
    summary.restarts = {name: child.restarts for name, child in stack.state.children.items()}
    return summary
