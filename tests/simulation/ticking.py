"""A service's own ticker on the simulated clock: one replica's, whose clock is a little wrong."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from shared.contracts.envelope import Message
from shared.flow.documents import Body
from shared.kernel.clock import Clock
from tests.simulation.log import Log
from tests.simulation.scheduler import Scheduler, pause
from tests.simulation.storage import Store

if TYPE_CHECKING:
    from shared.messaging.producer import Producer


class Looks(Protocol):
    """A ticker, as `shared.service.ticking` makes them."""

    async def look(self) -> None:
        """Find what is due and append what follows."""


class Reads:
    """What tickers ask, answered from the simulated store."""

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

    async def versions(self, desks: Sequence[str]) -> dict[str, int]:
        """Return how new each desk's copy of its roster is, where there is one."""
        await pause()
        copies = ((desk, self._store.get("rosters", desk)) for desk in desks)
        return {desk: body["roster_v"] for desk, body in copies if body is not None}


class Appends:
    """A producer whose records arrive a little later than they are sent."""

    def __init__(self, scheduler: Scheduler, log: Log) -> None:
        self._scheduler = scheduler
        self._log = log

    async def append(self, messages: Sequence[Message]) -> None:
        """Append each record after a delay of its own."""
        for record in messages:
            self._scheduler.at(self._scheduler.random.uniform(0, 2), self._appending(record))
        await pause()

    def _appending(self, record: Message) -> Callable[[], None]:
        return lambda: self._log.append(record)


class Ticking:
    """Looks again and again; now and then its process starts anew and remembers nothing.

    `every` bounds the seconds between two looks. `idle` counts the looks since anybody else did something.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        log: Log,
        build: Callable[[Clock, "Producer"], Looks],
        *,
        every: tuple[float, float] = (4, 9),
    ) -> None:
        self._scheduler = scheduler
        self._producer = cast("Producer", Appends(scheduler, log))
        self._build = build
        self._every = every
        self._skew = timedelta(seconds=scheduler.random.uniform(-2, 2))
        self._ticker = build(self, self._producer)
        self.task: Coroutine[Any, Any, None] | None = None
        self.idle = 0

    def now(self) -> datetime:
        """Return what this replica takes for the present."""
        return self._scheduler.now + self._skew

    def begin(self) -> None:
        """Plan the next look; looking alone does not keep the simulation going."""
        self._scheduler.at(self._scheduler.random.uniform(*self._every), self._look, background=True)

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
            self._ticker = self._build(self, self._producer)
        self.task = self._ticker.look()  # type: ignore[assignment] # an async function's call is a coroutine
