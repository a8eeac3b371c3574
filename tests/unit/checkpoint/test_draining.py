"""From the spool to Kafka: in order, with the same ids however often it is tried; a burst goes first."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.checkpoint.draining import BURST, BURST_S, LOOK_S, Drain
from services.checkpoint.spool import Spool, Spooled
from shared.contracts.checkpoint import CROSSINGS_TOPIC
from shared.contracts.envelope import Message, header
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Transient
from shared.runtime.problems import Problem
from tests.builders.gate import DESK, NOW
from tests.harness.waiting import until

SOURCE = "/city/6108/checkpoint"


class Moved:
    """A clock that the test moves."""

    at = NOW

    def now(self) -> datetime:
        return self.at


class Broker:
    """What the drain appends to; `away` says why it cannot."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.away: Exception | None = None
        self.attempts = 0

    async def append(self, messages: Sequence[Message], within_s: float = 0.0) -> None:
        assert within_s > 60
        self.attempts += 1
        if self.away is not None:
            raise self.away
        self.sent += messages

    @property
    def ids(self) -> list[str]:
        return [header(message.headers, "ce_id") for message in self.sent]


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "s.db", limit=10_000)
    yield made
    made.close()


async def add(spool: Spool, numbers: range) -> None:
    for number in numbers:
        await spool.add(Spooled(f"crossing-{number:04d}", DESK, 1_700_000_000_000 + number, "p-1", "{}"))


def drain(spool: Spool, broker: Broker, **other: object) -> Drain:
    return Drain(spool, lambda: broker, source=SOURCE, **{"clock": SystemClock(), **other})  # type: ignore[arg-type,return-value]


async def test_a_crossing_is_sent_as_it_was_kept(spool: Spool) -> None:
    broker = Broker()
    await add(spool, range(1))
    assert await drain(spool, broker).once() == 1
    (sent,) = broker.sent
    assert (sent.topic, sent.key, sent.value) == (CROSSINGS_TOPIC.name, DESK.encode(), b"{}")
    said = {name: header(sent.headers, name) for name, _ in sent.headers}
    assert (said["ce_id"], said["ce_actor"], said["ce_source"]) == ("crossing-0000", "p-1", SOURCE)
    assert said["ce_time"] == "2023-11-14T22:13:20+00:00"
    assert said["ce_type"] in CROSSINGS_TOPIC.models


@pytest.mark.req("B-02")
async def test_what_the_broker_did_not_take_is_sent_again_under_the_same_ids(spool: Spool) -> None:
    broker = Broker()
    await add(spool, range(30))
    moving = drain(spool, broker)
    broker.away = Transient("kafka", "away")
    with pytest.raises(Transient):
        await moving.once()
    assert spool.depth == 30
    broker.away = None
    running = asyncio.create_task(moving.run())
    await until(lambda: spool.depth == 0, what="everything is moved")
    running.cancel()
    assert broker.ids == [f"crossing-{number:04d}" for number in range(30)]


@pytest.mark.req("B-02")
async def test_acknowledged_and_not_yet_forgotten_is_sent_twice_with_one_id(tmp_path: Path) -> None:
    broker, path = Broker(), tmp_path / "s.db"
    first = Spool(path, limit=100)
    await add(first, range(5))
    groups = await first.oldest()
    await broker.append(drain(first, broker)._messages(groups), 600.0)
    first.close()  # killed here: the rows were never deleted
    again = Spool(path, limit=100)
    await drain(again, broker).once()
    again.close()
    assert broker.ids == 2 * [f"crossing-{number:04d}" for number in range(5)]
    assert broker.sent[:5] == broker.sent[5:]


async def test_a_broker_that_is_not_there_yet_is_waited_for(spool: Spool) -> None:
    await add(spool, range(3))
    there: list[Broker] = []

    def producer() -> Broker:
        if not there:
            raise Problem("unavailable")
        return there[0]

    running = asyncio.create_task(Drain(spool, producer, source=SOURCE, clock=SystemClock()).run())  # type: ignore[arg-type,return-value]
    await asyncio.sleep(0)
    there.append(Broker())
    await until(lambda: spool.depth == 0, what="everything is moved")
    running.cancel()
    assert len(there[0].ids) == 3


async def test_a_burst_goes_first_but_not_for_ever(spool: Spool) -> None:
    clock = Moved()
    moving = drain(spool, Broker(), clock=clock)
    waits = []
    for _ in range(int(BURST_S / LOOK_S) + 20):
        clock.at += timedelta(seconds=LOOK_S + 0.001)
        spool.added += int(BURST * LOOK_S * 3)
        waits.append(moving._gives_way())
    assert waits[0] is True
    assert waits.count(True) == pytest.approx(BURST_S / LOOK_S, rel=0.05)
    assert waits[-1] is False
    clock.at += timedelta(seconds=LOOK_S + 0.001)
    assert moving._gives_way() is False
    clock.at += timedelta(seconds=LOOK_S + 0.001)
    spool.added += int(BURST * LOOK_S * 3)
    assert moving._gives_way() is True
