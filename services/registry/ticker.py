"""Looks for desks at which a dated edge begins or ends, and has them compiled again on that day.

The consumer alone moves `next_due`.
"""

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from services.registry.handlers import SERVICE
from services.registry.queries import Queries
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import CHANGES, COMMANDS_TOPIC, Changes, Recompile
from shared.flow.documents import Body
from shared.kernel.clock import Clock, local_day
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer
from shared.service.ticking import Ticking

MOST = 1_000


class Ticker(Ticking):
    """Finds desks by index on their next due day."""

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
        super().__init__(producer, every=every)
        self._queries = queries
        self._clock = clock
        self._zone = zone
        self._source = source

    async def found(self) -> Sequence[tuple[str, Message]]:
        """Return a recompile for every desk due today or earlier."""
        today = local_day(self._clock.now(), self._zone)
        return [self._recompile(body) for body in await self._queries().due(today, MOST)]

    def _recompile(self, body: Body) -> tuple[str, Message]:
        desk, due = body["_id"], body["next_due"]
        id_ = derived_id("recompile", desk, due)
        changes = Changes(rows=(Recompile(unit=desk, on=due),))
        context = Context(id_, self._source, self._clock.now(), SERVICE)
        return id_, message(COMMANDS_TOPIC, CHANGES, desk, changes, context)
