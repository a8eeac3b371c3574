"""Two processes of one service: one joins while answers flow, one sleeps past its session and wakes."""

import asyncio
import random
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.flow.partitions import partition_of
from tests.harness.api import Api
from tests.harness.log import Log, answer, new_id, of_answer, of_issue
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.truth import decided_once, never_above_the_truth
from tests.harness.waiting import until
from tests.harness.world import BOSS, DISTRICT, FIRST, SECOND, STREET, community, district, entries_of, street
from tests.servers import PARTITIONS

ROSTERS = (community(), community(SECOND), street(FIRST, SECOND), district())
ENTRIES = entries_of(*ROSTERS[:3], issuer=BOSS)
ORDERS = 6


@pytest.fixture
def second(dispatch: Service) -> Iterator[Service]:
    other = replace(dispatch, instance="b", port=0, process=None)
    yield other
    other.kill()


async def trickle(log: Log, orders: list[str], until_set: asyncio.Event) -> None:
    """Give orders, then their answers one by one in any order and some twice, until all is said and done."""
    chaos = random.Random(9)
    said = [of_answer(answer(directive, entry)) for directive in orders for entry in ENTRIES]
    chaos.shuffle(said)
    held_back = len(said) // 3
    for directive in orders:
        await log.append(of_issue(directive, BOSS, STREET, mode="straight-through"))
    for number, each in enumerate(said[:-held_back]):
        await log.append(each, *([said[chaos.randrange(number + 1)]] if number % 3 == 0 else []))
    await until_set.wait()
    await log.append(*said[-held_back:])


async def exact(api: Api, log: Log, orders: list[str]) -> None:
    for directive in orders:
        await api.when(directive, BOSS, total=9, done=9, complete=True, within_s=45)
    for directive in orders:
        await never_above_the_truth(log, directive)
    await decided_once(log, *orders)


@pytest.mark.req("B-06", "F-03")
@pytest.mark.timeout(200)
async def test_a_replica_that_joins_and_one_that_sleeps_change_no_count(
    dispatch: Service, second: Service, api: Api, log: Log
) -> None:
    await log.rosters(*ROSTERS)
    await has_rosters(dispatch, *ROSTERS)

    orders = [new_id("joined") for _ in range(ORDERS)]
    joined = asyncio.Event()
    flowing = asyncio.create_task(trickle(log, orders, joined))
    second.start()
    await second.ready()
    joined.set()
    await flowing
    await exact(api, log, orders)

    orders = [new_id("slept") for _ in range(ORDERS)]
    taken_over = asyncio.Event()
    flowing = asyncio.create_task(trickle(log, orders, taken_over))
    second.send(signal.SIGSTOP)

    # Either half of the partitions has a desk of these orders, so the sleeper holds some of them.
    desks = (DISTRICT, STREET, FIRST, SECOND)
    assert {partition_of(desk.encode(), PARTITIONS) * 2 // PARTITIONS for desk in desks} == {0, 1}

    async def counts_all() -> bool:
        return all([await api.progress(directive, BOSS) for directive in orders])

    # The session ends, the sleeper's partitions move, and what came for them is counted.
    await until(counts_all, what="the survivor counts", within_s=40)
    second.send(signal.SIGCONT)
    taken_over.set()
    await flowing
    await exact(api, log, orders)
    assert (dispatch.exit, second.exit) == (None, None)
