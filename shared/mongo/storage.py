"""What flow writes through: majority reads in one session, and one transaction of guarded writes."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymongo import ReplaceOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.flow.documents import Body, Write
from shared.kernel.errors import Conflict
from shared.mongo.client import Database
from shared.mongo.errors import translated

SNAPSHOT = ReadConcern("snapshot")
MAJORITY = WriteConcern("majority", wtimeout=10_000)
AT_ONCE = 100
"""Ids asked for in one query: a longer list costs the local server more than its share."""


class MongoStorage:
    """`shared.flow.batch.Storage` on a replica set. One a flow: its batches share one server session.

    A session that met any failure is ended and not used again: its transaction is gone with it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Any = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator["MongoSession"]:
        """Give the session for one batch."""
        with translated():
            self._session = self._session or await self._database.start_session()
        try:
            yield MongoSession(self._database, self._session)
        except BaseException:
            spoilt, self._session = self._session, None
            await spoilt.end_session()
            raise


class MongoSession:
    """`shared.flow.documents.Session`: reads what is majority committed, writes all or nothing."""

    def __init__(self, database: Database, session: Any) -> None:
        self._database = database
        self._handle = database.handle
        self._session = session
        self.id: str = session.session_id["id"].hex()

    async def end(self, other: str) -> None:
        """End another session of this database user."""
        await self._database.end_session(other)

    async def get_many(self, collection: str, ids: Sequence[str]) -> dict[str, Body]:
        """Return the documents that exist, by id."""
        found: dict[str, Body] = {}
        with translated():
            for start in range(0, len(ids), AT_ONCE):
                named = {"_id": {"$in": list(ids[start : start + AT_ONCE])}}
                cursor = self._handle[collection].find(named, session=self._session)
                found |= {body["_id"]: body for body in await cursor.to_list(None)}
        return found

    async def find(self, collection: str, field: str, value: str) -> dict[str, Body]:
        """Return the documents whose indexed `field` has this value, by id."""
        with translated():
            cursor = self._handle[collection].find({field: value}, session=self._session)
            return {body["_id"]: body for body in await cursor.to_list(None)}

    async def claim(self, writes: Sequence[Write]) -> None:
        """Write each document by itself: a guard that misses raises `Conflict`, the others may be written."""
        with translated():
            await self._write(writes)

    async def commit(self, writes: Sequence[Write], written: Callable[[], None] = lambda: None) -> None:
        """Write everything in one transaction, or nothing: a guard that misses raises `Conflict`."""
        with translated():
            started = self._session.start_transaction(read_concern=SNAPSHOT, write_concern=MAJORITY)
            # PyMongo's own client starts a transaction with an await, motor without.
            async with await started if isinstance(started, Awaitable) else started:
                await self._write(writes)
                written()

    async def _write(self, writes: Sequence[Write]) -> None:
        inserts, replacements = _by_collection(writes)
        for collection, documents in inserts.items():
            await self._handle[collection].insert_many(documents, ordered=False, session=self._session)
        for collection, operations in replacements.items():
            done = await self._handle[collection].bulk_write(operations, ordered=False, session=self._session)
            if done.matched_count != len(operations):
                raise Conflict("guard-missed", collection)


def _by_collection(
    writes: Sequence[Write],
) -> tuple[dict[str, list[Body]], dict[str, list[ReplaceOne[Body]]]]:
    # Inserts and replacements go apart: mixed operations in one bulk are many times slower on a server.
    inserts: dict[str, list[Body]] = defaultdict(list)
    replacements: dict[str, list[ReplaceOne[Body]]] = defaultdict(list)
    for write in writes:
        document = {**write.body, "_id": write.id, "v": write.v + 1}
        if write.v == 0:
            inserts[write.collection].append(document)
        else:
            guard = {"_id": write.id, "v": write.v}
            replacements[write.collection].append(ReplaceOne(guard, document))
    return inserts, replacements
