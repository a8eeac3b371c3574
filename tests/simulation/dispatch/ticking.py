"""The project's own ticker on the simulated clock, with what it needs to read and to append."""

from typing import TYPE_CHECKING, cast

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Sheet
from services.dispatch.store import FROZEN, SHEETS
from services.dispatch.ticker import Ticker
from shared.contracts.registry import Roster
from shared.flow.documents import Body
from shared.kernel.clock import Clock
from shared.service.rosters import ROSTERS
from tests.simulation.scheduler import pause
from tests.simulation.storage import Store
from tests.simulation.ticking import Appends, Looks, Reads

if TYPE_CHECKING:
    from services.dispatch.queries import Queries
    from shared.messaging.producer import Producer
    from shared.service.rosters import Rosters


class DispatchReads(Reads):
    """What dispatch's ticker asks."""

    async def live_sheets(self, after: str, limit: int) -> list[Body]:
        """Return the lookups of open sheets in id order."""
        await pause()
        found = self._store.all(SHEETS.found_in)
        return [body for body in found if body["live"] and body["_id"] > after][:limit]

    async def sheet(self, id_: str) -> tuple[Sheet, Frozen | None] | None:
        """Return a sheet with its frozen audience."""
        await pause()
        body = self._store.get(SHEETS.name, id_)
        if body is None:
            return None
        frozen = self._store.get(FROZEN.name, body["frozen"]) if body["frozen"] else None
        return SHEETS.decode(body), FROZEN.decode(frozen) if frozen else None

    async def roster(self, desk: str) -> Roster | None:
        """Return the copy of a desk's roster."""
        await pause()
        body = self._store.get("rosters", desk)
        return None if body is None else ROSTERS.decode(body)


def ticker(store: Store, clock: Clock, appends: Appends) -> Looks:
    """Return dispatch's ticker, reading from the simulated store."""
    reads = DispatchReads(store)
    return Ticker(
        lambda: cast("Queries", reads),
        lambda: cast("Rosters", reads),
        lambda: cast("Producer", appends),
        clock=clock,
        source="dispatch",
        every=0,
        compare_every=2,
    )
