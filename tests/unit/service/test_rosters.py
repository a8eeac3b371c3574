"""The copies of the rosters: kept at their newest, and who holds a post remembered for a second only."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from shared.contracts.registry import Roster
from shared.runtime.problems import Problem
from shared.service.rosters import ROSTERS, Callers, Holders, Rosters
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    GRID,
    GRID_CHIEF,
    NOON,
    OTHER,
    STREET,
    community,
    handle,
    roster,
    street_roster,
)


class Clock:
    """A clock that is set."""

    at = NOON

    def now(self) -> datetime:
        return self.at


class Copies:
    """Roster copies that count how often they are asked; it imitates nothing else of a database."""

    def __init__(self) -> None:
        self.asked = 0
        self.current = {AREA: "person-1"}

    async def holders(self, desk: str) -> dict[str, str]:
        assert desk == DESK
        self.asked += 1
        return dict(self.current)


async def test_an_appointment_that_ended_counts_for_a_second_at_most() -> None:
    clock, copies = Clock(), Copies()
    holders, rosters = Holders(clock), cast("Rosters", cast("Any", copies))
    assert await holders.of(DESK, rosters) == {AREA: "person-1"}
    copies.current = {}
    clock.at = NOON + timedelta(milliseconds=999)
    assert (await holders.of(DESK, rosters), copies.asked) == ({AREA: "person-1"}, 1)
    clock.at = NOON + timedelta(seconds=1)
    assert (await holders.of(DESK, rosters), copies.asked) == ({}, 2)


async def test_a_clock_set_back_does_not_keep_an_old_answer() -> None:
    clock, copies = Clock(), Copies()
    holders, rosters = Holders(clock), cast("Rosters", cast("Any", copies))
    await holders.of(DESK, rosters)
    clock.at = NOON - timedelta(hours=1)
    await holders.of(DESK, rosters)
    assert copies.asked == 2


async def test_only_some_desks_are_remembered() -> None:
    class Desks:
        """Says that nobody holds anything, and counts who asked."""

        asked = 0

        async def holders(self, desk: str) -> dict[str, str]:
            del desk
            self.asked += 1
            return {}

    holders, desks = Holders(Clock()), Desks()
    for number in range(Holders.MOST + 1):
        await holders.of(f"desk-{number}", cast("Rosters", cast("Any", desks)))
    await holders.of("desk-0", cast("Rosters", cast("Any", desks)))
    assert desks.asked == Holders.MOST + 2


class Database:
    """The two reads of `shared.mongo.client.Database` that rosters use; it knows no other query."""

    def __init__(self, *rosters: Roster) -> None:
        self.stored = {each.desk: {"_id": each.desk, **ROSTERS.encode(each)} for each in rosters}
        self.read: list[str] = []

    async def one(self, collection: str, id_: str) -> Mapping[str, Any] | None:
        assert collection == ROSTERS.name
        self.read.append(id_)
        return self.stored.get(id_)

    async def find(self, collection: str, where: Mapping[str, Any], **_: Any) -> list[Mapping[str, Any]]:
        assert collection == ROSTERS.name
        if "holders" in where:
            return [body for body in self.stored.values() if where["holders"] in body["holders"]]
        wanted = where["_id"]
        ids = wanted["$in"] if isinstance(wanted, dict) else [wanted]
        return [self.stored[id_] for id_ in ids if id_ in self.stored]


def callers(*rosters: Roster, database: Database | None = None) -> Callers:
    known = Rosters(cast("Any", database or Database(*rosters)))
    clock = Clock()
    return Callers(rosters=lambda: known, holders=Holders(clock), verifier=cast("Any", None), clock=clock)


async def test_a_copy_is_read_as_it_was_kept() -> None:
    known = callers(roster(v=3), street_roster()).rosters()
    assert await known.roster(DESK) == roster(v=3)
    assert await known.roster(OTHER) is None
    assert await known.versions([DESK, OTHER, STREET]) == {DESK: 3, STREET: 1}
    assert await known.versions([]) == {}


async def test_a_vacant_post_has_no_holder() -> None:
    known = callers(roster(seats=community(vacant=[AREA]))).rosters()
    holders = await known.holders(DESK)
    assert AREA not in holders
    assert holders[GRID_CHIEF] == handle(GRID_CHIEF)
    assert await known.holders(OTHER) == {}


async def test_a_person_is_known_by_every_post_they_hold() -> None:
    twice = roster(seats=community(holders={GRID_CHIEF: handle(AREA)}))
    known = callers(twice, street_roster()).rosters()
    held = await known.posts_of(handle(AREA))
    assert [(each.post, each.desk) for each in held] == [(AREA, DESK), (GRID_CHIEF, DESK)]
    assert held[0].path[-1] == STREET
    assert await known.posts_of("p-nobody") == []


@pytest.mark.parametrize(
    ("person", "post", "code"),
    [
        (handle(AREA), AREA, None),
        (handle(AREA), GRID_CHIEF, "forbidden"),
        ("p-nobody", AREA, "forbidden"),
        (handle(AREA), f"{OTHER}/s:area", "forbidden"),
        (handle(AREA), "no post", "invalid-body"),
    ],
)
async def test_only_its_holder_speaks_for_a_post(person: str, post: str, code: str | None) -> None:
    refused = None
    try:
        await callers(roster()).refuse_outsider(person, post)
    except Problem as problem:
        refused = problem.code
    assert refused == code


@pytest.mark.parametrize(
    ("person", "issuer", "scope", "code"),
    [
        ("boss", CHIEF, GRID, None),
        (handle(GRID_CHIEF), GRID_CHIEF, DESK, "forbidden"),
        ("p-nobody", CHIEF, GRID, "forbidden"),
        ("boss", CHIEF, "no unit", "invalid-body"),
    ],
)
async def test_nobody_acts_beyond_the_own_scope(
    person: str, issuer: str, scope: str, code: str | None
) -> None:
    refused = None
    try:
        await callers(roster(), street_roster()).refuse_beyond_authority(person, issuer, scope)
    except Problem as problem:
        refused = problem.code
    assert refused == code


@pytest.mark.parametrize(
    ("person", "issuer", "scope", "read"),
    [(handle(AREA), AREA, GRID, [DESK]), ("boss", CHIEF, GRID, [STREET, DESK])],
)
async def test_a_desks_roster_is_read_once_a_request(
    person: str, issuer: str, scope: str, read: list[str]
) -> None:
    database = Database(roster(), street_roster())
    known = callers(database=database)
    await known.refuse_beyond_authority(person, issuer, scope)
    assert database.read == read
    # The next request reads again: authority ends with the appointment.
    await known.refuse_beyond_authority(person, issuer, scope)
    assert database.read == [*read, *read]


async def test_a_desk_is_seen_from_itself_from_above_and_from_below() -> None:
    known = callers(roster(), street_roster(), roster(OTHER, seats=()))
    above = ("61", "6108", "610802", STREET)
    assert await known.sees(handle(AREA), DESK, above)
    assert await known.sees("boss", DESK, above)
    assert await known.sees(handle(AREA), STREET, above[:-1])
    assert not await known.sees(handle(AREA), OTHER, above)
    assert not await known.sees("p-nobody", DESK, above)
