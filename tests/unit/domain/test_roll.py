"""Counts on their way up, as dispatch and screening both keep them: added once, and the newest only."""

from typing import Any

import pytest

from shared.contracts.counting import AbsoluteTally, Counted
from shared.domain.roll import Roll, merge_tally, summed, tick
from tests.builders.dispatch import DESK, HOUR, NOON, OTHER, STREET, at


class Doors(Counted):
    """Counts of nobody's: the roll does not know whose it adds."""

    knocked: int = 0
    opened: int = 0


class Tally(AbsoluteTally[Doors]):
    """A tally of doors."""


def own(**other: Any) -> Tally:
    fields = {"desk": STREET, "to": STREET, "covers": "own", "v": 1, "children": (DESK, OTHER)}
    return Tally(**{**fields, "due": NOON + HOUR, **other})


def below(desk: str, **other: Any) -> Tally:
    cells = {"": Doors(knocked=3, opened=2)}
    fields = {"desk": desk, "to": STREET, "covers": "subtree", "v": 1, "cells": cells}
    return Tally(**{**fields, "due": NOON + HOUR, **other})


def rolled(*tallies: Tally) -> Roll[Tally]:
    roll: Roll[Tally] = Roll("subject", STREET)
    for each in tallies:
        merge_tally(roll, each)
    return roll


@pytest.mark.req("F-03")
def test_counts_are_added_by_cell_and_desks_as_each_tally_says() -> None:
    part = own(cells={"": Doors(knocked=1), "day": Doors(opened=5)}, desks=0)
    found = summed(rolled(part, below(DESK), below(OTHER, desks=4, missing=1)), Doors)
    assert found is not None
    assert found.cells == {"": Doors(knocked=7, opened=4), "day": Doors(opened=5)}
    assert (found.total, found.own) == (Doors(knocked=7, opened=9), Doors(knocked=1, opened=5))
    assert (found.desks, found.missing, found.changes) == (5, 1, 0)


def test_without_anything_counted_all_are_noughts() -> None:
    found = summed(rolled(own(children=())), Doors)
    assert found is not None
    assert (found.total, found.cells, found.desks) == (Doors(), {}, 1)


def test_without_the_own_tally_there_is_no_sum() -> None:
    roll = rolled(below(DESK), below(OTHER))
    assert summed(roll, Doors) is None
    assert (roll.current(), roll.unreported()) == ({}, ())


def test_a_child_ahead_hides_the_sum_and_one_behind_is_missing() -> None:
    assert summed(rolled(own(), below(DESK, version=2)), Doors) is None
    roll = rolled(own(version=2), below(DESK), below(OTHER, version=2))
    assert roll.unreported() == (DESK,)


def test_an_older_tally_changes_nothing() -> None:
    roll = rolled(own(v=2), below(DESK, v=5), own(v=1, due=NOON), below(DESK, v=4, cells={}))
    assert (roll.own, roll.below[DESK]) == (own(v=2), below(DESK, v=5))
    assert roll.next_due == at(1)


def test_a_new_child_has_a_due_of_its_own() -> None:
    roll = rolled(own(children=(DESK,)), below(DESK))
    tick(roll, at(1))
    assert (roll.next_due, roll.overdue) == (None, False)
    merge_tally(roll, own(v=2))
    assert roll.next_due == at(1)
    tick(roll, at(1))
    assert roll.overdue
