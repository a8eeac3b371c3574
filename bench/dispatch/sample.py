"""One run of one arm: what it took, from the order given to the city exact, and whether it counts."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final

from bench.dispatch.arms import Arm
from bench.dispatch.outsider import Outsider, differences, is_exact, overcounts
from bench.dispatch.world import CITY, World
from bench.meter import MEGABYTE, ROLES, SERVICE, Meter
from bench.report import RunOf, Void
from cli.stack.local import LocalStack

PER_OPEN: Final = 100_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What is compared. "Answer" is a distinct answer: duplicates are work, not answers."""

    answers_per_s: float
    answers_back_per_s: float
    wall_s: float
    fan_out_s: float
    back_s: float
    cpu_us_per_answer: float
    cpu_back_us_per_answer: float
    kafka_cpu_us_per_answer: float
    mongo_cpu_us_per_answer: float
    writes_per_answer: float
    messages_per_answer: float
    growth_mb_per_100k: float


Run = RunOf[Figures]


async def measure(
    stack: LocalStack, arm: Arm, world: World, *, directive: str, seed: int, partitions: int, within_s: float
) -> Run:
    """Run one order through one arm. A run that is late or inexact comes back void, with what was wrong."""
    services = arm.start()
    await asyncio.sleep(arm.settle_s)
    load = os.getloadavg()[0]
    outsider = Outsider(stack.kafka, arm.topics, city=CITY, partitions=partitions)
    try:
        await outsider.start()
        meter = Meter(stack, services, arm.traces, partitions)
        figures, wrong = await _there_and_back(
            outsider, meter, arm, world, directive=directive, seed=seed, within_s=within_s
        )
    except Void as late:
        figures, wrong = None, [str(late), *differences(directive, outsider.progress, world.truth)]
    finally:
        await outsider.stop()
        arm.stop()
    return Run(arm.name, load, None if wrong else figures, wrong)


async def _there_and_back(
    outsider: Outsider,
    meter: Meter,
    arm: Arm,
    world: World,
    *,
    directive: str,
    seed: int,
    within_s: float,
) -> tuple[Figures, list[str]]:
    addressed = world.addressees.keys()
    truth = world.truth
    # The same bytes, on the topic of the arm.
    answers = outsider.batches.prepare(
        [replace(answer, topic=arm.topics.answers) for answer in world.answers(directive, seed)]
    )
    writes, messages = meter.writes(), await meter.messages()
    rss, cpu, began = meter.rss(), meter.cpu(), perf_counter()
    await outsider.batches.send(arm.order(world, directive))
    delivered = await outsider.until(lambda: len(outsider.delivered) >= len(addressed), within_s, "fan-out")
    rss_open, cpu_open = meter.rss(), meter.cpu()
    await outsider.batches.append(answers)
    exact = await outsider.until(
        lambda: bool(outsider.seen_at_city) and is_exact(outsider.seen_at_city[-1], truth[CITY]),
        within_s,
        "exact at the city",
    )
    cpu_exact = meter.cpu()
    writes, messages = meter.writes() - writes, await meter.messages() - messages
    wrong = [f"delivered to a stranger: {post}" for post in sorted(outsider.delivered - addressed)]
    wrong += overcounts(outsider.seen_at_city, truth[CITY])
    # What the city has counted, every unit has published before; the last records may still be on their way.
    await outsider.until(
        lambda: not differences(directive, outsider.progress, truth), within_s, "exact at every unit"
    )
    if arm.closes:
        await outsider.until(lambda: _closed(directive, outsider.progress, truth), within_s, "closed")
    return (
        _figures(
            posts=len(addressed),
            moments=(began, delivered, exact),
            cpu=(cpu, cpu_open, cpu_exact),
            counted=(writes, messages),
            growth=rss_open - rss,
        ),
        wrong,
    )


def _closed(directive: str, progress: Mapping[str, bytes], desks: Mapping[str, Any]) -> bool:
    """Return whether the order is closed everywhere, so that the next run starts in quiet."""
    return all(b'"complete":true' in progress.get(f"{directive}/{desk}", b"") for desk in desks)


def _figures(
    *,
    posts: int,
    moments: Sequence[float],
    cpu: Sequence[Mapping[str, float]],
    counted: tuple[int, int],
    growth: int,
) -> Figures:
    began, delivered, exact = moments
    before, at_open, after = cpu
    used = {role: (after[role] - before[role]) / posts * 1e6 for role in ROLES}
    return Figures(
        answers_per_s=posts / (exact - began),
        answers_back_per_s=posts / (exact - delivered),
        wall_s=exact - began,
        fan_out_s=delivered - began,
        back_s=exact - delivered,
        cpu_us_per_answer=used[SERVICE],
        cpu_back_us_per_answer=(after[SERVICE] - at_open[SERVICE]) / posts * 1e6,
        kafka_cpu_us_per_answer=used["kafka"],
        mongo_cpu_us_per_answer=used["mongo"],
        writes_per_answer=counted[0] / posts,
        messages_per_answer=counted[1] / posts,
        growth_mb_per_100k=growth / MEGABYTE / posts * PER_OPEN,
    )
