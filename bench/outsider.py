"""Everybody outside the pipeline: gives the order, reads deliveries, answers, and counts for itself.

Both arms meet the same outsider, and it works in whole record batches, so that it takes as little as
possible from the cores on which the arms are measured.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of

BATCH_BYTES: Final = 65_536
POLL_MS: Final = 50


class Void(Exception):  # noqa: N818 - named by what it makes of a run
    """The run does not count: something was late or not exact."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Where an arm takes answers and where it says what it delivered and counted."""

    answers: str
    deliveries: str
    progress: str


class Outsider:
    """One client for one run of one arm."""

    def __init__(self, servers: str, topics: Topics, *, city: str, partitions: int) -> None:
        self._topics = topics
        self._city = city
        self._partitions = partitions
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=POLL_MS
        )
        self.delivered: set[str] = set()
        self.progress: dict[str, bytes] = {}
        self.seen_at_city: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Watch both topics from their present ends."""
        await self._producer.start()
        await self._consumer.start()
        places = [
            TopicPartition(topic, number)
            for topic in (self._topics.deliveries, self._topics.progress)
            for number in range(self._partitions)
        ]
        self._consumer.assign(places)
        await self._consumer.seek_to_end(*places)
        for place in places:
            await self._consumer.position(place)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._producer.stop()

    async def send(self, message: Message) -> None:
        """Append one record where its key belongs."""
        partition = partition_of(message.key, self._partitions)
        await self._producer.send_and_wait(
            message.topic,
            message.value,
            message.key,
            partition=partition,
            headers=list(message.headers),
        )

    def prepare(self, answers: Sequence[Message]) -> list[tuple[int, Any]]:
        """Encode answers into record batches beforehand; within a partition their order stays."""
        batches: list[tuple[int, Any]] = []
        filling: dict[int, Any] = {}
        for answer in answers:
            partition = partition_of(answer.key, self._partitions)
            batch = filling.get(partition)
            if batch is None or not _added(batch, answer):
                batch = filling[partition] = self._producer.create_batch()
                batches.append((partition, batch))
                if not _added(batch, answer):
                    raise ValueError("an answer is larger than a batch")
        return batches

    async def answer(self, batches: Sequence[tuple[int, Any]]) -> None:
        """Append prepared answers as fast as the broker takes them."""
        topic = self._topics.answers
        sent = [await self._producer.send_batch(batch, topic, partition=number) for number, batch in batches]
        await asyncio.gather(*sent)

    async def until(self, reached: Callable[[], bool], within_s: float, what: str) -> float:
        """Read on until a condition holds; return the moment. Raises `Void` when it is late."""
        deadline = time.perf_counter() + within_s
        while not reached():
            if time.perf_counter() > deadline:
                raise Void(f"{what}: not within {within_s:.0f} s")
            polled = await self._consumer.getmany(timeout_ms=POLL_MS)
            for place, records in polled.items():
                if place.topic == self._topics.deliveries:
                    self._deliveries(records)
                else:
                    self._progress(records)
        return time.perf_counter()

    def _deliveries(self, records: Sequence[Any]) -> None:
        for record in records:
            self.delivered.update(entry["addressee"] for entry in json.loads(record.value)["entries"])

    def _progress(self, records: Sequence[Any]) -> None:
        for record in records:
            key = record.key.decode()
            if "/frozen/" in key:
                continue
            self.progress[key] = record.value
            if key.endswith(f"/{self._city}"):
                self.seen_at_city.append(json.loads(record.value))


def _added(batch: Any, answer: Message) -> bool:
    return (
        batch.append(timestamp=None, key=answer.key, value=answer.value, headers=list(answer.headers))
        is not None
    )


def is_exact(shown: Mapping[str, Any], truth: Counter[str]) -> bool:
    """Return whether a progress says exactly that every post of each level is there and done."""
    cells = {cell: (counts["total"], counts["done"]) for cell, counts in shown["cells"].items()}
    whole = shown["total"]["total"], shown["total"]["done"]
    return (
        cells == {level: (posts, posts) for level, posts in truth.items()}
        and whole == (truth.total(), truth.total())
        and bool(shown["all_reported"])
    )


def differences(
    directive: str, progress: Mapping[str, bytes], truth: Mapping[str, Counter[str]]
) -> list[str]:
    """Return every unit whose newest progress is not the truth."""
    wrong = []
    for desk, posts in truth.items():
        value = progress.get(f"{directive}/{desk}")
        if value is None:
            wrong.append(f"{desk}: no progress")
        elif not is_exact(json.loads(value), posts):
            wrong.append(f"{desk}: {json.loads(value)['total']}, truth {posts.total()}")
    return wrong


def overcounts(seen: Sequence[Mapping[str, Any]], truth: Counter[str]) -> list[str]:
    """Return the samples that claimed more than there is: no count may ever exceed the truth."""
    return [
        f"sample {number}: {sample['total']}, truth {truth.total()}"
        for number, sample in enumerate(seen)
        if max(sample["total"]["total"], sample["total"]["done"]) > truth.total()
    ]
