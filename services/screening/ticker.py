"""Looks for desks that can be counted by now, and for rounds whose desks are overdue, and says so.

The consumer alone freezes a denominator and moves a due time; it looks again at what a census claims.
"""

from collections.abc import Callable, Sequence

from services.screening.domain.merging import is_complete
from services.screening.handlers.progress import SYSTEM
from services.screening.queries import Queries
from shared.contracts import screening as contract
from shared.contracts.envelope import Context, Message, message
from shared.contracts.screening import Census, RoundTick
from shared.flow.documents import Body
from shared.kernel.clock import Clock, from_ms, utc_ms
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer
from shared.service.rosters import Rosters
from shared.service.ticking import Ticking

MOST = 1_000
PAGE = 100
AGAIN_MS = 60_000
"""A census whose copies had changed by the time it was read is said again after this long."""


class Ticker(Ticking):
    """Finds what is due by index; of the desks that wait it looks at one page at a time, in turn."""

    def __init__(
        self,
        queries: Callable[[], Queries],
        rosters: Callable[[], Rosters],
        producer: Callable[[], Producer],
        *,
        clock: Clock,
        source: str,
        every: float,
    ) -> None:
        super().__init__(producer, every=every)
        self._queries = queries
        self._rosters = rosters
        self._clock = clock
        self._source = source
        self._after = ""

    async def found(self) -> Sequence[tuple[str, Message]]:
        """Return a tick for every round due now, and a census for desks that are complete by now."""
        now, queries = utc_ms(self._clock.now()), self._queries()
        ticks = [self._tick(body) for body in await queries.due(now, MOST)]
        page = await queries.waiting(self._after, PAGE)
        self._after = page[-1]["_id"] if len(page) == PAGE else ""
        versions = await self._rosters().versions(sorted({body["desk"] for body in page}))
        for body in page:
            roster_v = versions.get(body["desk"])
            if roster_v is not None:
                ticks += await self._census(queries, body, roster_v, now)
        return ticks

    async def _census(
        self, queries: Queries, body: Body, roster_v: int, now: int
    ) -> list[tuple[str, Message]]:
        desk, charges = body["desk"], await queries.charges(body["desk"])
        # A desk whose roster came late goes on to its children at once, whatever its own households do.
        if body["children"] is not None and not is_complete(desk, charges, await queries.households(desk)):
            return []
        about = roster_v, charges.v if charges else 0, now // AGAIN_MS
        id_ = derived_id("census", body["round"], desk, *about)
        census = Census(round=body["round"], desk=desk)
        return [(id_, message(contract.DESKS_TOPIC, contract.CENSUS, desk, census, self._context(id_, now)))]

    def _tick(self, body: Body) -> tuple[str, Message]:
        due, key = body["next_due"], f"{body['desk']}/{body['round']}"
        tick = RoundTick(round=body["round"], desk=body["desk"], due=from_ms(due))
        id_ = derived_id("round-tick", key, due)
        return id_, message(contract.TALLIES_TOPIC, contract.TICK, key, tick, self._context(id_, due))

    def _context(self, id_: str, at_ms: int) -> Context:
        return Context(id=id_, source=self._source, at=from_ms(at_ms), actor=SYSTEM)
