"""Appending for everybody outside, in whole record batches encoded beforehand.

So the outsider takes as little as possible from the cores on which services are measured.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of

BATCH_BYTES: Final = 65_536
Batch = tuple[str, int, Any]
"""A topic, a partition, and records of it as the broker stores them."""


class Batches:
    """One producer that puts every record where its key belongs."""

    def __init__(self, servers: str, partitions: int) -> None:
        self._partitions = partitions
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Flush and disconnect."""
        await self._producer.stop()

    async def send(self, message: Message) -> None:
        """Append one record."""
        await self._producer.send_and_wait(
            message.topic,
            message.value,
            message.key,
            partition=partition_of(message.key, self._partitions),
            headers=list(message.headers),
        )

    def prepare(self, messages: Sequence[Message]) -> list[Batch]:
        """Encode records into batches beforehand; within a partition their order stays."""
        batches: list[Batch] = []
        filling: dict[tuple[str, int], Any] = {}
        for message in messages:
            place = message.topic, partition_of(message.key, self._partitions)
            batch = filling.get(place)
            if batch is None or not _added(batch, message):
                batch = filling[place] = self._producer.create_batch()
                batches.append((*place, batch))
                if not _added(batch, message):
                    raise ValueError("a record is larger than a batch")
        return batches

    async def append(self, batches: Sequence[Batch]) -> None:
        """Append prepared batches as fast as the broker takes them."""
        sent = [
            await self._producer.send_batch(batch, topic, partition=partition)
            for topic, partition, batch in batches
        ]
        await asyncio.gather(*sent)


def _added(batch: Any, message: Message) -> bool:
    return (
        batch.append(timestamp=None, key=message.key, value=message.value, headers=list(message.headers))
        is not None
    )
