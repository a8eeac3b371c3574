"""One round: what it took, from the round opened to the city exact, and whether it counts."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from bench.meter import ROLES, SERVICE, Meter, Traces
from bench.report import RunOf, Void
from bench.tested import Tested
from bench.visits.outsider import Outsider, differences, is_exact, is_frozen, overcounts
from bench.visits.town import CITY, Town
from cli.stack.local import LocalStack
from services.screening.store import INDEXES
from shared.contracts import screening
from shared.kernel.clock import SystemClock

TRACES: Final = Traces("gridloop_screening", tuple(INDEXES), tuple(topic.name for topic in screening.TOPICS))


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round took. "Visit" is a distinct visit: duplicates are work, not visits."""

    per_s: float
    whole_per_s: float
    freeze_s: float
    cpu_us: float
    kafka_cpu_us: float
    mongo_cpu_us: float
    writes: float
    whole_writes: float
    whole_messages: float
    messages: float
    rss_mb: float


Run = RunOf[Figures]


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is counted, at one moment."""

    at: float
    cpu: Mapping[str, float]
    writes: int
    messages: int

    @classmethod
    async def of(cls, meter: Meter) -> "Reading":
        """Read writes and messages first: they take a while and nothing may move the clock after it."""
        writes, messages = meter.writes(), await meter.messages()
        return cls(cpu=meter.cpu(), writes=writes, messages=messages, at=perf_counter())


async def measure(
    stack: LocalStack,
    town: Town,
    *,
    round_: str,
    seed: int,
    partitions: int,
    within_s: float,
    settle_s: float,
) -> Run:
    """Run one round. One that is late or inexact comes back void, with what was wrong."""
    service = Tested(stack, "screening")
    process = service.start()
    await asyncio.sleep(settle_s)
    load = os.getloadavg()[0]
    outsider = Outsider(stack.kafka, round_, partitions)
    meter = Meter(stack, [process], TRACES, partitions)
    try:
        await outsider.start()
        figures = await _round(outsider, meter, town, round_=round_, seed=seed, within_s=within_s)
        wrong = overcounts(outsider.most_at_city, town.truth[CITY]) + outsider.refusals
    except Void as late:
        figures = None
        wrong = [str(late), *outsider.refusals, *differences(outsider.coverage, town.truth)]
    finally:
        await outsider.stop()
        service.stop()
    return Run("visits", load, None if wrong else figures, wrong)


async def _round(
    outsider: Outsider, meter: Meter, town: Town, *, round_: str, seed: int, within_s: float
) -> Figures:
    truth = town.truth
    visits = outsider.batches.prepare(town.visits(round_, seed, SystemClock().now()))
    before = await Reading.of(meter)
    await outsider.batches.send(town.opening(round_))
    frozen = await outsider.until(
        lambda: bool(outsider.refusals) or is_frozen(outsider.at_city, truth[CITY]), within_s, "frozen"
    )
    at_open = await Reading.of(meter)
    await outsider.batches.append(visits)
    exact = await outsider.until(
        lambda: is_exact(outsider.at_city, truth[CITY]), within_s, "exact at the city"
    )
    cpu = meter.cpu()
    # What the city has counted, every desk has published before; the last records may still be on their way.
    await outsider.until(lambda: not differences(outsider.coverage, truth), within_s, "exact at every desk")
    after, rss = await Reading.of(meter), meter.rss()
    await outsider.batches.send(town.closing(round_))
    await outsider.until(lambda: _closed(outsider.coverage, truth), within_s, "closed")
    visited = town.distinct()
    used = {role: (cpu[role] - at_open.cpu[role]) / visited * 1e6 for role in ROLES}
    return Figures(
        per_s=visited / (exact - at_open.at),
        whole_per_s=visited / (exact - at_open.at + frozen - before.at),
        freeze_s=frozen - before.at,
        cpu_us=used[SERVICE],
        kafka_cpu_us=used["kafka"],
        mongo_cpu_us=used["mongo"],
        writes=(after.writes - at_open.writes) / visited,
        whole_writes=(after.writes - before.writes) / visited,
        messages=(after.messages - at_open.messages) / visited,
        whole_messages=(after.messages - before.messages) / visited,
        rss_mb=rss / 1e6,
    )


def _closed(coverage: Mapping[str, bytes], desks: Mapping[str, object]) -> bool:
    """Return whether the round is closed everywhere."""
    return all(desk in coverage and json.loads(coverage[desk])["closed"] for desk in desks)
