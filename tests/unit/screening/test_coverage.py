"""Coverage of a desk with all below it: absolute sums, missing desks, and when nothing changes any more."""

import pytest

from services.screening.domain.coverage import upward, view
from shared.contracts.screening import CoverageCounts, CoverageTally
from shared.domain.roll import Roll, merge_tally, tick
from shared.kernel.clock import utc_ms
from tests.builders.screening import DESK, GRID, HOUR, NOON, OTHER, ROUND, STREET


def tally(desk: str, to: str = STREET, **other: object) -> CoverageTally:
    fields: dict[str, object] = {
        "round": ROUND,
        "desk": desk,
        "to": to,
        "covers": "own" if desk == to else "subtree",
        "v": 1,
        "due": NOON + HOUR,
        "cells": {"": CoverageCounts(households=10, covered=4)},
    }
    return CoverageTally.model_validate({**fields, **other})


def roll(*tallies: CoverageTally) -> Roll[CoverageTally]:
    new: Roll[CoverageTally] = Roll(ROUND, STREET)
    for each in tallies:
        merge_tally(new, each)
    return new


OWN = tally(STREET, cells={}, children=(DESK, OTHER))


@pytest.mark.req("S3-04", "F-12")
def test_coverage_is_the_sum_of_what_was_reported_and_names_who_has_not() -> None:
    shown = view(roll(OWN, tally(DESK)), 5)
    assert shown is not None
    assert (shown.total.households, shown.total.covered, shown.desks, shown.missing) == (10, 4, 2, 1)
    assert (shown.unreported, shown.closed) == ((OTHER,), False)


def test_what_is_older_changes_nothing_and_before_its_own_tally_a_desk_shows_nothing() -> None:
    newer = tally(DESK, v=3, cells={"": CoverageCounts(households=10, covered=9)})
    shown = view(roll(newer, tally(DESK), OWN), 5)
    assert shown is not None
    assert shown.total.covered == 9
    assert view(roll(newer), 5) is None


@pytest.mark.req("F-12")
def test_it_is_closed_once_every_desk_and_part_says_so() -> None:
    done = [tally(each, status="closed") for each in (DESK, OTHER)]
    own = tally(STREET, v=2, cells={}, children=(DESK, OTHER), status="closed")
    for tallies, closed in (
        ([own, *done], True),
        ([own, done[0], tally(OTHER)], False),
        ([own, done[0]], False),
        ([OWN, *done], False),
        ([own, done[0], tally(OTHER, status="closed", missing=1)], False),
    ):
        shown = view(roll(*tallies), 1)
        assert shown is not None
        assert shown.closed is closed


def test_a_care_unit_is_counted_and_is_neither_a_desk_nor_a_child_to_walk_down_to() -> None:
    part = tally(GRID, desks=0)
    shown = view(roll(tally(STREET, children=(GRID, DESK)), part, tally(DESK)), 1)
    assert shown is not None
    assert (shown.children, shown.desks, shown.total.households) == ((DESK,), 2, 30)


def test_a_desk_reports_upward_unless_it_is_the_scope_itself() -> None:
    below = roll(tally(STREET, parent="610802", children=(DESK,)), tally(DESK, missing=2))
    shown = view(below, 7)
    assert shown is not None
    sent = upward(below, shown)
    assert sent is not None
    assert (sent.to, sent.covers, sent.v, sent.desks, sent.missing) == ("610802", "subtree", 7, 2, 2)
    top = roll(OWN)
    shown = view(top, 1)
    assert shown is not None
    assert upward(top, shown) is None


def test_who_is_missing_at_the_due_time_is_overdue() -> None:
    late = roll(OWN, tally(DESK))
    tick(late, utc_ms(OWN.due))
    shown = view(late, 2)
    assert shown is not None
    assert shown.unreported_overdue
