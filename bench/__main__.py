"""`python -m bench`: pairs of runs, ours and raw in turn, on one stack; exit code 1 if any was not exact."""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pymongo import MongoClient

from bench import raw, report
from bench.arms import Arm, DispatchArm, RawArm, dispatch_program
from bench.outsider import Void
from bench.sample import Run, measure
from bench.world import World, build
from cli.stack.local import LocalStack
from shared.kernel.ids import derived_id
from shared.messaging.admin import TopicAdmin, Wanted, wanted
from shared.messaging.producer import Producer

PARTITIONS = 12
QUICK_POSTS = 2_000
ROSTERS_S = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether every run was exact."""
    options = _options(arguments)
    # A partition that was created a moment ago has no leader yet; the client warns at every try.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    with LocalStack() as stack:
        circumstances = report.conditions(stack, posts=options.posts, pairs=options.pairs)
        pairs = asyncio.run(_pairs(stack, options))
    for name, value in circumstances.items():
        print(f"{name}: {value}")
    print(report.table(pairs))
    if options.json:
        options.json.write_text(
            json.dumps(report.as_json(circumstances, pairs), indent=1, ensure_ascii=False)
        )
    return verdict(pairs)


def verdict(pairs: Sequence[tuple[Run, Run]]) -> int:
    """Return the exit code: a run that was not exact at every unit is void, and then so is the whole."""
    void = [run for pair in pairs for run in pair if run.figures is None]
    for run in void:
        print(f"VOID {run.arm}: {'; '.join(run.wrong[:5])}", file=sys.stderr)
    return 1 if void or not pairs else 0


async def _pairs(stack: LocalStack, options: argparse.Namespace) -> list[tuple[Run, Run]]:
    world = build(options.posts)
    await _prepare(stack, world)
    ours = DispatchArm(stack, dispatch_program())
    theirs = RawArm(stack.kafka, stack.mongo, PARTITIONS)
    ours.start()
    _wait_for_rosters(stack, len(world.rosters))
    ours.stop()
    return [
        (
            await _run(stack, ours, world, number, options.within),
            await _run(stack, theirs, world, number, options.within),
        )
        for number in range(options.pairs)
    ]


async def _run(stack: LocalStack, arm: Arm, world: World, number: int, within_s: float) -> Run:
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


async def _prepare(stack: LocalStack, world: World) -> None:
    """Create both arms' topics and append the rosters, which both read from the same topic."""
    plain = [
        Wanted(name, PARTITIONS, {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "4194304"})
        for name in raw.TOPICS
    ]
    async with TopicAdmin(stack.kafka) as admin:
        await admin.apply([*wanted(PARTITIONS), *plain], replication=1)
    producer = Producer(stack.kafka, client_id="bench")
    await producer.start()
    await producer.append(world.facts())
    await producer.stop()
    with MongoClient[dict[str, object]](stack.mongo) as client:
        for name in raw.COLLECTIONS:
            client[raw.DATABASE].create_collection(name)


def _wait_for_rosters(stack: LocalStack, count: int) -> None:
    deadline = time.monotonic() + ROSTERS_S
    with MongoClient[dict[str, object]](stack.mongo) as client:
        rosters = client[DispatchArm.database]["rosters"]
        while rosters.count_documents({}) < count:
            if time.monotonic() > deadline:
                raise Void("rosters: not all read")
            time.sleep(0.1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--posts", type=int, default=50_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--within", type=float, default=300, metavar="SECONDS", help="a later run is void")
    parser.add_argument("--quick", action="store_true", help=f"one pair of {QUICK_POSTS} posts")
    options = parser.parse_args(arguments)
    if options.quick:
        options.posts, options.pairs = QUICK_POSTS, 1
    return options


if __name__ == "__main__":
    sys.exit(main())
