"""What screening's ticker reads, from the simulated store."""

from services.screening.store import CHARGES
from shared.contracts.registry import Charges
from shared.flow.documents import Body
from tests.simulation.scheduler import pause
from tests.simulation.ticking import Reads


class RoundReads(Reads):
    """What screening's ticker asks."""

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
