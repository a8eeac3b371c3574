"""Lanes: partitions of one poll side by side, each in its own order, and none that stops another."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest

from shared.contracts.envelope import Message
from shared.flow.lanes import Lanes
from shared.flow.partitions import partition_of
from shared.flow.records import Arrival
from shared.kernel.errors import Transient
from tests.fakes.storage import MemoryStorage
from tests.unit.flow.toys import PARTITIONS, Bench, Seen, record

if TYPE_CHECKING:
    from shared.flow.batch import Flow

KEYS = {partition_of(key.encode(), PARTITIONS): key for key in (f"610802006{n:03}" for n in range(200))}
"""A key for each partition."""


def of(partition: int, offset: int) -> Arrival:
    return record(f"answer-{partition}-{offset}", offset, key=KEYS[partition], partition=partition)


class Meeting:
    """Stands for a flow, and ends only once every lane has begun: what is done in turn never ends."""

    def __init__(self, barrier: asyncio.Barrier) -> None:
        self.barrier = barrier
        self.got: list[tuple[int, int]] = []

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        self.got += [(arrival.origin.partition, arrival.origin.offset) for arrival in arrivals]
        async with asyncio.timeout(10):
            await self.barrier.wait()


async def test_lanes_work_side_by_side_and_each_partition_keeps_its_order() -> None:
    barrier = asyncio.Barrier(2)
    even, odd = Meeting(barrier), Meeting(barrier)
    lanes = Lanes(cast("list[Flow]", [even, odd]))
    await lanes([of(0, 5), of(1, 0), of(2, 7), of(0, 6), of(1, 1), of(2, 8)])
    assert even.got == [(0, 5), (2, 7), (0, 6), (2, 8)]
    assert odd.got == [(1, 0), (1, 1)]


async def test_a_poll_of_one_partition_wakes_one_lane() -> None:
    alone = Meeting(asyncio.Barrier(1))
    await Lanes(cast("list[Flow]", [alone, None]))([of(0, 0)])
    assert alone.got == [(0, 0)]


@pytest.mark.req("R01")
async def test_what_one_lane_has_applied_stays_when_another_fails_and_comes_again_without_effect() -> None:
    storage, away = MemoryStorage(), [True]

    async def publish_nothing(_: Sequence[Message]) -> None:
        if away[0]:
            raise Transient("broker-away")

    broken = Bench(Seen(), storage=storage, publish=publish_nothing)
    sound = Bench(Seen(), storage=storage)
    lanes = Lanes([broken.flow, sound.flow])
    poll = [of(0, 0), of(1, 0), of(1, 1)]
    with pytest.raises(Transient, match="broker-away"):
        await lanes(poll)
    assert (sound.position(1), sound.seen(KEYS[1])) == (2, ["answer-1-0", "answer-1-1"])
    away.clear()
    away.append(False)
    await lanes(poll)
    assert (broken.position(0), broken.seen(KEYS[0])) == (1, ["answer-0-0"])
    assert sound.seen(KEYS[1]) == ["answer-1-0", "answer-1-1"], "applied once"
    assert sound.said() == ["answer-1-0:2", "answer-1-1:2"] * 2, "and said again"


async def test_a_new_assignment_is_told_to_every_lane_and_a_partition_is_asked_of_its_own() -> None:
    storage = MemoryStorage()
    benches: list[Any] = [Bench(Seen(), storage=storage) for _ in range(2)]
    lanes = Lanes([bench.flow for bench in benches])
    await lanes([of(0, 0), of(1, 0)])
    assert (lanes.is_first(0), lanes.is_first(1)) == (True, True)
    lanes.reassigned()
    assert (lanes.is_first(0), lanes.is_first(1)) == (False, False)
