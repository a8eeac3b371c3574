"""The documents of a batch, and the memory between batches: confirmed, of one writer, dropped in doubt."""

from dataclasses import replace
from functools import partial

import pytest

from shared.flow.cache import Cache, Held
from shared.flow.documents import Body, Collection, Documents, Write
from shared.kernel.errors import Conflict
from tests.builders.dispatch import DESK
from tests.fakes.storage import MemorySession, MemoryStorage
from tests.unit.flow.toys import GROUP, HOME, LABELS, SEEN, TOPIC, Bench, Seen, record


@pytest.fixture
def storage() -> MemoryStorage:
    storage = MemoryStorage()
    storage.put(Write("labels", "x", 0, {"text": "stored"}))
    storage.put(Write("seen", "x", 0, {"ids": ["a"]}))
    return storage


async def test_a_document_is_fetched_once_a_batch(storage: MemoryStorage) -> None:
    docs = Documents(MemorySession(storage))
    await docs.load(SEEN, ["x", "y"])
    await docs.load(SEEN, ["y", "x", "z"])
    assert storage.reads == [("seen", ("x", "y")), ("seen", ("z",))]
    assert docs.get(SEEN, "x") == ["a"]
    assert docs.get(SEEN, "y") is None


async def test_a_document_that_was_not_loaded_is_a_mistake_in_the_program(storage: MemoryStorage) -> None:
    docs = Documents(MemorySession(storage))
    with pytest.raises(KeyError):
        docs.get(SEEN, "x")
    with pytest.raises(KeyError):
        docs.put(SEEN, "x", [])


async def test_a_write_is_guarded_by_the_version_that_was_read(storage: MemoryStorage) -> None:
    docs = Documents(MemorySession(storage))
    await docs.load(SEEN, ["x", "new"])
    assert docs.writes() == []
    docs.put(SEEN, "x", ["a", "b"])
    docs.put(SEEN, "new", ["n"])
    assert docs.version(SEEN, "x") == 2
    assert docs.writes() == [
        Write("seen", "new", 0, {"ids": ["n"]}),
        Write("seen", "x", 1, {"ids": ["a", "b"]}),
    ]
    docs.committed()
    assert docs.writes() == []
    assert docs.version(SEEN, "x") == 2
    docs.put(SEEN, "x", ["c"])
    assert docs.writes() == [Write("seen", "x", 2, {"ids": ["c"]})]


async def _batch(storage: MemoryStorage, cache: Cache) -> Documents:
    docs = Documents(MemorySession(storage), cache)
    await docs.load(SEEN, ["x"])
    await docs.load(LABELS, ["x", "absent"])
    await docs.load(OWNED, ["x"])
    return docs


OWNED: Collection[list[str]] = replace(SEEN, name="owned", owned=True)


async def test_only_what_one_group_writes_is_kept_between_batches(storage: MemoryStorage) -> None:
    cache = Cache()
    storage.put(Write("owned", "x", 0, {"ids": ["a"]}))
    for _ in range(2):
        docs = await _batch(storage, cache)
        assert (docs.get(LABELS, "x"), docs.version(LABELS, "x")) == ("stored", 1)
        assert (docs.get(OWNED, "x"), docs.version(OWNED, "x")) == (["a"], 1)
        docs.remember()
    assert storage.reads == [
        ("seen", ("x",)), ("labels", ("absent", "x")), ("owned", ("x",)),
        ("seen", ("x",)), ("labels", ("absent",)),
    ]  # fmt: skip


async def test_what_is_kept_is_written_on_at_its_version(storage: MemoryStorage) -> None:
    cache = Cache()
    for v in range(3):
        docs = await _batch(storage, cache)
        held = docs.get(OWNED, "x") or []
        held.append(f"{v}")
        docs.put(OWNED, "x", held)
        assert [write.v for write in docs.writes()] == [v]
        storage.take(docs.writes())
        docs.committed()
        docs.remember()
    assert storage.body("owned", "x") == {"_id": "x", "v": 3, "ids": ["0", "1", "2"]}
    assert [ids for name, ids in storage.reads if name == "owned"] == [("x",)]


async def test_a_batch_that_does_not_end_leaves_nothing_of_what_it_changed(storage: MemoryStorage) -> None:
    cache = Cache()
    storage.put(Write("owned", "x", 0, {"ids": ["a"]}))
    (await _batch(storage, cache)).remember()
    unfinished = await _batch(storage, cache)
    held = unfinished.get(OWNED, "x") or []
    held.append("never stored")
    unfinished.put(OWNED, "x", held)
    unfinished.put(LABELS, "absent", "nor this")
    unfinished.remember()
    again = await _batch(storage, cache)
    assert (again.get(OWNED, "x"), again.get(LABELS, "absent")) == (["a"], None)


