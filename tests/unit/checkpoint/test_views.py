"""What the gate knows by heart: the newest of each fact, in little memory."""

import tracemalloc
from datetime import UTC, datetime
from itertools import permutations

import pytest

from services.checkpoint.views import Views
from shared.contracts.checkpoint import Emergency, Team
from shared.contracts.registry import Roster, Seat
from shared.contracts.teams import TeamMember
from tests.builders.gate import (
    AREA,
    CHARGE,
    DESK,
    DUTY,
    GATE,
    HOUSE,
    NOW,
    OTHER_AREA,
    OTHER_GATE,
    OTHER_HOUSE,
    gate_fact,
    household,
    pass_fact,
    record,
)  # fmt: skip

RESIDENTS = 57_125
MOST_MB = 100
STREET, OTHER_STREET = DESK[:9], "610802007"
GRID, ZONE = f"{DESK}001", f"{DESK}.z1"


def applied(*facts: object) -> Views:
    views = Views()
    for fact in facts:
        views.apply(record(fact))  # type: ignore[arg-type]
    return views


def roster(v: int, holder: str | None) -> Roster:
    seat = Seat(post=DUTY, level="cw5:4", verb="leads", done_at="read", holder=holder, unit=DESK)
    return Roster(desk=DESK, v=v, on=datetime.now(UTC).date(), seats=(seat,))


def test_the_newest_fact_wins_in_any_order() -> None:
    passes = [pass_fact(v=1), pass_fact(v=2, status="revoked"), pass_fact(v=3, status="revoked")]
    homes = [household(v=1), household(v=2, charges={"main": DUTY})]
    for order in permutations([*passes, *homes]):
        views = applied(*order)
        assert views.passes["pass-0001"].status == "revoked"
        assert views.homes[HOUSE].charge == DUTY


@pytest.mark.req("U-25")
def test_a_moved_exit_is_known_whichever_of_the_two_facts_comes_first() -> None:
    closed = gate_fact(GATE, v=2, open=False)
    opened = gate_fact(OTHER_GATE, v=2)
    for order in permutations([closed, opened]):
        assert applied(gate_fact(GATE), *order).open_gate(AREA) == OTHER_GATE
    assert applied(gate_fact(GATE), closed).open_gate(AREA) is None
    assert applied(gate_fact(GATE, purpose="turn-back")).open_gate(AREA) is None


def test_a_gate_is_manned_by_its_team_and_by_whoever_holds_its_duty_post_now() -> None:
    team = Team(name="s:t", members=(TeamMember(person="p-team", role="guard"),))
    views = applied(gate_fact(team=team), roster(2, "p-duty"))
    gate = views.gates[GATE]
    assert [views.mans(person, gate) for person in ("p-team", "p-duty", "p-else")] == [True, True, False]
    views.apply(record(roster(3, "p-new")))
    views.apply(record(roster(1, "p-duty")))
    assert [views.mans(person, gate) for person in ("p-duty", "p-new")] == [False, True]
    views.apply(record(roster(4, None)))
    assert not views.mans("p-new", gate)


def test_inside_is_asked_of_paths_never_of_codes() -> None:
    moved = household(
        "household-9", OTHER_AREA, unit=f"{OTHER_AREA}.b9.d1", within=(AREA, f"{OTHER_AREA}.b9.d1")
    )
    views = applied(household(), moved)
    assert views.lives_in(HOUSE, (AREA,)) is True
    assert views.lives_in(HOUSE, (DESK,)) is True
    assert views.lives_in(HOUSE, (OTHER_AREA,)) is False
    assert views.lives_in("household-9", (AREA,)) is True
    assert views.lives_in("household-0", (AREA,)) is None
    assert views.place_in(f"{AREA}.b1", (AREA,)) is True
    assert views.place_in(f"{AREA}.b1", (OTHER_AREA,)) is False
    assert views.place_in(f"{AREA}.b7", (AREA,)) is None


@pytest.mark.req("S4-15")
def test_an_overlay_stands_behind_the_units_it_covers_and_holds_them_all_the_same() -> None:
    unit = f"{AREA}.b1.d101"
    views = applied(household(within=(GRID, AREA, f"{AREA}.b1", ZONE, unit), unit=unit))
    assert [views.place_in(place, (ZONE,)) for place in (GRID, AREA, f"{AREA}.b1", unit)] == [True] * 4
    assert views.place_in(OTHER_AREA, (ZONE,)) is None
    # Who lives at the gate's own small area may say no more than the compound around it.
    assert views.place_in(AREA, (unit,)) is True
    views.apply(record(household(OTHER_HOUSE, OTHER_AREA)))
    assert views.place_in(OTHER_AREA, (ZONE,)) is False


@pytest.mark.req("S4-15")
def test_what_lies_above_a_community_is_known_by_its_roster_and_else_unknown() -> None:
    views = applied(household(), household("household-9", v=2))
    places = (AREA, f"{AREA}.b7", DESK)
    assert [views.lives_in(HOUSE, (street,)) for street in (STREET, OTHER_STREET)] == [None, None]
    assert [views.place_in(place, (STREET,)) for place in places] == [None, None, None]
    views.apply(record(roster(1, None).model_copy(update={"path": (STREET[:6], STREET)})))
    assert [views.lives_in(HOUSE, (street,)) for street in (STREET, OTHER_STREET)] == [True, False]
    assert [views.place_in(place, (STREET,)) for place in places] == [True, True, True]
    assert [views.place_in(place, (OTHER_STREET,)) for place in places] == [False, False, False]
    # A whole street claimed at the gate of a community in it may be true; another one is not.
    assert [views.place_in(street, (AREA,)) for street in (STREET, OTHER_STREET)] == [None, False]


def test_an_emergency_is_kept_by_its_end() -> None:
    emergency = Emergency(kind="fire", reason="fire", since=NOW, until=NOW)
    assert applied(gate_fact(emergency=emergency)).gates[GATE].emergency_until_ms == int(
        NOW.timestamp() * 1000
    )


@pytest.mark.req("B-02")
def test_a_street_office_fits_in_little_memory() -> None:
    homes = [
        household(
            f"household-{number:020d}",
            charges={"main": f"{CHARGE}/{number % 300 + 1}"},
            unit=unit,
            within=within,
        )
        for number in range(RESIDENTS // 60)
        for unit in [f"{AREA}.b{number % 40 + 1}.d{number % 9_000 + 1}"]
        for within in [(AREA, f"{AREA}.b{number % 40 + 1}", unit)]
    ]
    passes = [
        pass_fact(f"pass-{number:022d}", household=homes[number % len(homes)].household)
        for number in range(RESIDENTS // 25)
    ]
    tracemalloc.start()
    try:
        views = applied(*homes, *passes)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # A twenty-fifth of a street's passes and of its households of 2.4: all of it is linear.
    assert (len(views.homes), len(views.passes)) == (len(homes), len(passes))
    assert used * 25 / 1e6 < MOST_MB
