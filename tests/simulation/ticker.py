"""The project's own ticker on the simulated clock, with what it needs to read and to append."""

from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from services.dispatch.ticker import Ticker
from shared.contracts.envelope import Message
from shared.contracts.registry import Roster
from shared.flow.documents import Body
from shared.service.rosters import ROSTERS
from tests.simulation.log import Log
from tests.simulation.scheduler import Scheduler, pause
from tests.simulation.storage import Store

if TYPE_CHECKING:
    from services.dispatch.queries import Queries
    from shared.messaging.producer import Producer
    from shared.service.rosters import Rosters


class Reads:
    """What a ticker asks, answered from the simulated store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def due(self, collection: str, now_ms: int, limit: int) -> list[Body]:
        """Return what is due, oldest first."""
        await pause()
        found = sorted(
            (due, id_) for (name, id_), due in self._store.due.items() if name == collection and due <= now_ms
        )
        bodies = (self._store.get(collection, id_) for _, id_ in found[:limit])
        return [body for body in bodies if body is not None]

    async def live_sheets(self, after: str, limit: int) -> list[Body]:
        """Return open sheets in id order."""
        await pause()
        return [body for body in self._store.all("sheets") if body["live"] and body["_id"] > after][:limit]

    async def versions(self, desks: Sequence[str]) -> dict[str, int]:
        """Return how new each desk's copy is, where there is one."""
        await pause()
        copies = ((desk, self._store.get("rosters", desk)) for desk in desks)
        return {desk: body["roster_v"] for desk, body in copies if body is not None}

    async def roster(self, desk: str) -> Roster | None:
        """Return the copy of a desk's roster."""
        await pause()
        body = self._store.get("rosters", desk)
        return None if body is None else ROSTERS.decode(body)


class Appends:
    """A producer whose records arrive a little later than they are sent."""

    def __init__(self, scheduler: Scheduler, log: Log) -> None:
        self._scheduler = scheduler
        self._log = log

    async def append(self, messages: Sequence[Message]) -> None:
        """Append each record after a delay of its own."""
        for record in messages:
            self._scheduler.at(self._scheduler.random.uniform(0, 2), _appending(self._log, record))
        await pause()


class Ticking:
    """One replica's ticker, with a clock that is a little wrong; now and then its process starts anew."""

    def __init__(self, scheduler: Scheduler, log: Log, store: Store) -> None:
        self._scheduler = scheduler
        self._log = log
        self._store = store
        self._skew = timedelta(seconds=scheduler.random.uniform(-2, 2))
        self._ticker = self._fresh()
        self.task: Coroutine[Any, Any, None] | None = None

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
            source="dispatch",
            every=0,
            compare_every=2,
        )


def _appending(log: Log, record: Message) -> Any:
    return lambda: log.append(record)
