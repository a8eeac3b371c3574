"""The one place that knows which driver is used: motor (default), or PyMongo's asynchronous client.

Both are built in the lifespan, never at import: a client belongs to one event loop.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal

from bson.binary import UUID_SUBTYPE, Binary
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING, AsyncMongoClient
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.mongo.errors import translated

Driver = Literal["motor", "pymongo"]
Document = dict[str, Any]
PAGE: Final = 100


class Database:
    """One service's database, as its store and API read it. Only `storage` writes (design §2)."""

    def __init__(self, uri: str, name: str, driver: Driver = "motor") -> None:
        self._asynchronous = driver == "pymongo"
        build = AsyncMongoClient if self._asynchronous else AsyncIOMotorClient
        self.client: Any = build(uri, tz_aware=True, serverSelectionTimeoutMS=5_000, retryWrites=True)
        self.handle: Any = self.client.get_database(
            name,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", wtimeout=10_000),
        )

    async def ping(self) -> None:
        """Raise `Transient` unless the server answers."""
        with translated():
            await self.handle.command("ping")

    async def time(self) -> datetime:
        """Return what time it is at the server."""
        with translated():
            said: datetime = (await self.handle.command("hello"))["localTime"]
        return said if said.tzinfo else said.replace(tzinfo=UTC)

    async def start_session(self) -> Any:
        """Open a causally consistent session."""
        session = self.client.start_session(causal_consistency=True)
        return await session if isinstance(session, Awaitable) else session

    async def end_session(self, id_: str) -> None:
        """End a session by its id; where the server refuses, its own time limit ends it later."""
        with translated(), suppress(OperationFailure):
            named = {"id": Binary(bytes.fromhex(id_), UUID_SUBTYPE)}
            await self.client.admin.command({"killSessions": [named]})

    async def ensure_indexes(self, indexes: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Create each collection's indexes: a list of field lists per collection name."""
        with translated():
            existing = set(await self.handle.list_collection_names())
            for collection, keys in indexes.items():
                # A transaction must not meet a collection that does not exist yet.
                if collection not in existing:
                    await self.handle.create_collection(collection)
                for fields in keys:
                    await self.handle[collection].create_index([(name, ASCENDING) for name in fields])

    async def one(self, collection: str, id_: str) -> Document | None:
        """Return a document by id."""
        with translated():
            found: Document | None = await self.handle[collection].find_one({"_id": id_})
        return found

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        limit: int,
        fields: Sequence[str] | None = None,
        order: str = "_id",
    ) -> list[Document]:
        """Return at most `limit` documents that match, in ascending `order`."""
        with translated():
            cursor = self.handle[collection].find(where, fields).sort(order, ASCENDING).limit(limit)
            found: list[Document] = await cursor.to_list(limit)
        return found

    async def pages(
        self, collection: str, where: Mapping[str, Any], *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[list[Document]]:
        """Yield all that match, in no order, at most `PAGE` at a time: one query, however many there are."""
        cursor = self.handle[collection].find(where, fields, batch_size=PAGE)
        while True:
            with translated():
                page: list[Document] = await cursor.to_list(PAGE)
            if not page:
                return
            yield page

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        """Return how many documents match."""
        with translated():
            return int(await self.handle[collection].count_documents(where))

    async def close(self) -> None:
        """Close all connections."""
        closing = self.client.close()
        if isinstance(closing, Awaitable):
            await closing
