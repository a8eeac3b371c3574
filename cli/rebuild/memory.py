"""A storage in memory for the length of a rebuild: written to a database once everything is in it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

from shared.flow.documents import Body, Write
from shared.kernel.errors import Conflict

Documents = Mapping[str, Mapping[str, Body]]
"""By collection and id."""


class Memory:
    """`shared.flow.batch.Storage` and its session in one: nobody else writes here."""

    id = ""
    """No server knows this session, so that no successor is asked to end it."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Body]] = defaultdict(dict)
        self._instead: Documents = {}

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Memory"]:
        """Give the one session there is."""
        yield self

    @contextmanager
    def showing(self, instead: Documents) -> Iterator[None]:
        """Show other documents instead of all those stored in the collections named."""
        self._instead = instead
        try:
            yield
        finally:
            self._instead = {}

    async def end(self, other: str) -> None:
        """End nothing: nobody was here before."""

    async def get_many(self, collection: str, ids: Sequence[str]) -> dict[str, Body]:
        """Return the documents that exist, by id."""
        held = self._shown(collection)
        return {id_: held[id_] for id_ in ids if id_ in held}

    async def find(self, collection: str, field: str, value: str) -> dict[str, Body]:
        """Return the documents whose field has this value, by id."""
        return {id_: body for id_, body in self._shown(collection).items() if body.get(field) == value}

    async def claim(self, writes: Sequence[Write]) -> None:
        """Write as `commit` does."""
        await self.commit(writes)

    async def commit(self, writes: Sequence[Write], written: Callable[[], None] = lambda: None) -> None:
        """Write all or nothing; raise `Conflict` when a guard misses."""
        for write in writes:
            known = self.documents[write.collection].get(write.id)
            if (known["v"] if known else 0) != write.v:
                raise Conflict("guard-missed", write.collection)
        written()
        for write in writes:
            document = {"_id": write.id, **write.body, "v": write.v + 1}
            self.documents[write.collection][write.id] = document

    def _shown(self, collection: str) -> Mapping[str, Body]:
        return self._instead[collection] if collection in self._instead else self.documents[collection]
