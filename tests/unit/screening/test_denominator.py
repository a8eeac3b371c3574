"""The frozen denominator: by part, unit and id; inside the scope by path; complete or not at all."""

import pytest

from services.screening.domain.denominator import NO_CARE_UNIT, PAGE_BYTES, facts, freeze
from services.screening.domain.merging import is_complete
from services.screening.store import DENOMINATORS
from shared.contracts.base import json_bytes
from tests.builders.screening import (
    DESK,
    GRID,
    GRID2,
    HOUSES,
    OTHER_HOUSES,
    STREET,
    charges,
    held,
    household,
    name_of,
    round_,
)


@pytest.mark.req("S4-08", "S2-11")
def test_every_household_of_the_desk_stands_in_its_care_unit_once() -> None:
    frozen = held().denominator
    assert [(part.part, len(part.households), len(part.persons)) for part in frozen.parts] == [
        (NO_CARE_UNIT, 1, 2),
        (GRID, 3, 6),
        (GRID2, 1, 2),
    ]
    assert [each.household for each in frozen.households] == [
        name_of(n) for n in ("h5", "h1", "h2", "h3", "h4")
    ]
    place = frozen.place(name_of("h3"))
    assert place is not None
    assert (place.part.part, place.row, place.first_person) == (GRID, 2, 4)
    assert frozen.place("household-nowhere") is None


@pytest.mark.req("S0-08", "S3-04", "S1-01")
def test_who_has_no_main_charge_is_counted_and_so_is_each_unit_where_somebody_has_none() -> None:
    part = held().denominator.part(GRID)
    assert part is not None
    assert (part.in_care, part.units, part.watched) == (2, 2, 1)


@pytest.mark.req("S4-08")
def test_a_scope_below_the_desk_takes_what_lies_within_it_by_path_and_not_by_prefix() -> None:
    moved = household("moved", f"{GRID2}.b9", within=(GRID, f"{GRID2}.b9"), care_unit=GRID)
    compound = household("gated", f"{GRID}.b7", within=(GRID, f"{DESK}.c1", f"{GRID}.b7"))
    everybody = (*HOUSES, *OTHER_HOUSES, moved, compound)

    def taken(unit: str) -> set[str]:
        return {each.household for each in freeze(round_(unit=unit), DESK, 1, everybody).households}

    assert taken(GRID) == {name_of(name) for name in ("h1", "h2", "h3", "moved", "gated")}
    assert taken(f"{DESK}.c1") == {name_of("h5"), name_of("gated")}
    assert taken(DESK) == {name_of(n) for n in ("h1", "h2", "h3", "h4", "h5", "moved", "gated")}
    assert taken(STREET) == taken(DESK)


@pytest.mark.req("S4-08", "F-12")
def test_nothing_is_frozen_before_the_households_are_as_many_as_the_charges_record_says() -> None:
    assert not is_complete(DESK, None, 0)
    assert not is_complete(DESK, charges(households=3), 2)
    assert not is_complete(DESK, charges(households=3), 4)
    assert is_complete(DESK, charges(households=3), 3)
    assert is_complete(STREET, None, 0)
    assert not is_complete(STREET, charges(STREET, 2), 0)


def test_a_care_unit_that_is_itself_a_desk_is_no_part() -> None:
    frozen = freeze(round_(), DESK, 1, [household("h9", care_unit=DESK)])
    assert [part.part for part in frozen.parts] == [NO_CARE_UNIT]


def test_a_denominator_is_read_back_as_it_was_stored_and_fits_a_document() -> None:
    many = [household(f"x{n}", f"{GRID}.b{n % 999 + 1}.d{n}") for n in range(5_000)]
    frozen = freeze(round_(), DESK, 7, many)
    body = DENOMINATORS.encode(frozen)
    assert DENOMINATORS.decode(body) == frozen
    assert len(body["parts"]) < 1_000_000


def test_the_facts_of_a_denominator_fit_a_message_each_and_hold_it_whole() -> None:
    many = [household(f"x{n}", f"{DESK}.c1.d{n}", care_unit=None) for n in range(5_000)]
    pages = list(facts(freeze(round_(), DESK, 7, [*many, *HOUSES])))
    assert {page.part for page in pages} == {DESK, GRID, GRID2}
    assert all(len(json_bytes(page)) <= PAGE_BYTES for page in pages)
    assert [(page.page, page.pages) for page in pages if page.part == DESK] == [
        (n, len(pages) - 2) for n in range(len(pages) - 2)
    ]
    assert sum(len(page.households) for page in pages) == 5_005
