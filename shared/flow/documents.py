"""The documents of one batch: as loaded, as changed, and with the version each write is guarded by."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from shared.flow.cache import Cache, Held, Key

T = TypeVar("T")
Body = dict[str, Any]

LOOKUP: Final = "_lookup"
"""Ends the name of every collection of lookup documents."""


@dataclass(frozen=True, slots=True)
class Collection(Generic[T]):
    """How one kind of value is saved: its collection's name, and value ↔ document (without `_id` and `v`).

    What queries find a value by, if anything, is `lookup`: a document beside the value's own, under the same
    id in the collection `found_in`, written in the same transaction and only when it changes. An index on a
    document that every batch writes costs up to three times the write itself.
    """

    name: str
    encode: Callable[[T], Body]
    decode: Callable[[Body], T]
    immutable: bool = False
    """Written once and never again: such a value may be kept in memory between batches."""
    owned: bool = False
    """Written by one group alone: its flow may keep it between batches as it is stored, to decode it anew."""
    lookup: Callable[[T], Body] | None = None
    """Empty for a value that no query is to find now."""

    @property
    def found_in(self) -> str:
        """The collection of the lookup documents."""
        return self.name + LOOKUP


@dataclass(frozen=True, slots=True)
class Write:
    """Put `body` as version `v` + 1, if the stored version is still `v` (0: if there is none)."""

    collection: str
    id: str
    v: int
    body: Body


class Session(Protocol):
    """A causally consistent view with majority reads, and the one way to write."""

    id: str
    """What the server knows this session by."""

    async def end(self, other: str) -> None:
        """End another session, with whatever transaction its dead or frozen owner left open."""

    async def get_many(self, collection: str, ids: Sequence[str]) -> dict[str, Body]:
        """Return the documents that exist, by id; each has its version in `v`."""

    async def find(self, collection: str, field: str, value: str) -> dict[str, Body]:
        """Return the documents whose indexed `field` has this value, by id."""

    async def claim(self, writes: Sequence[Write]) -> None:
        """Write each by itself, outside a transaction; raise `Conflict` when a guard misses.

        What says who writes here must be stored before the first transaction is open: one that a killed
        process left open can only be ended by a successor that knows its session.
        """

    async def commit(self, writes: Sequence[Write], written: Callable[[], None] = lambda: None) -> None:
        """Write all or nothing, majority acknowledged; raise `Conflict` when a guard misses.

        `written` is called inside the transaction, when all is written and nothing committed.
        """


class Documents:
    """What one batch has in hand. Values belong to the batch: a rule may change them in place, then `put`."""

    def __init__(self, session: Session, cache: Cache | None = None) -> None:
        self._session = session
        self._cache = cache or Cache(0)
        self._held: dict[Key, Held] = {}
        self._found: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._collections: dict[str, Collection[Any]] = {}

    async def load(self, collection: Collection[T], ids: Iterable[str]) -> None:
        """Fetch the documents not yet in hand; an absent one is remembered as absent."""
        self._collections[collection.name] = collection
        missing = []
        for key in sorted({(collection.name, id_) for id_ in ids} - self._held.keys()):
            kept = self._cache.get(key)
            if kept is None:
                missing.append(key)
            else:
                self._held[key] = kept
        if missing:
            await self._fetch(collection, missing)

    async def load_where(self, collection: Collection[T], field: str, value: str) -> None:
        """Fetch every document whose indexed `field` has this value; `where` gives what was found."""
        self._collections[collection.name] = collection
        found = await self._session.find(collection.name, field, value)
        for id_, body in found.items():
            # What the batch has already in hand may have changed here: it is kept.
            self._held.setdefault((collection.name, id_), _held(collection, body))
        self._found[collection.name, field, value] = tuple(sorted(found))

    def where(self, collection: Collection[T], field: str, value: str) -> list[T]:
        """Return what `load_where` found, in id order."""
        ids = self._found[collection.name, field, value]
        return [held for id_ in ids if (held := self.get(collection, id_)) is not None]

    async def _fetch(self, collection: Collection[T], missing: Sequence[Key]) -> None:
        found = await self._session.get_many(collection.name, [id_ for _, id_ in missing])
        for key in missing:
            body = found.get(key[1])
            self._held[key] = Held() if body is None else _held(collection, body)

    def get(self, collection: Collection[T], id_: str) -> T | None:
        """Return a loaded value, or None where there is none; not loaded at all is a programming error."""
        return cast("T | None", self._held[collection.name, id_].value)

    def put(self, collection: Collection[T], id_: str, value: T) -> None:
        """Say that a loaded document is now this value."""
        held = self._held[collection.name, id_]
        held.value, held.changed = value, True

    def version(self, collection: Collection[T], id_: str) -> int:
        """Return the version this document has once the batch is committed."""
        held = self._held[collection.name, id_]
        return held.v + held.changed

    def writes(self) -> list[Write]:
        """Return the guarded writes of everything changed, in a stable order."""
        writes: list[Write] = []
        for (name, id_), held in sorted(self._held.items()):
            if held.changed:
                writes += _writes(self._collections[name], id_, held)
        return writes

    def committed(self) -> None:
        """Say that the writes are stored: versions move on and nothing is pending."""
        for (name, _), held in self._held.items():
            if held.changed:
                found = _lookup(self._collections[name], held.value)
                held.lookups += found != held.found
                held.found, held.v, held.changed = found, held.v + 1, False
                held.body = {**held.body, "v": held.v}

    def remember(self) -> None:
        """Keep what may be kept of what is in hand: all of it is stored."""
        for key, held in self._held.items():
            collection = self._collections[key[0]]
            if not held.v or held.changed:
                continue
            if collection.immutable:
                self._cache.put(key, partial(Held, held.value, held.v))
            elif collection.owned:
                self._cache.put(key, partial(_held, collection, held.body))


def _held(collection: Collection[Any], body: Body) -> Held:
    value = collection.decode(body)
    return Held(value, body["v"], body, _lookup(collection, value), body.get("lookups", 0))


def _lookup(collection: Collection[T], value: T) -> Body:
    return collection.lookup(value) if collection.lookup else {}


def _writes(collection: Collection[Any], id_: str, held: Held) -> Iterator[Write]:
    held.body = body = collection.encode(held.value)
    if collection.lookup:
        found = _lookup(collection, held.value)
        moved = found != held.found
        if moved:
            yield Write(collection.found_in, id_, held.lookups, found)
        body["lookups"] = held.lookups + moved
    yield Write(collection.name, id_, held.v, body)
