"""Pairs of runs, ours and raw in turn, on one stack."""

import asyncio
import time
from dataclasses import asdict
from typing import Any, Final

from pymongo import MongoClient

from bench.dispatch import raw
from bench.dispatch.arms import Arm, DispatchArm, RawArm
from bench.dispatch.sample import Run, measure
from bench.dispatch.world import World, build
from bench.report import Measured, Pair, Void, paired
from cli.stack.local import LocalStack
from shared.kernel.ids import derived_id
from shared.messaging.admin import TopicAdmin, Wanted, wanted
from shared.messaging.producer import Producer

PARTITIONS: Final = 12
ROSTERS_S: Final = 120
UNITS: Final = {
    "answers_per_s": "answers/s, order given → city exact",
    "answers_back_per_s": "answers/s, first answer → city exact",
    "wall_s": "wall, order given → city exact (s)",
    "fan_out_s": "fan-out: order → last delivery read (s)",
    "back_s": "back: first answer → city exact (s)",
    "cpu_us_per_answer": "service CPU per answer (µs)",
    "cpu_back_us_per_answer": "of which after the first answer (µs)",
    "kafka_cpu_us_per_answer": "Kafka CPU per answer (µs)",
    "mongo_cpu_us_per_answer": "database CPU per answer (µs)",
    "writes_per_answer": "database writes per answer",
    "messages_per_answer": "messages per answer, the answer included",
    "growth_mb_per_100k": "memory growth per 100,000 open entries (MB)",
}


async def run(
    stack: LocalStack, *, posts: int, pairs: int, within_s: float, settle_s: float, replicas: int = 1
) -> Measured:
    """Measure one order there and back in both arms, as often as asked for.

    The other arm is the raw loop; several replicas have one beside them.
    """
    world = build(posts)
    await prepare(stack, world)
    ours: Arm = DispatchArm(stack, settle_s, replicas)
    theirs: Arm = RawArm(stack.kafka, stack.mongo, PARTITIONS)
    if replicas > 1:
        theirs = DispatchArm(stack, settle_s)
    ours.start()
    await wait_for_copies(stack, "gridloop_dispatch", "rosters", len(world.rosters))
    ours.stop()
    done: list[tuple[Run, Run]] = []
    for number in range(pairs):
        mine = await one(stack, ours, world, number, within_s)
        done.append((mine, await one(stack, theirs, world, number, within_s)))
    runs = [run for pair in done for run in pair]
    return Measured(
        name="dispatch",
        sizes={"posts": posts, "pairs": pairs, "replicas": replicas},
        text=paired(exact_pairs(done), UNITS, (ours.name, theirs.name)),
        runs=[asdict(run) for run in runs],
        void=[void for run in runs if (void := run.void)],
    )


def exact_pairs(done: list[tuple[Run, Run]]) -> list[Pair]:
    """Return the figures of the pairs that count."""
    return [(asdict(ours.figures), asdict(raw.figures)) for ours, raw in done if ours.figures and raw.figures]


async def one(stack: LocalStack, arm: Arm, world: World, number: int, within_s: float) -> Run:
    """Run one order through one arm and say how it went."""
    run = await measure(
        stack,
        arm,
        world,
        directive=derived_id("bench", arm.name, number),
        seed=number,
        partitions=PARTITIONS,
        within_s=within_s,
    )
    wall = f"{run.figures.wall_s:.2f} s" if run.figures else "VOID"
    print(f"pair {number + 1} {run.arm}: {wall}, load before {run.load_before:.2f}", flush=True)
    return run


async def prepare(stack: LocalStack, *worlds: World) -> None:
    """Create both arms' topics and append the rosters, which both read from the same topic."""
    plain = [
        Wanted(name, PARTITIONS, {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "4194304"})
        for name in raw.TOPICS
    ]
    async with TopicAdmin(stack.kafka) as admin:
        await admin.apply([*wanted(PARTITIONS), *plain], replication=1)
    producer = Producer(stack.kafka, client_id="bench")
    await producer.start()
    for world in worlds:
        await producer.append(world.facts())
    await producer.stop()
    with MongoClient[dict[str, Any]](stack.mongo) as client:
        for name in raw.COLLECTIONS:
            client[raw.DATABASE].create_collection(name)


async def wait_for_copies(stack: LocalStack, database: str, collection: str, count: int) -> None:
    """Wait until a service has copied as many facts of another as there are."""
    deadline = time.monotonic() + ROSTERS_S
    with MongoClient[dict[str, Any]](stack.mongo) as client:
        copies = client[database][collection]
        while (copied := copies.count_documents({})) < count:
            if time.monotonic() > deadline:
                raise Void(f"{database}.{collection}: {copied} of {count} read")
            await asyncio.sleep(0.1)
