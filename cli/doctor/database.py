"""The database: whether it commits to a majority, all of it or nothing, and by which clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.doctor.broker import judge_time
from cli.doctor.findings import Finding, fail, ok
from shared.flow.batch import Storage
from shared.flow.documents import Write
from shared.kernel.clock import Clock
from shared.kernel.errors import Conflict, Transient
from shared.messaging.asking import Time
from shared.mongo.client import Database
from shared.mongo.storage import MongoStorage
from shared.runtime.settings import ServiceSettings

PROBES = "probes"
TRIES = 5


@asynccontextmanager
async def connected(settings: ServiceSettings, name: str) -> AsyncIterator[Database]:
    """Connect for the length of the block; `name` follows the prefix of database names."""
    database = Database(settings.mongo, f"{settings.database}_{name}", settings.mongo_driver)
    try:
        yield database
    finally:
        await database.close()


async def look(settings: ServiceSettings, clock: Clock) -> list[Finding]:
    """Commit in a database of the doctor's own, and compare clocks."""
    async with connected(settings, "doctor") as database:
        await database.ping()
        await database.ensure_indexes({PROBES: []})
        asked = clock.now()
        time = Time(asked, await database.time(), clock.now())
        return [
            await judge_storage(MongoStorage(database)),
            judge_time("database-clock", "the database's", time),
        ]


async def judge_storage(storage: Storage) -> Finding:
    """Commit two documents; then two of which one's guard misses: the other must not be there."""
    try:
        for _ in range(TRIES):
            try:
                return await _commit(storage)
            except Conflict:
                continue  # another doctor writes the same two
    except Transient as error:
        return fail("transactions", f"a transaction does not commit to a majority: {error}")
    return fail("transactions", f"no transaction committed in {TRIES} tries")


async def _commit(storage: Storage) -> Finding:
    async with storage.session() as session:
        known = await session.get_many(PROBES, ["a", "b"])
        v = {id_: known[id_]["v"] if id_ in known else 0 for id_ in ("a", "b")}
        await session.commit([Write(PROBES, id_, number, {}) for id_, number in v.items()])
    try:
        async with storage.session() as session:
            late = Write(PROBES, "b", v["b"] + 2, {})
            await session.commit([Write(PROBES, "a", v["a"] + 1, {"half": True}), late])
    except Conflict:
        async with storage.session() as session:
            if "half" not in (await session.get_many(PROBES, ["a"]))["a"]:
                return ok("transactions", "commits to a majority, all of it or nothing")
    return fail("transactions", "a transaction left half of it behind")
