"""What flow needs of a MongoDB server, and nothing more: run against whatever server the tests use.

The commit whose result is unknown is made by a proxy that loses the server's answer; no fail point is asked
of the server. Both drivers are tried (design §11).
"""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import PyMongoError

from shared.flow.documents import Body, Write
from shared.kernel.errors import Conflict, Transient
from shared.mongo.client import PAGE, Database, Driver
from shared.mongo.storage import MongoSession, MongoStorage
from tests.harness.log import new_id
from tests.harness.proxy import LostCommits
from tests.harness.waiting import until
from tests.servers import Servers

pytestmark = pytest.mark.req("B-06")
THINGS, OTHERS = "things", "others"


@pytest.fixture(params=["motor", "pymongo"])
def driver(request: pytest.FixtureRequest) -> Driver:
    chosen: Driver = request.param
    return chosen


@pytest.fixture
async def database(servers: Servers, driver: Driver) -> AsyncIterator[Database]:
    opened = Database(servers.mongo, new_id("conformance"), driver)
    await opened.ensure_indexes({THINGS: [], OTHERS: []})
    yield opened
    await opened.close()


def write(id_: str, v: int = 0, collection: str = THINGS, **body: object) -> Write:
    return Write(collection, id_, v, dict(body))


async def commit(database: Database, *writes: Write) -> None:
    async with MongoStorage(database).session() as session:
        await session.commit(writes)


async def read(database: Database, id_: str, collection: str = THINGS) -> Body | None:
    async with MongoStorage(database).session() as session:
        return (await session.get_many(collection, [id_])).get(id_)


async def test_all_that_match_are_read_some_at_a_time_by_one_query(database: Database) -> None:
    await commit(database, *(write(f"{n:03}", live=n % 2 == 0) for n in range(2 * PAGE + 2 * 25)))
    pages = [page async for page in database.pages(THINGS, {"live": True})]
    assert [len(page) for page in pages] == [PAGE, 25]
    assert {body["_id"] for page in pages for body in page} == {f"{n:03}" for n in range(0, 250, 2)}
    assert [page async for page in database.pages(THINGS, {"live": None})] == []


async def test_what_is_claimed_is_stored_without_a_transaction(database: Database) -> None:
    await commit(database, write("a", n=1))
    async with MongoStorage(database).session() as session:
        await session.claim([write("a", 1, n=2), write("b", n=1)])
        assert await read(database, "a") == {"_id": "a", "v": 2, "n": 2}
    for v in (0, 1):
        with pytest.raises(Conflict):
            async with MongoStorage(database).session() as session:
                await session.claim([write("a", v, n=3)])


async def test_a_missed_guard_rolls_everything_back(database: Database) -> None:
    await commit(database, write("a", n=1))
    await commit(database, write("a", 1, n=2))
    with pytest.raises(Conflict):
        await commit(database, write("b", n=1), write("x", collection=OTHERS), write("a", 1, n=3))
    assert await read(database, "b") is None
    assert await read(database, "x", OTHERS) is None
    assert await read(database, "a") == {"_id": "a", "v": 2, "n": 2}


async def test_an_insert_of_what_exists_aborts_everything(database: Database) -> None:
    await commit(database, write("a", n=1))
    with pytest.raises(Conflict):
        await commit(database, write("b", n=1), write("a", n=9), write("c", n=1))
    assert await read(database, "b") is None
    assert await read(database, "c") is None
    assert await read(database, "a") == {"_id": "a", "v": 1, "n": 1}


async def test_of_two_transactions_at_once_one_wins(database: Database) -> None:
    await commit(database, write("a", n=0))
    done = await asyncio.gather(
        *(commit(database, write("a", 1, n=n), write(f"by-{n}")) for n in range(1, 9)),
        return_exceptions=True,
    )
    assert [type(result) for result in done if result is not None] == [Conflict] * 7
    winner = done.index(None) + 1
    assert await read(database, "a") == {"_id": "a", "v": 2, "n": winner}
    marks = [n for n in range(1, 9) if await read(database, f"by-{n}")]
    assert marks == [winner]


