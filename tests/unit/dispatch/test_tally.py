"""The absolute count of one sheet, by the directive's dimensions."""

import pytest

from services.dispatch.domain.merging import merge_answer, merge_relay, tick
from services.dispatch.domain.sheet import Sheet
from services.dispatch.domain.tally import count, own_tally
from services.dispatch.store import FROZEN
from shared.contracts.directives import Extension, Order
from shared.contracts.dispatch import Counts
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    DIRECTIVE,
    FLOOR1,
    FLOOR2,
    GRID_CHIEF,
    HEAD,
    NOON,
    OTHER,
    STREET,
    answer,
    at,
    community,
    frozen,
    order,
    relay,
    roster,
    sheet,
)

STRAIGHT = order(mode="straight-through")


def total(cells: dict[str, Counts]) -> Counts:
    return Counts.total_of(cells.values())


@pytest.mark.req("F-03")
def test_counts_are_cumulative_and_the_rest_is_counted_apart() -> None:
    held, audience = sheet(STRAIGHT, roster(seats=community(vacant=[HEAD])))
    said = (
        (AREA, "relayed", None),
        (GRID_CHIEF, "accepted", None),
        (FLOOR1, "refused", None),
        (FLOOR2, "excused", HEAD),
    )
    for post, state, by in said:
        merge_answer(held, answer(post, state, by=by), f"answer-{post}", at(), audience)
    tick(held, at(1), at(1), audience)
    assert total(count(held, audience)) == Counts(
        total=5, delivered=3, read=3, accepted=2, relayed=1, executed=0, refused=1, excused=1,
        answered_for=1, done=2, overdue=3, vacant=1, unreached=1,
    )  # fmt: skip


def test_what_was_overdue_and_is_done_after_all_is_overdue_no_more() -> None:
    held, audience = sheet(STRAIGHT)
    tick(held, at(1), at(1), audience)
    assert total(count(held, audience)).overdue == 5
    merge_answer(held, answer(AREA, "relayed"), "answer-1", at(2), audience)
    assert total(count(held, audience)).overdue == 4


@pytest.mark.parametrize(
    ("dimensions", "cells"),
    [
        (("level",), {"s:1": 1, "s:3": 1, "s:4": 1, "s:5": 2}),
        (("type",), {"s:area": 1, "s:floor": 2, "s:grid": 1, "s:head": 1}),
        (("type", "level"), {"s:area|s:1": 1, "s:floor|s:5": 2, "s:grid|s:3": 1, "s:head|s:4": 1}),
        ((), {"": 5}),
    ],
)
@pytest.mark.req("S4-02")
def test_it_is_counted_by_the_dimensions_of_the_order(
    dimensions: tuple[str, ...], cells: dict[str, int]
) -> None:
    by_cell = count(*sheet(order(dimensions=dimensions)))
    assert {cell: counts.total for cell, counts in by_cell.items()} == cells


@pytest.mark.req("S3-24")
def test_one_person_in_two_posts_is_counted_twice_as_posts() -> None:
    by_person = roster(seats=community(holders={HEAD: "wang", GRID_CHIEF: "wang"}))
    assert total(count(*sheet(STRAIGHT, by_person))).total == 5


def test_an_unfilled_desk_counts_one_that_is_not_reached() -> None:
    held = Sheet(DIRECTIVE, DESK)
    merge_relay(held, relay(), None, NOON)
    assert count(held, None) == {"": Counts(total=1, unreached=1)}


def test_a_stub_reports_nothing() -> None:
    assert own_tally(Sheet(DIRECTIVE, DESK), None, 1) is None


def test_a_tally_says_what_a_sheet_is_at_and_whom_it_expects() -> None:
    held, audience = sheet()
    extended: Order = order(changes=1, extensions=(Extension(desk=DESK, child=OTHER),))
    merge_relay(held, relay(extended), None, NOON)
    said = own_tally(held, audience, 4)
    assert said is not None
    assert (said.desk, said.to, said.covers, said.parent) == (DESK, DESK, "own", STREET)
    assert (said.version, said.changes, said.v, said.status) == (1, 1, 4, "open")
    assert said.children == (OTHER,)
    assert said.issuer == CHIEF
    assert said.due == extended.due_at


@pytest.mark.parametrize("cancels", [True, False])
def test_an_audience_is_read_back_as_it_was_stored(*, cancels: bool) -> None:
    stored = frozen(community(vacant=[HEAD, FLOOR2]), cancels=cancels, dimensions=("level", "type"))
    assert FROZEN.decode(FROZEN.encode(stored)) == stored
