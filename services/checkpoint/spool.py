"""What keeps a crossing from the moment it is answered until Kafka has it: one SQLite file, synced to disk.

One thread writes. Whatever waits goes down in one transaction and one sync, as one row: under load a row
holds dozens of crossings, and the two threads hand the interpreter over once per row, not per crossing.
A row carries a checksum: a file that was damaged is refused at start by name, never read around.
"""

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from shared.kernel.errors import ConfigurationError, Transient

CHUNK: Final = 100
SMALL: Final = 16
LINGER_S: Final = 0.002
_APPLICATION_ID: Final = 0x47_4C_53_50
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS crossings "
    "(seq INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, sum INTEGER NOT NULL, "
    "body BLOB NOT NULL)"
)

_PIECE: Final = "\x1f"
_END: Final = "\x1e"

T = TypeVar("T")


class SpoolFull(Transient):
    """More crossings wait than the spool may hold."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """One crossing as it will stand on the topic: `at` in milliseconds, `value` the record as text."""

    id: str
    key: str
    at: int
    actor: str
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    """The crossings of one row, in the order in which they were answered."""

    seq: int
    crossings: tuple[Spooled, ...]


_Write = tuple[Spooled, asyncio.Future[None]]


class Spool:
    """Open from the start of the process to its end; one process a file."""

    def __init__(self, path: Path, *, limit: int) -> None:
        """Open or make the file; raises `ConfigurationError` naming it if it is damaged or in use."""
        self._path = path
        self._limit = limit
        self._connection = _opened(path)
        self.depth = _checked(self._connection, path)
        self.added = 0
        self._waiting: list[_Write] = []
        self._writing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def add(self, crossing: Spooled) -> None:
        """Return once the crossing is safe on disk; raises `SpoolFull`, or `Transient` if it cannot be."""
        if self.depth >= self._limit:
            raise SpoolFull("spool-full", self._path.name)
        self.depth += 1
        self.added += 1
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((crossing, kept))
        if not self._writing:
            self._write()
        await kept

    async def oldest(self, most: int = CHUNK) -> list[Group]:
        """Return the oldest rows that hold about this many crossings; [] when nothing waits."""
        return await self._do(_oldest, most)

    async def forget(self, groups: Sequence[Group]) -> None:
        """Delete rows that Kafka has: all up to the last of these."""
        if groups:
            await self._do(_delete, groups[-1].seq)
            self.depth -= sum(len(group.crossings) for group in groups)

    def close(self) -> None:
        """Close once the thread has written what it was handed; what still waits was promised to nobody."""
        self._thread.shutdown(wait=True)
        self._connection.close()

    def _write(self) -> None:
        """Hand all that waits to the thread; what comes meanwhile is the next group."""
        group, self._waiting = self._waiting, []
        self._writing = True
        crossings = [crossing for crossing, _ in group]
        written = asyncio.get_running_loop().run_in_executor(
            self._thread, _insert, self._connection, crossings
        )
        written.add_done_callback(lambda done: self._written(group, done))

    def _written(self, group: Sequence[_Write], done: asyncio.Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self.depth -= len(group)
        for _, kept in group:
            if kept.done():
                continue  # whoever asked has gone; the crossing is kept all the same
            if error is None:
                kept.set_result(None)
            else:
                kept.set_exception(Transient("spool", type(error).__name__))
        self._writing = bool(self._waiting)
        if not self._waiting:
            return
        if len(group) < SMALL:
            # Under load each hand-over and sync should carry more: two milliseconds are nothing to a gate.
            done.get_loop().call_later(LINGER_S, self._write)
        else:
            self._write()

    async def _do(self, job: Callable[[sqlite3.Connection, int], T], number: int) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, job, self._connection, number
            )
        except sqlite3.Error as error:
            raise Transient("spool", type(error).__name__) from error


def _insert(connection: sqlite3.Connection, crossings: Sequence[Spooled]) -> None:
    body = packed(crossings)
    connection.execute(
        "INSERT INTO crossings (count, sum, body) VALUES (?, ?, ?)", (len(crossings), zlib.crc32(body), body)
    )


def packed(crossings: Sequence[Spooled]) -> bytes:
    """Return the body of a row. JSON text has no control characters, so they can part its pieces."""
    rows = (_PIECE.join((each.id, each.key, str(each.at), each.actor, each.value)) for each in crossings)
    return _END.join(rows).encode()


def unpacked(body: bytes) -> tuple[Spooled, ...]:
    """Return the crossings in the body of a row."""
    rows = (row.split(_PIECE) for row in body.decode().split(_END))
    return tuple(Spooled(id_, key, int(at), actor, value) for id_, key, at, actor, value in rows)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        # The writing thread takes it over. Autocommit: each statement is its own transaction, and is synced.
        connection = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        _refuse_foreign(connection, path)
        connection.execute(_SCHEMA)
    except sqlite3.OperationalError as error:
        raise ConfigurationError("spool-not-usable", f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError("spool-damaged", f"{path}: {error}") from error
    return connection


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and mark != _APPLICATION_ID:
        raise ConfigurationError("spool-not-ours", str(path))
    connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")


def _checked(connection: sqlite3.Connection, path: Path) -> int:
    """Return how many crossings wait, having read every one of them; raises `ConfigurationError`."""
    try:
        said = connection.execute("PRAGMA quick_check").fetchone()[0]
        damaged = said != "ok"
        depth = 0
        for count, sum_, body in connection.execute("SELECT count, sum, body FROM crossings"):
            depth += count
            damaged = damaged or zlib.crc32(body) != sum_
    except (sqlite3.Error, TypeError) as error:
        raise ConfigurationError("spool-damaged", f"{path}: {error}") from error
    if damaged:
        raise ConfigurationError("spool-damaged", str(path))
    return depth


def _oldest(connection: sqlite3.Connection, most: int) -> list[Group]:
    groups: list[Group] = []
    found = 0
    for seq, count, body in connection.execute("SELECT seq, count, body FROM crossings ORDER BY seq"):
        if groups and found + count > most:
            break
        groups.append(Group(seq, unpacked(body)))
        found += count
    return groups


def _delete(connection: sqlite3.Connection, seq: int) -> None:
    # Not lost when it is lost: crossings that come back are sent again under the same ids.
    connection.execute("DELETE FROM crossings WHERE seq <= ?", (seq,))
