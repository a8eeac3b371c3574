"""Progress that somebody streams, looked at once for all who do: the cost is by document, not by client.

One loop asks for the versions of everything watched, by id, and reads what has a new one. Whoever is slow
misses what lay between: progress is absolute, and only the newest counts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from services.dispatch.domain.progress import view
from services.dispatch.queries import Queries
from shared.kernel.errors import Transient
from shared.runtime.problems import Problem

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """Progress as it goes out: its id is (version of the directive)-(version of the document)."""

    id: str
    json: str


@dataclass(slots=True)
class Watched:
    """One desk's progress of one directive, and how many watch it."""

    directive: str
    desk: str
    watchers: int = 0
    v: int = 0
    newest: Shown | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return f"{self.directive}/{self.desk}"

    async def other_than(self, known: str, within_s: float) -> Shown | None:
        """Return the newest as soon as its id is another than the one known; None if it is not in time."""
        try:
            async with asyncio.timeout(within_s):
                while self.newest is None or self.newest.id == known:
                    await self.changed.wait()
        except TimeoutError:
            return None
        return self.newest


class Watching:
    """Everything watched in this process."""

    def __init__(
        self,
        queries: Callable[[], Queries],
        *,
        every: float,
        limit: int,
        count: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._queries = queries
        self._every = every
        self._limit = limit
        self._count = count
        self._watched: dict[str, Watched] = {}

    @property
    def open(self) -> int:
        """How many watch, of all documents together."""
        return sum(each.watchers for each in self._watched.values())

    def refuse_too_many(self) -> None:
        """Raise a 503 problem while as many watch as may."""
        if self.open >= self._limit:
            raise Problem("too-many-streams", headers={"Retry-After": "10"}, limit=self._limit)

    @asynccontextmanager
    async def watch(self, directive: str, desk: str) -> AsyncIterator[Watched]:
        """Watch one document for the length of the block; what is stored now is there at once."""
        known = Watched(directive, desk)
        watched = self._watched.setdefault(known.id, known)
        watched.watchers += 1
        self._count(self.open)
        try:
            if watched.newest is None:
                with suppress(Transient):  # the loop looks again
                    await self._read(watched)
            yield watched
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                del self._watched[watched.id]
            self._count(self.open)

    async def run(self) -> None:
        """Look again and again; a database that is away is looked for the next time."""
        while True:
            try:
                await self.look()
            except (Transient, Problem) as error:
                _log.warning("watching waits", error=str(error))
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Read what has changed of everything watched."""
        if not self._watched:
            return
        versions = await self._queries().progress_versions(sorted(self._watched))
        for watched in list(self._watched.values()):
            if versions.get(watched.id, 0) > watched.v:
                await self._read(watched)

    async def _read(self, watched: Watched) -> None:
        for roll, v in await self._queries().rolls(watched.directive, [watched.desk]):
            # Two may read at once, and the older answer may come last.
            if v <= watched.v:
                continue
            watched.v = v
            progress = view(roll, v)
            if progress is not None:
                watched.newest = Shown(f"{progress.version}-{v}", progress.model_dump_json())
                watched.changed.set()
                watched.changed = asyncio.Event()
