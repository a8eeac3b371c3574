"""Who works for the PostgreSQL arms: takes answers as bytes, in batches, each one transaction.

`deltas` adds what a batch brought to the counters of its units and all above them. `recount` stores answers
only and counts everything afresh at the end. Both are idempotent by the primary key of an answer.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg

from bench.dispatch.world import CITY, World, build
from bench.rivals.talk import ANSWER, ANSWERED, DELIVERED, ORDER, READY, stay, tell, told
from shared.contracts.dispatch import Answer

DELTAS: Final = "deltas"
RECOUNT: Final = "recount"
BATCH: Final = 2_000
ORDERED: Final = 1
"""The row of the one directive: answers name it in full, tables by number."""

TABLES: Final = """
CREATE TABLE directive (id int PRIMARY KEY, code text NOT NULL UNIQUE);
CREATE TABLE unit (id int PRIMARY KEY, code text NOT NULL UNIQUE, parent int REFERENCES unit);
CREATE TABLE above (unit int, ancestor int, PRIMARY KEY (unit, ancestor));
CREATE TABLE post (id int PRIMARY KEY, code text NOT NULL UNIQUE, unit int NOT NULL);
CREATE TABLE delivery (directive int, post int, unit int NOT NULL, PRIMARY KEY (directive, post));
CREATE TABLE answer (
    directive int, post int, state text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (directive, post)
);
CREATE TABLE counter (
    directive int, unit int, total int NOT NULL, done int NOT NULL, PRIMARY KEY (directive, unit)
);
"""
FAN_OUT: Final = """
WITH RECURSIVE scope AS (
    SELECT id FROM unit WHERE code = %(city)s
    UNION ALL
    SELECT unit.id FROM unit JOIN scope ON unit.parent = scope.id
)
INSERT INTO delivery SELECT %(directive)s, post.id, post.unit FROM post JOIN scope ON post.unit = scope.id
"""
SEED: Final = """
INSERT INTO counter
SELECT %(directive)s, above.ancestor, sum(own.posts), 0
FROM (SELECT unit, count(*) AS posts FROM delivery WHERE directive = %(directive)s GROUP BY unit) AS own
JOIN above ON above.unit = own.unit
GROUP BY above.ancestor
"""
INSERT: Final = """
INSERT INTO answer
SELECT directive.id, post.id, given.state, given.at
FROM unnest(%(directives)s::text[], %(posts)s::text[], %(states)s::text[], %(ats)s::timestamptz[])
    AS given (directive, post, state, at)
JOIN directive ON directive.code = given.directive
JOIN post ON post.code = given.post
ON CONFLICT DO NOTHING
"""
ADD: Final = f"""
WITH fresh AS ({INSERT} RETURNING directive, post),
own AS (
    SELECT fresh.directive, post.unit, count(*) AS answers
    FROM fresh JOIN post ON post.id = fresh.post
    GROUP BY fresh.directive, post.unit
),
risen AS (
    SELECT own.directive, above.ancestor, sum(own.answers) AS answers
    FROM own JOIN above ON above.unit = own.unit
    GROUP BY own.directive, above.ancestor
)
UPDATE counter SET done = done + risen.answers
FROM risen WHERE counter.directive = risen.directive AND counter.unit = risen.ancestor
"""
COUNT: Final = """
UPDATE counter SET done = risen.answers
FROM (
    SELECT above.ancestor, sum(own.answers) AS answers
    FROM (
        SELECT post.unit, count(*) AS answers
        FROM answer JOIN post ON post.id = answer.post
        WHERE answer.directive = %(directive)s
        GROUP BY post.unit
    ) AS own
    JOIN above ON above.unit = own.unit
    GROUP BY above.ancestor
) AS risen
WHERE counter.directive = %(directive)s AND counter.unit = risen.ancestor
"""


def load(connection: psycopg.Connection[Any], world: World, directive: str) -> None:
    """Load the city as registry would have said it, leave nothing of it to be done later, and plan by it."""
    numbers = {roster.desk: number for number, roster in enumerate(world.rosters)}
    with connection.transaction():
        connection.execute(TABLES)
        connection.execute("INSERT INTO directive VALUES (%s, %s)", (ORDERED, directive))
        parents = [
            (numbers[roster.desk], roster.desk, numbers[roster.path[-1]] if roster.path else None)
            for roster in world.rosters
        ]
        _copy(connection, "unit", parents)
        above = (
            (numbers[roster.desk], numbers[unit])
            for roster in world.rosters
            for unit in (*roster.path, roster.desk)
        )
        _copy(connection, "above", above)
        posts = (
            (number, post, numbers[desk]) for number, (post, desk) in enumerate(world.addressees.items())
        )
        _copy(connection, "post", posts)
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")


def fan_out(connection: psycopg.Connection[Any]) -> None:
    """Deliver to every post below the city, and put every counter at none of so many."""
    with connection.transaction():
        connection.execute(FAN_OUT, {"city": CITY, "directive": ORDERED})
        connection.execute(SEED, {"directive": ORDERED})


def take(connection: psycopg.Connection[Any], method: str, bodies: Sequence[bytes]) -> None:
    """Take every answer, a batch a transaction; afterwards every counter is right."""
    statement = ADD if method == DELTAS else INSERT
    for batch in _batches(bodies):
        answers = [Answer.model_validate_json(body) for body in batch]
        connection.execute(
            statement,
            {
                "directives": [answer.directive for answer in answers],
                "posts": [answer.addressee for answer in answers],
                "states": [answer.state for answer in answers],
                "ats": [answer.at for answer in answers],
            },
        )
    if method == RECOUNT:
        connection.execute(COUNT, {"directive": ORDERED})


def _batches(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(bodies), BATCH):
        yield bodies[first : first + BATCH]


def _copy(connection: psycopg.Connection[Any], table: str, rows: Any) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copying:
        for row in rows:
            copying.write_row(row)


def main(address: str, method: str, posts: str, directive: str, seed: str) -> None:
    """Load, deliver and take answers, each when told to."""
    world = build(int(posts))
    bodies = [message.value or b"" for message in world.answers(directive, int(seed))]
    with psycopg.connect(address, autocommit=True) as connection:
        load(connection, world, directive)
        tell(READY)
        told(ORDER)
        fan_out(connection)
        tell(DELIVERED)
        told(ANSWER)
        take(connection, method, bodies)
        tell(ANSWERED)
        stay()


if __name__ == "__main__":
    main(*sys.argv[1:])
