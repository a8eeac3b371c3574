"""Pairs of runs: an order and its answers, then a round and its visits, on the same servers."""

from dataclasses import asdict
from typing import Final

from bench.dispatch import pairs as dispatch
from bench.dispatch.arms import DispatchArm
from bench.dispatch.sample import Figures as Answers
from bench.dispatch.sample import Run as Order
from bench.dispatch.world import build
from bench.report import Measured, paired, single
from bench.tested import Tested
from bench.visits.sample import Run, measure
from bench.visits.town import Town, build_town
from cli.stack.local import LocalStack
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer

BESIDE: Final = {
    "per_s": "a second, first visit or answer → city exact",
    "whole_per_s": "a second, round opened or order given → city exact",
    "cpu_us": "service CPU each, after the first (µs)",
    "whole_writes": "database writes each, opening and fan-out included",
    "whole_messages": "messages each, opening and fan-out included",
}
ALONE: Final = {
    "freeze_s": "round opened → every denominator frozen (s)",
    "writes": "database writes per visit, first visit → exact at every desk",
    "messages": "messages per visit, the visit included",
    "kafka_cpu_us": "Kafka CPU per visit (µs)",
    "mongo_cpu_us": "database CPU per visit (µs)",
    "rss_mb": "resident memory of the service at the end (MB)",
}


async def run(
    stack: LocalStack, *, posts: int, households: int, pairs: int, within_s: float, settle_s: float
) -> Measured:
    """Measure visits beside answers, as often as asked for."""
    world, town = build(posts), build_town(households)
    await dispatch.prepare(stack, world, town.world)
    await _copied(stack, town, rosters=len(world.rosters) + len(town.world.rosters))
    arm = DispatchArm(stack, settle_s)
    done: list[tuple[Order, Run]] = []
    for number in range(pairs):
        order = await dispatch.one(stack, arm, world, number, within_s)
        done.append((order, await _one(stack, town, number, within_s, settle_s)))
    counted = [(visits.figures, order.figures) for order, visits in done if visits.figures and order.figures]
    beside = paired([(asdict(one), _answers(other)) for one, other in counted], BESIDE, ("visits", "answers"))
    alone = single([asdict(one) for one, _ in counted], ALONE)
    runs = [run for pair in done for run in pair]
    sizes = {"households": households, "visits": town.distinct(), "desks": len(town.truth), "posts": posts}
    return Measured(
        name="visits",
        sizes=sizes,
        text=f"{beside}\n\n{alone}",
        runs=[asdict(run) for run in runs],
        void=[void for run in runs if (void := run.void)],
    )


async def _one(stack: LocalStack, town: Town, number: int, within_s: float, settle_s: float) -> Run:
    run = await measure(
        stack,
        town,
        round_=derived_id("bench", "round", number),
        seed=number,
        partitions=dispatch.PARTITIONS,
        within_s=within_s,
        settle_s=settle_s,
    )
    rate = f"{run.figures.per_s:,.0f} visits/s" if run.figures else "VOID"
    print(f"pair {number + 1} visits: {rate}, load before {run.load_before:.2f}", flush=True)
    return run


def _answers(figures: Answers) -> dict[str, float]:
    """Return dispatch's figures under the names of the comparison."""
    return {
        "per_s": figures.answers_back_per_s,
        "whole_per_s": figures.answers_per_s,
        "cpu_us": figures.cpu_back_us_per_answer,
        "whole_writes": figures.writes_per_answer,
        "whole_messages": figures.messages_per_answer,
    }


async def _copied(stack: LocalStack, town: Town, *, rosters: int) -> None:
    """Append what registry would have said, and let both services copy it before anything is measured."""
    producer = Producer(stack.kafka, client_id="bench")
    await producer.start()
    await producer.append(list(town.homes()))
    await producer.stop()
    for name, wanted in {
        "dispatch": {"rosters": rosters},
        "screening": {"rosters": rosters, "households": len(town.households), "charges": _communities(town)},
    }.items():
        service = Tested(stack, name)
        service.start()
        for collection, count in wanted.items():
            await dispatch.wait_for_copies(stack, f"gridloop_{name}", collection, count)
        service.stop()


def _communities(town: Town) -> int:
    return len({household.desk for household in town.households})
