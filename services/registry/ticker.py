"""Looks for desks at which a dated edge begins or ends, and has them compiled again on that day.

It only reads, by index; the consumer alone moves `next_due`. Every replica runs one: a recompile's id is its
cause, so two replicas' recompiles are one command.
"""

import asyncio
from collections.abc import Callable
from zoneinfo import ZoneInfo

import structlog

from services.registry.handlers import SERVICE
from services.registry.queries import Queries
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import CHANGES, COMMANDS_TOPIC, Changes, Recompile
from shared.flow.documents import Body
from shared.kernel.clock import Clock, local_day
from shared.kernel.errors import Transient
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer
from shared.runtime.problems import Problem

MOST = 1_000

_log = structlog.stdlib.get_logger(__name__)


class Ticker:
    """One pass every `every` seconds."""

    def __init__(
        self,
        queries: Callable[[], Queries],
        producer: Callable[[], Producer],
        *,
        clock: Clock,
        zone: ZoneInfo,
        source: str,
        every: float,
    ) -> None:
        self._queries = queries
        self._producer = producer
        self._clock = clock
        self._zone = zone
        self._source = source
        self._every = every
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled; a server that is away is looked for again."""
        while True:
            try:
                await self.look()
            except (Transient, Problem) as error:
                _log.warning("ticker waits", error=str(error))
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Append a recompile for every desk due today or earlier that was not asked for before."""
        today = local_day(self._clock.now(), self._zone)
        due = {body["_id"]: body for body in await self._queries().due(today, MOST)}
        self._said = {desk: day for desk, day in self._said.items() if desk in due}
        new = [body for desk, body in due.items() if self._said.get(desk) != body["next_due"]]
        await self._producer().append([self._recompile(body) for body in new])
        self._said.update({body["_id"]: body["next_due"] for body in new})

    def _recompile(self, body: Body) -> Message:
        desk, due = body["_id"], body["next_due"]
        changes = Changes(rows=(Recompile(unit=desk, on=due),))
        context = Context(derived_id("recompile", desk, due), self._source, self._clock.now(), SERVICE)
        return message(COMMANDS_TOPIC, CHANGES, desk, changes, context)
