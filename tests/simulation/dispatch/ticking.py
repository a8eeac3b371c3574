"""What dispatch's ticker reads, from the simulated store."""

from collections.abc import AsyncIterator

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Sheet
from services.dispatch.store import FROZEN, SHEETS
from shared.contracts.registry import Roster
from shared.flow.documents import Body
from shared.service.rosters import ROSTERS
from tests.simulation.scheduler import pause
from tests.simulation.ticking import Reads


class DispatchReads(Reads):
    """What dispatch's ticker asks."""

    async def live_sheets(self) -> AsyncIterator[list[Body]]:
        """Yield the lookups of open sheets."""
        await pause()
        yield [body for body in self._store.all(SHEETS.found_in) if body["live"]]

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
