"""Absolute counts of a part and of a desk, and by name every hole and every door to knock at again."""

from datetime import timedelta

import pytest

from services.screening.domain.denominator import NO_CARE_UNIT
from services.screening.domain.merging import merge_visit
from services.screening.domain.sheet import Head
from services.screening.domain.tally import holes, own_tally, part_tally, person_holes, reports, revisits
from services.screening.store import HEADS, SHEETS
from shared.kernel.clock import utc_ms
from tests.builders.screening import (
    DAY,
    DESK,
    FLOOR,
    GRID,
    GRID2,
    NOON,
    OTHER,
    ROUND,
    TODAY,
    Held,
    held,
    name_of,
    round_,
    seen,
    visit,
)

SLOTS = ("2026-01-01", "2026-01-02")
DAYS = (TODAY, TODAY + DAY)


def visited(board: Held, **found: str) -> Held:
    for minutes, (name, outcome) in enumerate(found.items()):
        at = NOON + timedelta(minutes=minutes)
        merge_visit(board.head, visit(name, outcome, at=at), board.ground, id_=f"visit-{name}", at=utc_ms(at))
    return board


@pytest.mark.req("S2-11", "F-12")
def test_every_household_and_every_person_on_every_day_is_covered_or_named() -> None:
    board = visited(held(round_(days=DAYS)), h1="screened", h2="vacant", h3="nobody-home")
    sheet = board.sheets[GRID]
    assert [(hole.household, hole.slot, hole.found) for hole in holes(sheet, board.denominator, SLOTS)] == [
        (name_of("h3"), SLOTS[0], "nobody-home"),
        (name_of("h1"), SLOTS[1], None),
        (name_of("h2"), SLOTS[1], None),
        (name_of("h3"), SLOTS[1], None),
    ]
    named = [(hole.person, hole.slot) for hole in person_holes(sheet, board.denominator, SLOTS)]
    assert named[:2] == [("p-h3-a", SLOTS[0]), ("p-h3-b", SLOTS[0])]
    part, terms = board.denominator.part(GRID), board.head.terms
    assert part is not None
    assert terms is not None
    cells = part_tally(board.head, terms, sheet, part, 1).cells
    for slot in SLOTS:
        cell = cells[slot]
        open_ = sum(hole.slot == slot for hole in holes(sheet, board.denominator, SLOTS))
        unknown = sum(each == slot for _, each in named)
        assert cell.covered + open_ == cell.households == 3
        assert cell.persons_covered + unknown == cell.persons == 6


@pytest.mark.req("S0-08", "S1-01")
def test_a_hole_names_who_answers_for_it() -> None:
    named = {hole.household: hole.charge for hole in holes(held().sheets[GRID], held().denominator, ("",))}
    assert named == {name_of("h1"): FLOOR, name_of("h2"): FLOOR, name_of("h3"): None}


@pytest.mark.req("S4-08")
def test_the_oldest_attempt_is_revisited_first_and_whoever_was_never_tried_is_no_revisit() -> None:
    board = visited(held(), h3="refused", h1="nobody-home", h2="screened")
    queue = revisits(board.sheets[GRID], board.denominator, ("",))
    assert [(hole.household, hole.found) for hole in queue] == [
        (name_of("h3"), "refused"),
        (name_of("h1"), "nobody-home"),
    ]


@pytest.mark.req("S2-11")
def test_a_member_who_was_not_asked_is_a_hole_in_a_covered_household() -> None:
    board = held()
    only_one = visit("h1", members=(seen("h1"),))
    merge_visit(board.head, only_one, board.ground, id_="visit-0001", at=utc_ms(NOON))
    names = [hole.person for hole in person_holes(board.sheets[GRID], board.denominator, ("",))]
    assert "p-h1-b" in names
    assert "p-h1-a" not in names
    assert name_of("h1") not in {
        hole.household for hole in holes(board.sheets[GRID], board.denominator, ("",))
    }


@pytest.mark.req("S3-04")
def test_a_desk_reports_itself_with_its_parts_and_children_and_what_lies_in_no_care_unit() -> None:
    board = visited(held(), h5="screened")
    head, terms, part = board.head, board.head.terms, board.denominator.part(NO_CARE_UNIT)
    assert terms is not None
    assert part is not None
    head.children, head.sender = (OTHER,), "610802006"
    tally = own_tally(head, terms, own=(board.sheets[NO_CARE_UNIT], part), v=9)
    assert (tally.desk, tally.to, tally.covers, tally.desks, tally.parent) == (
        DESK,
        DESK,
        "own",
        1,
        "610802006",
    )
    assert tally.children == (GRID, GRID2, OTHER)
    assert (tally.cells[""].households, tally.cells[""].covered, tally.v) == (1, 1, 9)


def test_a_desk_that_waits_says_nothing_and_one_closed_meanwhile_says_so() -> None:
    waiting = Head(ROUND, DESK, terms=round_(), children=())
    assert not reports(waiting)
    assert not reports(Head(ROUND, DESK, terms=round_(status="closed")))
    assert reports(Head(ROUND, DESK, terms=round_(status="closed"), children=()))


def test_a_head_and_a_sheet_are_read_back_as_they_were_stored() -> None:
    board = visited(held(round_(days=DAYS)), h1="screened", h3="refused", nobody="screened")
    assert HEADS.decode(HEADS.encode(board.head)) == board.head
    assert SHEETS.decode(SHEETS.encode(board.sheets[GRID])) == board.sheets[GRID]
