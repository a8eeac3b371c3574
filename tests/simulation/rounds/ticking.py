"""Screening's own ticker on the simulated clock, with what it needs to read and to append."""

from typing import TYPE_CHECKING, cast

from services.screening.store import CHARGES
from services.screening.ticker import Ticker
from shared.contracts.registry import Charges
from shared.flow.documents import Body
from shared.kernel.clock import Clock
from tests.simulation.scheduler import pause
from tests.simulation.storage import Store
from tests.simulation.ticking import Appends, Looks, Reads

if TYPE_CHECKING:
    from services.screening.queries import Queries
    from shared.messaging.producer import Producer
    from shared.service.rosters import Rosters


class RoundReads(Reads):
    """The queries screening's ticker asks."""

    async def due(self, now_ms: int, limit: int) -> list[Body]:
        """Return progress whose due time has passed, oldest first."""
        return await super().due("progress", now_ms, limit)

    async def waiting(self, after: str, limit: int) -> list[Body]:
        """Return heads that a census could change, in id order."""
        await pause()
        return [body for body in self._store.all("heads") if body["waiting"] and body["_id"] > after][:limit]

    async def households(self, desk: str) -> int:
        """Return how many household facts of a desk are here."""
        await pause()
        return sum(body["desk"] == desk for body in self._store.all("households"))

    async def charges(self, desk: str) -> Charges | None:
        """Return the copy of a desk's charges record."""
        await pause()
        body = self._store.get("charges", desk)
        return None if body is None else CHARGES.decode(body)


def ticker(store: Store, clock: Clock, appends: Appends) -> Looks:
    """Return screening's ticker, reading from the simulated store."""
    reads = RoundReads(store)
    return Ticker(
        lambda: cast("Queries", reads),
        lambda: cast("Rosters", reads),
        lambda: cast("Producer", appends),
        clock=clock,
        source="screening",
        every=0,
    )
