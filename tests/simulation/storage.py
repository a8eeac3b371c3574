"""Documents in memory, kept as BSON: guarded writes, all or nothing, and the failures a database has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import bson

from shared.flow.documents import Body, Write
from shared.flow.records import Arrival
from shared.kernel.errors import Conflict, Transient
from tests.simulation.log import Log
from tests.simulation.scheduler import Scheduler, pause

Commit = Callable[["View", Sequence[Write]], None]


class Store:
    """The one database: what is in it is majority committed and survives every crash."""

    def __init__(self, *, guarded: bool = True) -> None:
        self._documents: dict[str, dict[str, tuple[int, bytes]]] = {}
        self.due: dict[tuple[str, str], int] = {}
        self._guarded = guarded
        self.before_commit: list[Commit] = []
        self.on_session: list[Callable[[View], None]] = []

    def get(self, collection: str, id_: str) -> Body | None:
        """Return a document."""
        kept = self._documents.get(collection, {}).get(id_)
        return None if kept is None else bson.decode(kept[1])

    def all(self, collection: str) -> list[Body]:
        """Return a collection's documents in id order."""
        return [bson.decode(kept) for _, (_, kept) in sorted(self._documents.get(collection, {}).items())]

    def apply(self, view: "View", writes: Sequence[Write]) -> None:
        """Write everything, or raise `Conflict` and nothing."""
        for write in writes:
            v, _ = self._documents.get(write.collection, {}).get(write.id, (0, b""))
            if self._guarded and v != write.v:
                raise Conflict("guard-missed", write.collection)
        for told in self.before_commit:
            told(view, writes)
        for write in writes:
            body = bson.encode({**write.body, "_id": write.id, "v": write.v + 1})
            self._documents.setdefault(write.collection, {})[write.id] = write.v + 1, body
            self._index(write)

    def poke(self, collection: str, id_: str, **fields: object) -> None:
        """Change a document past every consumer: only a planted fault does that."""
        v, kept = self._documents[collection][id_]
        write = Write(collection, id_, v, {**bson.decode(kept), **fields})
        self._documents[collection][id_] = v + 1, bson.encode({**write.body, "v": v + 1})
        self._index(write)

    def _index(self, write: Write) -> None:
        due = write.body.get("next_due")
        if due is None:
            self.due.pop((write.collection, write.id), None)
        else:
            self.due[write.collection, write.id] = due


@dataclass(slots=True)
class View:
    """The store as one flow sees it (`shared.flow.batch.Storage`), with the batch that flow has in hand."""

    store: Store
    group: str
    scheduler: Scheduler
    log: Log
    faults: float
    batch: Sequence[Arrival] = field(default=())

    def session(self) -> "MemorySession":
        """Open a session."""
        for told in self.store.on_session:
            told(self)
        return MemorySession(self)


class MemorySession:
    """Every operation suspends before and after, so that others run, or the process ends, in between."""

    id = "5e55"

    async def end(self, other: str) -> None:
        """No transaction is ever left open here: a commit is one step."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep nothing."""

    async def get_many(self, collection: str, ids: Sequence[str]) -> dict[str, Any]:
        """Return the documents that exist, by id."""
        await pause()
        if self._view.scheduler.chance(self._view.faults / 4):
            raise Transient("database-away")
        found = ((id_, self._view.store.get(collection, id_)) for id_ in ids)
        return {id_: body for id_, body in found if body is not None}

    async def find(self, collection: str, field: str, value: str) -> dict[str, Any]:
        """Return the documents whose top-level field has this value, by id."""
        await pause()
        bodies = self._view.store.all(collection)
        return {body["_id"]: body for body in bodies if body.get(field) == value}

    async def claim(self, writes: Sequence[Write]) -> None:
        """Write one after the other: what comes between two of them may be anything, a crash too."""
        for write in writes:
            await self.commit([write])

    async def commit(self, writes: Sequence[Write], written: Callable[[], None] = lambda: None) -> None:
        """Write all or nothing; now and then the answer is lost, whether or not the write is."""
        view = self._view
        await pause()
        if view.scheduler.chance(view.faults / 2):
            raise Transient("database-away")
        unknown = view.scheduler.chance(view.faults)
        if unknown and view.scheduler.chance(0.5):
            raise Conflict("commit-unknown", "not applied")
        written()
        view.store.apply(view, writes)
        view.log.note("commit", view.group, *(f"{write.id}@{write.v + 1}" for write in writes))
        await pause()
        if unknown:
            raise Conflict("commit-unknown", "applied")
