"""Screening's own ticker on the simulated clock, with what it needs to read and to append."""

from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from services.screening.store import CHARGES
from services.screening.ticker import Ticker
from shared.contracts.registry import Charges
from shared.flow.documents import Body
from tests.simulation.log import Log
from tests.simulation.scheduler import Scheduler, pause
from tests.simulation.storage import Store
from tests.simulation.ticker import Appends

if TYPE_CHECKING:
    from services.screening.queries import Queries
    from shared.messaging.producer import Producer
    from shared.service.rosters import Rosters


class Reads:
    """The queries the ticker asks, answered from the simulated store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def due(self, now_ms: int, limit: int) -> list[Body]:
        """Return progress whose due time has passed, oldest first."""
        await pause()
        found = sorted((due, id_) for (_, id_), due in self._store.due.items() if due <= now_ms)
        bodies = (self._store.get("progress", id_) for _, id_ in found[:limit])
        return [body for body in bodies if body is not None]

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

    async def versions(self, desks: Sequence[str]) -> dict[str, int]:
        """Return how new the copy of each desk's roster is, where there is one."""
        await pause()
        copies = ((desk, self._store.get("rosters", desk)) for desk in desks)
        return {desk: body["roster_v"] for desk, body in copies if body is not None}


class Ticking:
    """One replica's ticker, with a clock that is a little wrong; now and then its process starts anew."""

    def __init__(self, scheduler: Scheduler, log: Log, store: Store) -> None:
        self._scheduler = scheduler
        self._log = log
        self._store = store
        self._skew = timedelta(seconds=scheduler.random.uniform(-2, 2))
        self._ticker = self._fresh()
        self.task: Coroutine[Any, Any, None] | None = None
        self.idle = 0

    def now(self) -> datetime:
        """Return what this replica takes for the present."""
        return self._scheduler.now + self._skew

    def begin(self) -> None:
        """Look again and again; looking alone does not keep the simulation going."""
        self._scheduler.at(self._scheduler.random.uniform(4, 9), self._look, background=True)

    def step(self) -> None:
        """Go on with the look under way."""
        if self.task is None:
            return
        try:
            self.task.send(None)
        except StopIteration:
            self.task = None
            self.idle += 1
            self.begin()

    def stop(self) -> None:
        """End the look under way."""
        if self.task is not None:
            self.task.close()

    def _look(self) -> None:
        if self._scheduler.chance(0.1):
            self._ticker = self._fresh()
        self.task = self._ticker.look()

    def _fresh(self) -> Ticker:
        reads, appends = Reads(self._store), Appends(self._scheduler, self._log)
        return Ticker(
            lambda: cast("Queries", reads),
            lambda: cast("Rosters", reads),
            lambda: cast("Producer", appends),
            clock=self,
            source="screening",
            every=0,
        )
