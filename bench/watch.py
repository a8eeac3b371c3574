"""Reading what services publish, from the present end on, until something can be seen in it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.report import Void

POLL_MS: Final = 50


class Watch:
    """One consumer without a group; `seen` is given every record."""

    def __init__(
        self, servers: str, topics: Sequence[str], partitions: int, seen: Callable[[Any], None]
    ) -> None:
        self._places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        self._seen = seen
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=POLL_MS
        )

    async def start(self) -> None:
        """Stand at the present ends."""
        await self._consumer.start()
        self._consumer.assign(self._places)
        await self._consumer.seek_to_end(*self._places)
        for place in self._places:
            await self._consumer.position(place)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def until(self, reached: Callable[[], bool], within_s: float, what: str) -> float:
        """Read on until a condition holds; return the moment. Raises `Void` when it is late."""
        deadline = time.perf_counter() + within_s
        while not reached():
            if time.perf_counter() > deadline:
                raise Void(f"{what}: not within {within_s:.0f} s")
            polled = await self._consumer.getmany(timeout_ms=POLL_MS)
            for records in polled.values():
                for record in records:
                    self._seen(record)
        return time.perf_counter()
