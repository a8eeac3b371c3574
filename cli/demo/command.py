"""`gridloop demo`: everything from an empty machine to closed loops, checked, and nothing left behind."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from joserfc.jwk import OKPKey

from cli.demo.directive.act import act as play_directive
from cli.demo.gate.act import act as play_gate
from cli.demo.load import check, tell
from cli.demo.places import read_geography
from cli.demo.report import ActSummary, Report
from cli.demo.round.act import act as play_round
from cli.demo.shape import LEAST_POSTS, STREET
from cli.demo.stage import Options, Stage, Timing, opened, running
from cli.demo.world import World, street
from cli.stack.local import LocalStack
from cli.stack.paths import ROOT

GEOGRAPHY = ROOT / "schemes" / "geography" / "610802006.json"
INTERRUPTED = 130


class Act(StrEnum):
    """The acts, in the order in which they are played."""

    DIRECTIVE = "directive"
    ROUND = "round"
    GATE = "gate"


PLAYS: Mapping[Act, Callable[[Stage], Awaitable[ActSummary]]] = {
    Act.DIRECTIVE: play_directive,
    Act.ROUND: play_round,
    Act.GATE: play_gate,
}


def register(app: typer.Typer) -> None:
    """Add the `demo` command."""
    app.command()(demo)


def demo(
    act: Annotated[Act | None, typer.Argument(help="One act; without it, all of them in order.")] = None,
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
    """Give one order to every post of a real street, visit every household, man a gate: and see it add up."""
    options = Options(seed=seed, speed=speed, silent=silent, posts=posts, keep=keep)
    try:
        told = run(options, Timing(), [act] if act else list(Act))
    except KeyboardInterrupt:
        print("interrupted; everything it started has ended")
        raise typer.Exit(INTERRUPTED) from None
    if report is not None:
        text = json.dumps(told.as_json(), indent=2, ensure_ascii=False)
        report.write_text(text + "\n", encoding="utf-8")
    if told.all_differences:
        raise typer.Exit(1)


def run(options: Options, timing: Timing, acts: Sequence[Act]) -> Report:
    """Play the acts and return what they came to, once everything they started has ended."""
    world = street(options.seed, read_geography(GEOGRAPHY), options.posts)
    timing.say("starting Kafka and MongoDB on this machine")
    with running(options, timing) as (stack, key):
        timing.phases["start"] = round(timing.elapsed(), 1)
        report = asyncio.run(_acts(stack, key, world, options, timing, acts))
    report.seconds = {**timing.phases, "all": round(timing.elapsed(), 1)}
    for line in report.lines():
        print(line)
    return report


async def _acts(
    stack: LocalStack, key: OKPKey, world: World, options: Options, timing: Timing, acts: Sequence[Act]
) -> Report:
    """Play the acts in order on one stage."""
    report = Report()
    async with opened(stack, key, world, options, timing) as stage:
        residents = sum(len(household.members) for household in world.households)
        told = f"{len(world.seats)} posts, {residents} residents in {len(world.households)} households"
        with timing.phase("load", f"telling registry the street: {told}"):
            await tell(stage)
        with timing.phase("check", "asking registry who answers for whom"):
            report.findings, report.differences = await check(stage)
            stage.findings.extend(report.findings)
        for act in acts:
            report.acts[act.value] = await PLAYS[act](stage)
    report.restarts = {name: child.restarts for name, child in stack.state.children.items()}
    return report