async def test_a_lookup_of_what_is_kept_goes_on_from_what_is_stored(storage: MemoryStorage) -> None:
    found, cache = replace(OWNED, lookup=_found_by_first), Cache()
    written = []
    for ids in (["a"], ["a", "b"], ["c"]):
        docs = Documents(MemorySession(storage), cache)
        await docs.load(found, ["x"])
        docs.put(found, "x", ids)
        written.append([write.v for write in docs.writes() if write.collection == found.found_in])
        storage.take(docs.writes())
        docs.committed()
        docs.remember()
    assert written == [[0], [], [1]]


async def test_memory_is_bounded_and_forgets_what_was_used_longest_ago() -> None:
    cache = Cache(2)
    for id_ in "ab":
        cache.put(("labels", id_), partial(Held, id_, 1))
    assert cache.get(("labels", "a")) == Held("a", 1)
    cache.put(("labels", "c"), partial(Held, "c", 1))
    assert cache.get(("labels", "b")) is None
    assert cache.get(("labels", "a")) == Held("a", 1)
    cache.clear()
    assert cache.get(("labels", "c")) is None


async def test_a_missed_guard_and_a_new_assignment_empty_the_memory() -> None:
    bench = Bench(Seen())
    bench.storage.put(Write("labels", DESK, 0, {"text": "frozen"}))

    async def reads_labels(offset: int) -> bool:
        before = len(bench.storage.reads)
        await bench([record(f"r{offset}", offset)])
        return any(collection == "labels" for collection, _ in bench.storage.reads[before:])

    assert await reads_labels(10)
    assert not await reads_labels(11)
    bench.flow.reassigned()
    assert await reads_labels(12)
    assert not await reads_labels(13)
    bench.storage.failing = [Conflict("guard-missed")]
    assert await reads_labels(14)


async def test_memory_ends_when_somebody_else_has_moved_the_place_in_the_log() -> None:
    """A zombie wakes: its memory is of before, and what it publishes must not be."""
    bench = Bench(Seen())
    bench.storage.put(Write("labels", DESK, 0, {"text": "frozen"}))
    await bench([record("r0", 0)])
    place = f"{GROUP}/{HOME}"
    position = bench.storage.body("positions", place) or {}
    bench.storage.put(Write("positions", place, position["v"], {**position, "next": [[TOPIC, 2]]}))
    before = len(bench.storage.reads)
    await bench([record("r1", 1)])
    assert "labels" in [collection for collection, _ in bench.storage.reads[before:]]


async def test_the_fake_storage_writes_all_or_nothing(storage: MemoryStorage) -> None:
    with pytest.raises(Conflict):
        storage.take([Write("seen", "y", 0, {"ids": []}), Write("seen", "x", 7, {"ids": []})])
    assert storage.body("seen", "y") is None


def _found_by_first(ids: list[str]) -> Body:
    return {"first": ids[0]} if ids else {}


FOUND: Collection[list[str]] = replace(SEEN, name="found", lookup=_found_by_first)


async def _put(storage: MemoryStorage, ids: list[str]) -> list[Write]:
    """Write a value as one batch would, and return the writes."""
    docs = Documents(MemorySession(storage))
    await docs.load(FOUND, ["x"])
    docs.put(FOUND, "x", ids)
    writes = docs.writes()
    storage.take(writes)
    docs.committed()
    assert docs.writes() == []
    return writes


async def test_a_lookup_is_written_beside_its_value_and_only_when_it_changes(storage: MemoryStorage) -> None:
    written = [
        [(write.collection, write.v) for write in await _put(storage, ids)]
        for ids in ([], ["a"], ["a", "b"], ["c"], [])
    ]
    assert written == [
        [("found", 0)],
        [("found_lookup", 0), ("found", 1)],
        [("found", 2)],
        [("found_lookup", 1), ("found", 3)],
        [("found_lookup", 2), ("found", 4)],
    ]
    assert storage.body("found_lookup", "x") == {"_id": "x", "v": 3}, "nothing finds it any more"


async def test_a_lookup_that_was_changed_in_place_is_seen(storage: MemoryStorage) -> None:
    await _put(storage, ["a"])
    docs = Documents(MemorySession(storage))
    await docs.load(FOUND, ["x"])
    held = docs.get(FOUND, "x") or []
    for number, ids in enumerate((["b"], ["c"])):
        held[:] = ids
        docs.put(FOUND, "x", held)
        assert docs.writes()[0] == Write("found_lookup", "x", number + 1, {"first": ids[0]})
        storage.take(docs.writes())
        docs.committed()


async def test_what_is_found_by_a_query_keeps_its_lookup(storage: MemoryStorage) -> None:
    await _put(storage, ["a"])
    docs = Documents(MemorySession(storage))
    await docs.load_where(FOUND, "_id", "x")
    docs.put(FOUND, "x", ["a", "b"])
    assert [write.collection for write in docs.writes()] == ["found"]


async def test_a_lookup_without_its_value_is_guarded(storage: MemoryStorage) -> None:
    storage.put(Write("found_lookup", "x", 0, {"first": "z"}))
    with pytest.raises(Conflict):
        await _put(storage, ["a"])
    assert storage.body("found", "x") is None
