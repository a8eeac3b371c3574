"""Everybody outside, saying things at a fixed rate whatever happens, and counting what was said so far."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of
from tests.faults.loops import Loop
from tests.harness.log import new_id
from tests.harness.waiting import until

# Room for all that is said during an outage: what cannot be sent yet must not slow down what is said.
BATCH_BYTES: Final = 900_000
BACK_S: Final = 180.0


def _partition(key: bytes | None, partitions: list[int], _available: list[int]) -> int:
    return partition_of(key or b"", len(partitions))


class Outside:
    """A client as integrations are told to be: idempotent, and what was not acknowledged is sent again."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._producer = self._fresh()
        self._unsettled: set[asyncio.Task[None]] = set()
        self._replacing = asyncio.Lock()
        self._handed = 0
        self.recreated = 0
        self.acknowledged = 0

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        for task in self._unsettled:
            task.cancel()
        await self._producer.stop()

    async def say(self, message: Message) -> None:
        """Hand a record over; it will be acknowledged some time, and `is_settled` knows when all are."""
        self._handed += 1
        task = asyncio.create_task(self._acknowledged(message))
        self._unsettled.add(task)
        task.add_done_callback(self._unsettled.discard)
        # So that records enter the producer in the order they were said.
        await asyncio.sleep(0)

    @property
    def is_settled(self) -> bool:
        """Whether the broker has acknowledged everything."""
        return self.acknowledged == self._handed

    async def _acknowledged(self, message: Message) -> None:
        while not await self._sent(producer := self._producer, message):
            await self._replace(producer)
        self.acknowledged += 1

    async def _sent(self, producer: AIOKafkaProducer, message: Message) -> bool:
        """Return whether the broker acknowledged it; not before it did, or this producer never will."""
        sending = asyncio.create_task(
            producer.send_and_wait(message.topic, message.value, message.key, headers=list(message.headers))
        )
        # Once the task that sends has ended, what waits for it would wait for ever (aiokafka #1017).
        sender = producer._sender.sender_task
        try:
            await asyncio.wait({sending, sender}, return_when=asyncio.FIRST_COMPLETED)
            return sending.done() and bool(sending.result())
        except KafkaError:
            return False
        finally:
            sending.cancel()

    async def _replace(self, broken: AIOKafkaProducer) -> None:
        """Go on with a fresh producer, whoever of those that wait is the first to do it."""
        async with self._replacing:
            if self._producer is not broken:
                return
            fresh = self._fresh()
            await until(lambda: _started(fresh), what="a broker for a fresh producer", within_s=BACK_S)
            self._producer = fresh
            self.recreated += 1
            await broken.stop()

    def _fresh(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._kafka,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            partitioner=_partition,
        )


async def _started(producer: AIOKafkaProducer) -> bool:
    try:
        await producer.start()
    except KafkaError:
        return False
    return True


class Load:
    """Task after task: each is opened, and its facts follow one by one until it is through."""

    def __init__(self, loop: Loop, outside: Outside, *, rate: float) -> None:
        self._loop = loop
        self._outside = outside
        self._rate = rate
        self._above = {roster.desk: (*roster.path, roster.desk) for roster in loop.rosters}
        self._entries: set[tuple[str, str]] = set()
        self._ending = False
        self.tasks: list[str] = []
        self.said = 0
        self.spoken_for: Counter[str] = Counter()
        """How many entries of each desk itself, in all tasks."""

        self.given: Counter[tuple[str, str]] = Counter()
        """How many entries of (task, desk), all below it included, somebody has spoken for so far."""

    @property
    def distinct(self) -> int:
        """How many entries were spoken for so far, each once."""
        return len(self._entries)

    async def run(self) -> None:
        """Say everything of one task after another, up to the end of the one in which `end` was called.

        A loop of one long task has enough to say for any row, and stops at once.
        """
        due = time.perf_counter()
        for seed in count():
            await self._open()
            for message in self._loop.sayings(self.tasks[-1], seed):
                self._count(message)
                await self._outside.say(message)
                due += 1 / self._rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                if self._ending and self._loop.one_task:
                    return
            if self._loop.one_task:
                raise RuntimeError("everything was said before the row ended")
            if self._ending:
                return

    def end(self) -> None:
        self._ending = True

    async def _open(self) -> None:
        task = new_id("fault")
        self.tasks.append(task)
        await self._outside.say(self._loop.opening(task))

    def _count(self, message: Message) -> None:
        """Count before it is sent: nobody can have counted it earlier."""
        self.said += 1
        said = self._loop.said(message.value or b"")
        if said is None or not said.entry or (said.task, said.entry) in self._entries:
            return
        self._entries.add((said.task, said.entry))
        self.spoken_for[said.desk] += 1
        self.given.update((said.task, desk) for desk in self._above[said.desk])


async def append(kafka: str, messages: Iterable[Message]) -> None:
    """Append what must be there before anything begins."""
    outside = Outside(kafka)
    await outside.start()
    for message in messages:
        await outside.say(message)
    await until(lambda: outside.is_settled, what="the world is appended")
    await outside.stop()
