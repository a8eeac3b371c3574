"""Appending: idempotent, acknowledged by all replicas, partitioned by the routing part of the key."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber

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
        self._fresh: Callable[[], Any] = lambda: AIOKafkaProducer(
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
        self._producer = self._fresh()
        self._renewing = asyncio.Lock()
        self.renewed: Callable[[], None] = lambda: None

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
        producer = self._producer
        try:
            async with asyncio.timeout(within_s):
                sent = [
                    await producer.send(
                        message.topic,
                        message.value,
                        message.key,
                        headers=list(message.headers),
                    )
                    for message in messages
                ]
                await asyncio.gather(*sent)
        except (TimeoutError, KafkaError) as error:
            if isinstance(error, OutOfOrderSequenceNumber):
                await self._renew(producer)
            raise AppendUnknown("append-unknown", type(error).__name__) from error

    async def _renew(self, broken: Any) -> None:
        """Go on with a fresh producer: what expired while the broker was away left a gap in the sequence.

        The broker takes nothing behind the gap, ever; what was on its way comes again under the same ids.
        """
        async with self._renewing:
            if self._producer is not broken:
                return
            fresh = self._fresh()
            try:
                await fresh.start()
            except KafkaError:
                return  # the broker is away again: the next append tries anew
            self._producer = fresh
            self.renewed()
            await _stopped(broken, 2.0)

    async def stop(self, within_s: float = 2.0) -> None:
        """Flush and close; a broker that is away is not waited for."""
        await _stopped(self._producer, within_s)


async def _stopped(producer: Any, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await producer.stop()
    except (TimeoutError, KafkaError):
        return