async def test_a_write_conflict_inside_open_transactions_is_a_conflict(
    database: Database, driver: Driver
) -> None:
    await commit(database, write("a", n=0))
    first = await database.start_session()
    try:
        started = first.start_transaction()
        transaction = await started if asyncio.iscoroutine(started) else started
        async with transaction:
            things = database.handle[THINGS]
            await things.update_one({"_id": "a"}, {"$set": {"n": 1, "v": 2}}, session=first)
            with pytest.raises(Conflict):
                await commit(database, write("a", 1, n=2))
    finally:
        await first.end_session()
    assert await read(database, "a") == {"_id": "a", "v": 2, "n": 1}, driver


@pytest.mark.parametrize("v", [0, 1])
async def test_a_document_that_is_too_large_is_its_own_fault(database: Database, v: int) -> None:
    if v:
        await commit(database, write("a", n=1))
    # Neither `Conflict` nor `Transient`: flow must look for the record at fault, not try again.
    with pytest.raises((PyMongoError, InvalidDocument)):
        await commit(database, write("b", n=1), write("a", v, text="x" * (17 * 1024 * 1024)))
    assert await read(database, "b") is None


async def test_a_reader_never_sees_half_a_transaction(database: Database) -> None:
    await commit(database, write("a", n=0), write("b", collection=OTHERS, n=0))
    writing = True

    async def writes() -> None:
        nonlocal writing
        for n in range(1, 31):
            await commit(database, write("a", n, n=n), write("b", n, OTHERS, n=n))
        writing = False

    async def reads() -> int:
        seen = 0
        while writing:
            # In this order: whatever the first read saw, the second may only see as much or more.
            first = await read(database, "a")
            second = await read(database, "b", OTHERS)
            assert first is not None
            assert second is not None
            assert second["n"] >= first["n"]
            seen += 1
        return seen

    _, seen, _ = await asyncio.gather(writes(), reads(), reads())
    assert seen > 0


async def test_a_session_reads_its_own_writes(database: Database) -> None:
    async with MongoStorage(database).session() as session:
        for n in range(30):
            await session.commit([write("a", n, n=n)])
            assert (await session.get_many(THINGS, ["a"]))["a"] == {"_id": "a", "v": n + 1, "n": n}


async def test_what_is_not_committed_is_not_read(database: Database) -> None:
    session = await database.start_session()
    try:
        started = session.start_transaction()
        transaction = await started if asyncio.iscoroutine(started) else started
        async with transaction:
            await database.handle[THINGS].insert_one({"_id": "a", "v": 1}, session=session)
            assert await read(database, "a") is None
    finally:
        await session.end_session()
    assert await read(database, "a") is not None


async def test_a_commit_whose_answer_is_lost_is_a_conflict_and_may_have_happened(
    servers: Servers, database: Database, driver: Driver
) -> None:
    port = urlsplit(servers.mongo).port
    assert port is not None
    async with LostCommits(port) as wire:
        away = Database(
            f"mongodb://127.0.0.1:{wire.port}/?directConnection=true", database.handle.name, driver
        )
        try:
            with pytest.raises(Conflict, match="commit-unknown"):
                await commit(away, write("a", n=1))
        finally:
            await away.close()
        assert wire.lost >= 1
    assert await read(database, "a") == {"_id": "a", "v": 1, "n": 1}
    with pytest.raises(Conflict):
        await commit(database, write("a", n=1))


async def test_a_killed_server_is_transient_and_keeps_what_it_committed(
    servers: Servers, database: Database
) -> None:
    stack = servers.local
    await commit(database, write("a", n=1))
    async with MongoStorage(database).session() as session:
        assert await session.get_many(THINGS, ["a"])
        stack.kill("mongo")
        with pytest.raises((Transient, Conflict)):
            await _until_refused(session)
    await asyncio.to_thread(stack.wait_healthy, "mongo")
    assert await read(database, "a") == {"_id": "a", "v": 1, "n": 1}
    await commit(database, write("a", 1, n=2))


async def _until_refused(session: MongoSession) -> None:
    """Use a session of a dead server until it says so: a driver retries a read once by itself."""

    async def refused() -> bool:
        await session.get_many(THINGS, ["a"])
        await session.commit([write("never-there")])
        return False

    await until(refused, what="the server is missed")
