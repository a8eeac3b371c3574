"""What one visit or reading does: it counts, waits, stands apart or is listed; it is never lost."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from services.screening.domain.merging import merge_opening, merge_reading, merge_visit
from services.screening.domain.sheet import LISTED_MOST, Head, Outcome, Seen, heat, unpacked
from services.screening.domain.tally import count, own_tally, part_tally
from shared.contracts.screening import Opening, PersonSeen, Visit
from shared.kernel.clock import utc_ms
from tests.builders.screening import (
    DAY,
    DESK,
    GRID,
    GRID2,
    HOUR,
    NOON,
    ROUND,
    STREET,
    TODAY,
    Held,
    closed,
    held,
    household,
    name_of,
    reading,
    round_,
    seen,
    visit,
)

NOW = utc_ms(NOON)
DAYS = (TODAY, TODAY + DAY)


def said(board: Held, *visits: Visit, at: int = NOW) -> Held:
    for number, each in enumerate(visits):
        merge_visit(board.head, each, board.ground, id_=f"visit-{number:04}", at=at)
    return board


def outcome(board: Held, name: str, part: str = GRID, slot: int = 0) -> Outcome:
    place = board.denominator.place(name_of(name))
    assert place is not None
    return Outcome(board.sheets[part].found[slot * len(place.part.households) + place.row])


def whys(board: Held) -> list[str]:
    return [listed.why for listed in board.head.listed]


LATTICE = ["nobody-home", "refused", "vacant", "moved-away", "screened"]


@pytest.mark.parametrize("order", [LATTICE, LATTICE[::-1], LATTICE[2:] + LATTICE[:2]])
@pytest.mark.req("S4-08")
def test_two_visits_at_one_door_are_one_household_and_the_better_outcome_holds(order: Sequence[str]) -> None:
    board = said(held(), *(visit("h1", found) for found in order), visit("h2", "refused"))
    assert outcome(board, "h1") == Outcome.SCREENED
    part = board.denominator.part(GRID)
    assert part is not None
    counts = count(board.sheets[GRID], part, ("",))[""]
    assert (counts.households, counts.covered, counts.screened, counts.refused) == (3, 1, 1, 1)


@pytest.mark.req("U-12", "S3-14")
def test_one_visit_brings_all_members_each_with_source_and_date() -> None:
    board = said(held(), visit("h1", means="phone"))
    sheet = board.sheets[GRID]
    assert [unpacked(time) for time in sheet.confirmed[:3]] == [(NOW, "phone"), (NOW, "phone"), None]
    assert list(sheet.heat[:3]) == [heat(36.5), heat(36.5), 0]
    assert unpacked(sheet.last[0]) == (NOW, "phone")


@pytest.mark.req("U-11")
def test_a_no_is_stored_as_no_and_a_blank_covers_nobody() -> None:
    members = (seen("h1", answers={"symptoms": False, "contact": True}), PersonSeen(person="p-h1-b"))
    board = said(held(), visit("h1", members=members))
    assert board.sheets[GRID].seen[0] == Seen.NO["symptoms"] | Seen.YES["contact"] | Seen.MEASURED
    assert board.sheets[GRID].seen[1] == 0
    part = board.denominator.part(GRID)
    assert part is not None
    assert count(board.sheets[GRID], part, ("",))[""].persons_covered == 1


@pytest.mark.parametrize("found", ["vacant", "moved-away"])
@pytest.mark.req("S2-11")
def test_nobody_is_missed_where_nobody_lives_and_no_count_falls_when_somebody_does(found: str) -> None:
    board = said(held(), visit("h1", found))
    part = board.denominator.part(GRID)
    assert part is not None
    before = count(board.sheets[GRID], part, ("",))[""]
    said(board, visit("h1", members=()))
    after = count(board.sheets[GRID], part, ("",))[""]
    assert (before.covered, before.persons_covered) == (after.covered, after.persons_covered) == (1, 2)


@pytest.mark.req("S4-08")
def test_who_came_after_the_freeze_stands_apart() -> None:
    board = held()
    new = household("new")
    board.copies[new.household] = new
    said(board, visit("new", "nobody-home"), visit("new"), visit("new", "vacant"))
    terms = board.head.terms
    assert terms is not None
    own = own_tally(board.head, terms, own=None, v=1).cells[""]
    assert (own.later, own.later_covered, own.households, own.covered) == (1, 1, 0, 0)
    assert whys(board) == []


@pytest.mark.req("S4-08")
def test_a_household_of_nowhere_of_elsewhere_or_outside_the_scope_is_listed_as_a_stranger() -> None:
    board = held(round_(unit=GRID))
    elsewhere, outside = household("o1", f"{STREET}004001.b1"), household("h4", f"{GRID2}.b1")
    board.copies |= {each.household: each for each in (elsewhere, outside)}
    said(board, visit("nobody"), visit("o1"), visit("h4"))
    assert whys(board) == ["stranger"] * 3
    assert board.head.later == {}


@pytest.mark.req("F-12", "S4-08")
def test_a_visit_after_the_close_is_kept_and_listed_and_counts_nothing() -> None:
    board = said(held(), visit("h1"))
    merge_opening(board.head, Opening(round=closed(round_()), to=DESK))
    before = bytes(board.sheets[GRID].found), bytes(board.sheets[GRID].seen)
    said(board, visit("h2"), visit("h2"), at=NOW + 1)
    assert [(each.why, each.household) for each in board.head.listed] == [
        ("late", name_of("h2")),
        ("late", name_of("h2")),
    ]
    assert (bytes(board.sheets[GRID].found), bytes(board.sheets[GRID].seen)) == before


@pytest.mark.req("M-07")
def test_a_visit_from_tomorrow_has_not_happened_and_one_from_an_hour_ahead_is_believed_up_to_now() -> None:
    board = said(held(), visit("h1", at=NOON + DAY), visit("h2", at=NOON + HOUR))
    assert whys(board) == ["future"]
    assert outcome(board, "h1") == Outcome.OPEN
    assert unpacked(board.sheets[GRID].last[1]) == (NOW, "door")


@pytest.mark.req("M-07", "S2-11")
def test_a_visit_belongs_to_the_city_day_and_one_outside_the_window_is_listed() -> None:
    board = held(round_(days=DAYS))
    before_midnight, after_midnight = NOON + timedelta(hours=11.9), NOON + timedelta(hours=12.1)
    later = utc_ms(NOON + 3 * DAY)
    said(
        board,
        visit("h1", at=before_midnight),
        visit("h2", at=after_midnight),
        visit("h3", at=NOON - DAY),
        at=later,
    )
    assert [outcome(board, name) for name in ("h1", "h2")] == [Outcome.SCREENED, Outcome.OPEN]
    assert [outcome(board, name, slot=1) for name in ("h1", "h2")] == [Outcome.OPEN, Outcome.SCREENED]
    assert whys(board) == ["outside-window"]
    terms, part = board.head.terms, board.denominator.part(GRID)
    assert terms is not None
    assert part is not None
    cells = part_tally(board.head, terms, board.sheets[GRID], part, 1).cells
    assert {day: cell.persons_covered for day, cell in cells.items()} == {"2026-01-01": 2, "2026-01-02": 2}


def test_visits_before_the_opening_wait_for_it_and_of_too_many_the_earliest_are_listed() -> None:
    stub = Head(ROUND, DESK)
    merge_visit(stub, visit("h1"), held().ground, id_="visit-0000", at=NOW)
    merge_visit(stub, visit("h1"), held().ground, id_="visit-0000", at=NOW)
    assert (stub.status, len(stub.early)) == ("stub", 1)
    merge_opening(stub, Opening(round=closed(round_()), to=DESK))
    assert (stub.early, [each.why for each in stub.listed]) == ({}, ["late"])
    for number in range(LISTED_MOST + 10):
        at = NOON - timedelta(minutes=number)
        merge_visit(stub, visit("h1", at=at), held().ground, id_=f"visit-{number + 1:04}", at=NOW)
    assert len(stub.listed) == LISTED_MOST
    assert stub.listed[0].at == NOW - (LISTED_MOST + 9) * 60_000


@pytest.mark.req("S2-14", "S2-11")
def test_a_reading_covers_a_member_on_its_day_and_no_household() -> None:
    board = held(round_(days=DAYS))
    assert merge_reading(board.head, reading("h1"), board.ground, id_="reading-1", at=NOW) == GRID
    part = board.denominator.part(GRID)
    assert part is not None
    cells = count(board.sheets[GRID], part, ("2026-01-01", "2026-01-02"))
    assert [(cell.persons_covered, cell.covered) for cell in cells.values()] == [(1, 0), (0, 0)]


@pytest.mark.parametrize(
    "other",
    [
        {"person": "pseudonym-of-a-pass"},
        {"household": "household-nobody"},
        {"at": NOON - DAY},
        {"at": NOON + DAY},
    ],
)
def test_a_reading_of_no_member_or_of_another_day_covers_nobody(other: dict[str, str]) -> None:
    board = held(round_(days=DAYS))
    assert merge_reading(board.head, reading("h1", **other), board.ground, id_="reading-1", at=NOW) is None
    assert not any(board.sheets[GRID].seen)


def test_a_reading_leaves_a_round_without_days_and_a_closed_one_alone() -> None:
    for given in (round_(), closed(round_(days=DAYS))):
        board = held()
        board.head.terms = given
        assert merge_reading(board.head, reading("h1"), board.ground, id_="reading-1", at=NOW) is None
        assert not any(board.sheets[GRID].seen)
