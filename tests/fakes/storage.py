"""A storage in a dictionary, with guarded all-or-nothing writes, for handlers and flow in unit tests.

What it does not imitate: a server. There is no latency, no majority or snapshot, no other session that writes
between a read and a commit (tests queue a failure instead), no limit on the size of a document, no index and
no query. Bodies pass through BSON both ways, so that what a server could not store fails here too.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import bson

from shared.flow.documents import Body, Write
from shared.kernel.errors import Conflict


class MemoryStorage:
    """`shared.flow.batch.Storage`; `failing` holds what the next commits raise (None: they work)."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str], bytes] = {}
        self.failing: list[Exception | None] = []
        self.commits: list[tuple[Write, ...]] = []
        self.reads: list[tuple[str, tuple[str, ...]]] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator["MemorySession"]:
        """Open a session; it needs no closing."""
        yield MemorySession(self)

    def body(self, collection: str, id_: str) -> Body | None:
        """Return one stored document."""
        stored = self._stored.get((collection, id_))
        return None if stored is None else dict(bson.decode(stored))

    def all(self, but: frozenset[str] = frozenset()) -> dict[tuple[str, str], Body]:
        """Return every stored document, except those of the collections named."""
        return {key: bson.decode(body) for key, body in self._stored.items() if key[0] not in but}

    def put(self, write: Write) -> None:
        """Write one document if its guard holds, as another process would."""
        self.take([write])

    def take(self, writes: Sequence[Write]) -> None:
        """Write all or nothing."""
        for write in writes:
            known = self.body(write.collection, write.id)
            if (known["v"] if known else 0) != write.v:
                raise Conflict("guard-missed", write.collection)
        for write in writes:
            document = {**write.body, "_id": write.id, "v": write.v + 1}
            self._stored[write.collection, write.id] = bson.encode(document)


class MemorySession:
    """`shared.flow.documents.Session`."""

    id = "5e55"

    async def end(self, other: str) -> None:
        """Nothing is ever left open here."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    async def get_many(self, collection: str, ids: Sequence[str]) -> dict[str, Body]:
        """Return the documents that exist, by id."""
        self._storage.reads.append((collection, tuple(ids)))
        found = ((id_, self._storage.body(collection, id_)) for id_ in ids)
        return {id_: body for id_, body in found if body is not None}

    async def find(self, collection: str, field: str, value: str) -> dict[str, Body]:
        """Return the documents whose top-level field has this value, by id."""
        stored = self._storage.all()
        return {
            id_: body
            for (name, id_), body in stored.items()
            if name == collection and body.get(field) == value
        }

    async def claim(self, writes: Sequence[Write]) -> None:
        """Write as `commit` does: that each write stands by itself shows on a server only."""
        await self.commit(writes)

    async def commit(self, writes: Sequence[Write], written: Callable[[], None] = lambda: None) -> None:
        """Write all or nothing; raise what the test has queued, having written nothing."""
        failure = self._storage.failing.pop(0) if self._storage.failing else None
        if failure is not None:
            raise failure
        written()
        self._storage.take(writes)
        self._storage.commits.append(tuple(writes))
