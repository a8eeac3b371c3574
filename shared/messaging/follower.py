"""Following topics without a group: every process reads all of it into memory, and knows how old that is.

Nothing is committed and nothing is written: a follower that starts again reads from the beginning.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts.topics import Topic
from shared.flow.records import Record
from shared.kernel.errors import Transient
from shared.messaging.admin import TopicAdmin
from shared.messaging.reading import read
from shared.messaging.security import PLAINTEXT, Security

LOOK_S: Final = 1.0
CONNECT_S: Final = 10.0
ANSWER_S: Final = 3.0
POLL_MS: Final = 200
MAX_RECORDS: Final = 2_000
# Of each partition at once: the client's own default times dozens of partitions is more than all the data.
FETCH_BYTES: Final = 131_072
RETRY_S: Final = 0.5
# Records applied before other work gets a turn: whoever follows may also be answering requests.
TURN: Final = 50

_log = structlog.stdlib.get_logger(__name__)


class Follower:
    """Applies every record of some topics, in the order of each partition, for as long as it runs.

    A broker that is away is waited for, and reading goes on where it stood.
    """

    def __init__(
        self,
        servers: str,
        topics: Sequence[Topic],
        apply: Callable[[Record], None],
        *,
        client_id: str,
        security: Security = PLAINTEXT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._topics = [topic.name for topic in topics]
        self._apply = apply
        self._client_id = client_id
        self._security = security
        self._monotonic = monotonic
        self._positions: dict[TopicPartition, int] = {}
        self._at_end: float | None = None

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there has been applied once."""
        return self._at_end is not None

    @property
    def data_age(self) -> float | None:
        """Seconds since the broker last confirmed that nothing is missing; None: never."""
        return None if self._at_end is None else max(self._monotonic() - self._at_end, 0.0)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except (KafkaError, Transient, TimeoutError) as error:
                _log.warning("follower waits", error=type(error).__name__)
            except asyncio.CancelledError:
                # aiokafka cancels its own futures while a broker is away, and whoever awaits one is told so.
                if _is_cancelled():
                    raise
                _log.warning("follower waits", error="its client gave up")
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        places = await self._places()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            client_id=self._client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=60_000,
            max_partition_fetch_bytes=FETCH_BYTES,
            **self._security.of_clients(),
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await consumer.start()
            consumer.assign(places)
            for place in self._positions.keys() & set(places):
                consumer.seek(place, self._positions[place])
            await self._read(consumer, places)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await consumer.stop()

    async def _places(self) -> list[TopicPartition]:
        """Return every partition of every topic; raises `Transient` while one is not there yet."""
        async with asyncio.timeout(CONNECT_S), TopicAdmin(self._servers, self._security) as admin:
            existing = await admin.partitions()
        missing = [name for name in self._topics if name not in existing]
        if missing:
            raise Transient("topics-missing", ", ".join(missing))
        return [TopicPartition(name, number) for name in self._topics for number in range(existing[name])]

    async def _read(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        looked = 0.0
        while True:
            batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            for place, records in batches.items():
                await self._take(place, records)
            now = self._monotonic()
            if now - looked >= LOOK_S:
                looked = now
                if await self._is_at_end(consumer, places):
                    # What was asked at `now` is what the answer is about: a slow answer makes nothing newer.
                    self._at_end = now

    async def _is_at_end(self, consumer: Any, places: Sequence[TopicPartition]) -> bool:
        async with asyncio.timeout(ANSWER_S):
            ends = await consumer.end_offsets(places)
            return all([await consumer.position(place) >= end for place, end in ends.items()])

    async def _take(self, place: TopicPartition, records: Sequence[Any]) -> None:
        for turn in range(0, len(records), TURN):
            for raw in records[turn : turn + TURN]:
                arrival = read(raw)
                # Nobody else's record is trusted here either; a group that owns the topic dead-letters it.
                if isinstance(arrival, Record):
                    self._apply(arrival)
                self._positions[place] = raw.offset + 1
            await asyncio.sleep(0)


def _is_cancelled() -> bool:
    """Return whether somebody has asked this very task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
