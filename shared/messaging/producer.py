"""Appending: idempotent, acknowledged by all replicas, partitioned by the routing part of the key."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of
from shared.kernel.errors import Transient
from shared.messaging.security import PLAINTEXT, Security

APPEND_WITHIN_S = 20.0


class AppendUnknown(Transient):
    """The broker did not answer in time: the record may or may not arrive; the same id may be sent again."""


def _partition(key: bytes | None, partitions: list[int], _available: list[int]) -> int:
    return partition_of(key or b"", len(partitions))


class Producer:
    """One producer a process. Never expires a record by itself, so every append has its own deadline."""

    def __init__(
        self, servers: str, *, client_id: str, linger_ms: int = 2, security: Security = PLAINTEXT
    ) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=linger_ms,
            max_batch_size=131_072,
            max_request_size=4_194_304,
            request_timeout_ms=20_000,
            metadata_max_age_ms=60_000,
            partitioner=_partition,
            **security.of_clients(),
        )

    async def start(self) -> None:
        """Connect; raises `Transient` while the broker is away."""
        try:
            await self._producer.start()
        except KafkaError as error:
            raise Transient("kafka", type(error).__name__) from error

    def sender(self) -> "asyncio.Task[None]":
        """Return the task that sends: once it has ended, no append will ever succeed (aiokafka #1017)."""
        task: asyncio.Task[None] = self._producer._sender.sender_task  # noqa: SLF001 - no public name for it
        return task

    async def append(self, messages: Sequence[Message], within_s: float = APPEND_WITHIN_S) -> None:
        """Return once every message is acknowledged; raises `AppendUnknown` when that cannot be said."""
        if not messages:
            return
        try:
            async with asyncio.timeout(within_s):
                sent = [
                    await self._producer.send(
                        message.topic,
                        message.value,
                        message.key,
                        headers=list(message.headers),
                    )
                    for message in messages
                ]
                await asyncio.gather(*sent)
        except (TimeoutError, KafkaError) as error:
            raise AppendUnknown("append-unknown", type(error).__name__) from error

    async def stop(self, within_s: float = 2.0) -> None:
        """Flush and close; a broker that is away is not waited for."""
        try:
            async with asyncio.timeout(within_s):
                await self._producer.stop()
        except TimeoutError:
            return
