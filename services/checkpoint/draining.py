"""From the spool to Kafka: in order, deleted once acknowledged, and never in the way of an answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.checkpoint.spool import Group, Spool
from shared.contracts.checkpoint import CROSSING, CROSSINGS_TOPIC
from shared.contracts.envelope import Context, Message, kept_message
from shared.kernel.clock import Clock, from_ms, utc_ms
from shared.kernel.errors import Transient
from shared.messaging.producer import Producer
from shared.runtime.problems import Problem

# With the chunk this is the pace of catching up, 2,000 a second: what merges them shares this process.
LOOK_S: Final = 0.05
RETRY_S: Final = 0.5
# Unacknowledged records stay with the client until the broker is back: to try again would only double them.
APPEND_WITHIN_S: Final = 600.0
# Beyond this many answers a second a burst is at the gate, and publishing waits, up to half a minute.
BURST: Final = 1_000.0
BURST_S: Final = 30.0

_log = structlog.stdlib.get_logger(__name__)


class Drain:
    """Moves what waits, for as long as it runs."""

    def __init__(
        self,
        spool: Spool,
        producer: Callable[[], Producer],
        *,
        source: str,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._producer = producer
        self._source = source
        self._clock = clock
        self._looked = utc_ms(clock.now())
        self._added = spool.added
        self._burst_since: int | None = None

    async def run(self) -> None:
        """Move again and again; a broker that is away is looked for the next time."""
        while True:
            try:
                if not self._gives_way():
                    await self.once()
            except (Transient, Problem) as error:
                _log.warning("drain waits", error=str(error), depth=self._spool.depth)
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(LOOK_S)

    async def once(self) -> int:
        """Send the oldest crossings and forget them once they are acknowledged; return how many."""
        if not self._spool.depth:
            return 0
        producer = self._producer()
        groups = await self._spool.oldest()
        await producer.append(self._messages(groups), APPEND_WITHIN_S)
        await self._spool.forget(groups)
        return sum(len(group.crossings) for group in groups)

    def _gives_way(self) -> bool:
        """Return whether a burst of answers is under way that publishing should not slow down."""
        now = utc_ms(self._clock.now())
        passed = (now - self._looked) / 1000
        if not 0 <= passed < LOOK_S:
            bursting = self._spool.added - self._added > BURST * passed
            self._looked, self._added = now, self._spool.added
            self._burst_since = (self._burst_since or now) if bursting else None
        return self._burst_since is not None and now - self._burst_since < BURST_S * 1000

    def _messages(self, groups: Sequence[Group]) -> list[Message]:
        return [
            kept_message(
                CROSSINGS_TOPIC,
                CROSSING,
                each.key,
                each.value.encode(),
                Context(id=each.id, source=self._source, at=from_ms(each.at), actor=each.actor),
            )
            for group in groups
            for each in group.crossings
        ]
