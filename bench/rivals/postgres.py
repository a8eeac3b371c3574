"""Plain PostgreSQL: exact and durable with one server and a page of SQL, so the rival to be measured by.

An order is one delivery a post, inserted below the city by a recursive query, with a counter for every unit.
Answers come in batches of 2,000, one transaction each, fsync on: `deltas` adds what was new to the counters
of its units and all above; `recount` only stores answers and counts every unit afresh once, at the end.
One connection does it, and an outsider's connection reads every counter once the last batch is in.

What it leaves out: there is no log, so nobody else hears of an answer, nothing is replayed or rebuilt, and
answers wait in the client's memory as if they could not be lost. There is no chain of desks: no relay, no
desk that could be down, nobody is told (deliveries are rows that no channel reads), no authority, vacancy,
escalation, version or epoch, and no close. An answer is stored once and the first stands, whatever its state.
A unit has one count, not one a level. Under `recount` no unit has any count before the end. And all of it is
one writer on one database: a second would wait for the first at the city's row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

import psycopg

from bench.rivals import servers
from bench.rivals.figures import Standing, Task
from bench.rivals.postgres_client import DELTAS, ORDERED, RECOUNT
from bench.rivals.talk import ANSWERED, client

COUNTERS = (
    "SELECT unit.code, counter.done FROM counter JOIN unit ON unit.id = counter.unit WHERE directive = %s"
)


class Postgres:
    """A fresh server and database for every run."""

    def __init__(self, method: str) -> None:
        self._programs = servers.find_postgres()
        self._method = method
        self.name = f"postgres {method}"

    @classmethod
    def deltas(cls) -> "Postgres":
        """Return the arm that keeps counters batch by batch."""
        return cls(DELTAS)

    @classmethod
    def recount(cls) -> "Postgres":
        """Return the arm that counts once, at the end."""
        return cls(RECOUNT)

    def versions(self) -> dict[str, str]:
        """Return versions of server and library."""
        return {
            "postgres": f"{servers.version_of(self._programs / 'postgres')}, fsync on, "
            f"shared_buffers {servers.SHARED_BUFFERS}",
            "psycopg": version("psycopg"),
        }

    @contextmanager
    def standing(self, task: Task) -> Iterator[Standing]:
        """Start the server, load the city through the client, and connect as an outsider."""
        with servers.postgres(self._programs) as server:
            servers.until_up(server, lambda: _answers(server.address))
            with (
                client("postgres_client", server.address, self._method, *task.arguments) as worker,
                psycopg.connect(server.address, autocommit=True) as outsider,
            ):

                def counted(deadline: float) -> Mapping[str, int]:
                    worker.hear(ANSWERED, deadline)
                    return dict(outsider.execute(COUNTERS, (ORDERED,)).fetchall())

                yield Standing(worker, (worker.process,), server, counted)


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
