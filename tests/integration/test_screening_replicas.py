"""Two processes of screening and of checkpoint: one joins while facts flow, is killed, and comes back."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.checkpoint.domain.gate_day import counted
from services.checkpoint.store import GATE_DAYS
from shared.contracts import screening as contract
from shared.contracts.checkpoint import Crossing
from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of
from shared.runtime.tokens import KeyPair
from tests.harness import rounds
from tests.harness.api import Api
from tests.harness.gates import crosser, crossing, of_crossing
from tests.harness.log import Log, new_id
from tests.harness.rounds import ALL, GRID, HOUSES, of_visit, visit
from tests.harness.services import Service, running
from tests.harness.store import stored
from tests.harness.truth import decided_once
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, STREET, STREET_DUTY, area, chief
from tests.servers import PARTITIONS, Servers

SCOPES = {
    STREET: (STREET_DUTY, ALL),
    FIRST: (area(FIRST), HOUSES),
    SECOND: (area(SECOND), ALL[len(HOUSES) :]),
    GRID: (chief(FIRST), HOUSES[:-1]),
}
DESKS = tuple(f"{STREET}{number:03}" for number in range(1, 7))


@pytest.fixture(scope="module")
def made(servers: Servers, folder: Path, keys: KeyPair) -> Callable[[str], Service]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}

    def make(name: str) -> Service:
        return Service(servers, folder, name=name, database=new_id("test"), env=env, forked=True)

    return make


@contextmanager
def pair(first: Service) -> Iterator[tuple[Service, Service]]:
    """Have one process running and another one ready to be started beside it."""
    second = replace(first, instance="b", port=0, process=None)
    with ExitStack() as ends:
        ends.callback(second.kill)
        yield ends.enter_context(running(first, ready=False)), second


async def through_it_all(
    second: Service, said: Sequence[Message], say: Callable[[Sequence[Message]], Awaitable[None]]
) -> None:
    """Say everything while the second process joins, is killed with records in hand, and comes back."""
    third = len(said) // 3
    flowing = asyncio.create_task(say(said[:third]))
    second.start()
    await second.ready()
    await flowing
    flowing = asyncio.create_task(say(said[third : 2 * third]))
    await say(said[third : third + third // 2])
    second.kill()
    await flowing
    flowing = asyncio.create_task(say(said[2 * third :]))
    await second.restart()
    await flowing


def halves(desks: Sequence[str]) -> set[int]:
    """Return which half of the partitions each desk is on: a process has one or the other."""
    return {partition_of(desk.encode(), PARTITIONS) * 2 // PARTITIONS for desk in desks}


@pytest.mark.req("B-06", "S4-08", "F-12", "F-03")
async def test_no_replica_counts_a_household_twice(
    made: Callable[[str], Service], keys: KeyPair, log: Log
) -> None:
    chaos = random.Random(7)
    # Each half of the partitions has a desk of these rounds: both processes count.
    assert halves((STREET, FIRST, SECOND)) == {0, 1}
    with pair(made("screening")) as (first, second):
        await first.ready()
        await rounds.settled(first, log)
        opened = {new_id("round"): scope for scope in SCOPES}
        for round_, scope in opened.items():
            await log.append(rounds.open_round(round_, scope, SCOPES[scope][0]))
        said = [
            of_visit(each) for round_, scope in opened.items() for each in visits(round_, SCOPES[scope][1])
        ]
        chaos.shuffle(said)

        async def say(some: Sequence[Message]) -> None:
            for number, each in enumerate(some):
                await log.append(each, *([some[chaos.randrange(number + 1)]] if number % 3 == 0 else []))

        await through_it_all(second, said, say)
        for port in (first.port, second.port):
            async with Api(port, keys.private) as api:
                for round_, scope in opened.items():
                    many = len(SCOPES[scope][1])
                    await rounds.covered(
                        api, round_, scope[:12], within_s=30, households=many, covered=many - 1,
                        nobody_home=1, persons_covered=2 * (many - 1), missing=0,
                    )  # fmt: skip
        assert (first.exit, second.exit) == (None, None)
    for round_ in opened:
        await rounds.never_more_covered_than_visited(log, round_)
    await decided_once(log, *opened, topic=contract.OUTCOMES_TOPIC)


def visits(round_: str, houses: Sequence[str]) -> list[rounds.Visit]:
    """Return several attempts at each door: at the last one nobody ever opens."""
    attempts = ("nobody-home", "refused", "screened")
    return [
        *(visit(round_, house, found) for house in houses[:-1] for found in attempts),
        *(visit(round_, houses[-1], "nobody-home") for _ in attempts),
    ]


@pytest.mark.req("B-06", "S2-06", "U-25")
async def test_no_replica_moves_anybody_twice(made: Callable[[str], Service], log: Log) -> None:
    chaos = random.Random(8)
    assert halves(DESKS) == {0, 1}
    passes = {new_id("pass"): desk for desk in DESKS for _ in range(3)}
    crossings = [each for pass_id, desk in passes.items() for each in walks(pass_id, desk)]
    chaos.shuffle(crossings)
    said = [of_crossing(each) for each in crossings]
    heard: Counter[str] = Counter()
    with pair(made("checkpoint")) as (first, second):
        await first.ready()

        def day(desk: str) -> int:
            body = stored(first, "gate_days", f"{gate(desk)}/{today}")
            return counted(GATE_DAYS.decode(body)).crossings if body else 0

        async def say(some: Sequence[Message]) -> None:
            for number, each in enumerate(some):
                heard[dict(each.headers)["ce_id"].decode()] += 1
                await log.append(each, *([some[chaos.randrange(number + 1)]] if number % 3 == 0 else []))
                if number % 10 == 0:
                    assert sum(map(day, DESKS)) <= len(heard), "counted before it was said"

        today = (datetime.now(UTC) + timedelta(hours=8)).date().isoformat()
        await through_it_all(second, said, say)
        await until(
            lambda: [day(desk) for desk in DESKS] == [15] * len(DESKS),
            what="each crossing counts",
            within_s=30,
        )
        # Out, in, out, in, out: whatever order that came in.
        assert all(stored(first, "presence", f"{desk}/{id_}")["outside"] for id_, desk in passes.items())
        for desk in DESKS:
            numbers = counted(GATE_DAYS.decode(stored(first, "gate_days", f"{gate(desk)}/{today}")))
            assert (numbers.people_out, numbers.people_in, numbers.incomplete) == (9, 6, 0)
        assert (first.exit, second.exit) == (None, None)
    readings = await log.read(contract.READINGS_TOPIC)
    assert len({dict(each.headers)["ce_id"] for each in readings}) == len(crossings)


def gate(desk: str) -> str:
    return f"{desk}001.c1.k1"


def walks(pass_id: str, desk: str) -> list[Crossing]:
    """Return five crossings of a pass, the last of them outwards."""
    place = {"gate": gate(desk), "desk": desk, "area": f"{desk}001.c1"}
    return [
        crossing(("out", "in")[number % 2], crosser(pass_id), ago=timedelta(seconds=50 - number), **place)
        for number in range(5)
    ]
