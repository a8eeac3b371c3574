"""Progress: the own tally plus the newest of each expected child, exact, and silent without the own one."""

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.dispatch.domain.progress import closable, upward, view
from services.dispatch.store import ROLLS
from shared.contracts.dispatch import Counts, Progress, Tally
from shared.domain.roll import Roll, merge_tally, tick
from tests.builders.dispatch import DESK, DIRECTIVE, HOUR, NOON, OTHER, STREET, at, tally

THIRD = f"{STREET}005"
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CHILDREN = (DESK, OTHER, THIRD)


def own(**other: object) -> Tally:
    fields = {"children": (DESK, OTHER), "cells": {"s:1": Counts(total=1, done=1)}}
    return tally(STREET, **{**fields, **other})


def below(desk: str, **other: object) -> Tally:
    fields = {"to": STREET, "covers": "subtree", "cells": {"s:5": Counts(total=2, done=2)}}
    return tally(desk, **{**fields, **other})


def rolled(tallies: Iterable[Tally]) -> Roll[Tally]:
    roll: Roll[Tally] = Roll(DIRECTIVE, STREET)
    for each in tallies:
        merge_tally(roll, each)
    return roll


def shown(*tallies: Tally) -> Progress:
    progress = view(rolled(tallies), 7)
    assert progress is not None
    return progress


class TestSum:
    def test_without_the_own_tally_nothing_is_shown_or_sent_up(self) -> None:
        roll = rolled([below(DESK), below(OTHER)])
        assert view(roll, 1) is None
        assert upward(roll, shown(own())) is None

    @pytest.mark.req("F-03", "S4-02")
    def test_it_is_the_exact_sum_by_cell(self) -> None:
        progress = shown(
            own(), below(DESK), below(OTHER, cells={"s:1": Counts(total=1), "s:5": Counts(total=3)})
        )
        assert progress.cells == {"s:1": Counts(total=2, done=1), "s:5": Counts(total=5, done=2)}
        assert progress.total == Counts(total=7, done=3)
        assert progress.own == Counts(total=1, done=1)
        assert (progress.desks, progress.missing, progress.v) == (3, 0, 7)

    def test_desks_that_have_not_reported_are_named(self) -> None:
        progress = shown(own(), below(DESK))
        assert progress.unreported == (OTHER,)
        assert (progress.missing, progress.desks) == (1, 2)
        assert not progress.all_reported

    def test_what_is_missing_further_down_is_missing_here(self) -> None:
        progress = shown(own(), below(DESK, desks=4, missing=3), below(OTHER))
        assert (progress.missing, progress.desks) == (3, 6)
        assert not progress.all_reported

    @pytest.mark.req("F-03", "S3-03")
    def test_a_child_at_an_earlier_version_is_added_and_unreported(self) -> None:
        progress = shown(
            own(version=2), below(DESK, version=1, desks=4, missing=1, changes=0), below(OTHER, version=2)
        )
        assert progress.cells["s:5"] == Counts(total=4, done=4)
        assert progress.unreported == (DESK,)
        assert (progress.desks, progress.missing, progress.all_reported) == (2, 1, False)
        assert not closable(progress)

    @pytest.mark.parametrize("anew", [{"epoch": 1}, {"effect": "cancel"}])
    @pytest.mark.req("F-03")
    def test_an_earlier_version_of_another_epoch_or_effect_is_not_added(self, anew: dict[str, Any]) -> None:
        progress = shown(own(version=2, **anew), below(DESK, version=1), below(OTHER, version=2, **anew))
        assert progress.unreported == (DESK,)
        assert progress.cells["s:5"] == Counts(total=2, done=2)

    @pytest.mark.req("F-03", "S3-03")
    def test_while_an_amendment_travels_no_count_falls(self) -> None:
        roll = rolled([own(), below(DESK), below(OTHER)])
        before = view(roll, 1)
        assert before is not None
        assert before.all_reported
        for v, newer in enumerate((own(version=2), below(DESK, version=2), below(OTHER, version=2)), 2):
            merge_tally(roll, newer)
            after = view(roll, v)
            assert after is not None
            assert after.total == before.total
            assert after.all_reported is (v == 4)

    def test_while_a_child_is_a_version_ahead_nothing_is_shown(self) -> None:
        roll = rolled([own(), below(DESK), below(OTHER, version=2)])
        assert view(roll, 1) is None
        merge_tally(roll, own(version=2))
        progress = view(roll, 2)
        assert progress is not None
        assert progress.unreported == (DESK,)

    def test_a_desk_nobody_expects_is_not_added(self) -> None:
        assert shown(own(), below(DESK), below(OTHER), below(THIRD)).total == Counts(total=5, done=5)

    @pytest.mark.req("F-03", "S3-03")
    def test_all_reported_is_not_complete(self) -> None:
        everything = (below(DESK), below(OTHER))
        reported = shown(own(), *everything)
        assert (reported.all_reported, reported.complete) == (True, False)
        assert closable(reported)
        closed = shown(own(status="closed"), *everything)
        assert closed.complete
        assert not closable(closed)

    @pytest.mark.parametrize(
        "open_", [own(cells={"s:1": Counts(total=1)}), own(children=CHILDREN), own(parent="610802")]
    )
    @pytest.mark.req("S3-03")
    def test_only_a_whole_loop_at_the_issuing_desk_may_close(self, open_: Tally) -> None:
        assert not closable(shown(open_, below(DESK), below(OTHER)))

    def test_the_changes_are_the_fewest_that_anybody_has_merged(self) -> None:
        assert shown(own(changes=2), below(DESK, changes=1), below(OTHER, changes=2)).changes == 1


class TestUpward:
    def test_it_goes_to_the_desk_above_with_everything_below(self) -> None:
        roll = rolled(
            [own(parent="610802", children=CHILDREN), below(DESK, desks=4, missing=2), below(OTHER)]
        )
        progress = view(roll, 9)
        assert progress is not None
        sent = upward(roll, progress)
        assert sent is not None
        assert (sent.to, sent.desk, sent.covers, sent.v) == ("610802", STREET, "subtree", 9)
        assert (sent.desks, sent.missing) == (6, 3)
        assert sent.cells == progress.cells
        assert sent.children == ()

    def test_the_issuing_desk_has_nothing_above(self) -> None:
        roll = rolled([own()])
        assert upward(roll, shown(own())) is None


class TestTick:
    def test_at_its_due_missing_children_are_overdue(self) -> None:
        roll = rolled([own(), below(DESK)])
        assert roll.next_due == at(1)
        tick(roll, at(1) - 1)
        assert not roll.overdue
        tick(roll, at(1))
        progress = view(roll, 1)
        assert progress is not None
        assert progress.unreported_overdue
        assert roll.next_due is None

    def test_when_they_report_after_all_nothing_is_overdue(self) -> None:
        roll = rolled([own(), below(DESK)])
        tick(roll, at(1))
        merge_tally(roll, below(OTHER))
        progress = view(roll, 1)
        assert progress is not None
        assert not progress.unreported_overdue

    def test_nobody_missing_is_nobody_overdue(self) -> None:
        roll = rolled([own(), below(DESK), below(OTHER)])
        tick(roll, at(1))
        assert not roll.overdue

    def test_a_new_version_has_a_new_due(self) -> None:
        roll = rolled([own()])
        tick(roll, at(1))
        merge_tally(roll, own(version=2, due=NOON + 3 * HOUR))
        assert (roll.next_due, roll.overdue) == (at(3), False)


reports = st.lists(
    st.builds(
        lambda desk, version, generation, v: (desk, version, generation, v),
        desk=st.sampled_from((STREET, *CHILDREN)),
        version=st.integers(1, 2),
        generation=st.integers(0, 1),
        v=st.integers(1, 4),
    ),
    max_size=20,
    unique=True,
)


def made(desk: str, version: int, generation: int, v: int) -> Tally:
    """One sheet version has one content: the count is made of what names it."""
    number = version * 100 + generation * 10 + v
    rank = {"version": version, "generation": generation, "v": v}
    counts = {"s:1": Counts(total=number)}
    return (
        own(**rank, cells=counts, children=CHILDREN) if desk == STREET else below(desk, **rank, cells=counts)
    )


@given(said=reports, seed=st.integers(0, 2**32))
@settings(PATIENT, max_examples=200)
@pytest.mark.req("F-03")
def test_any_order_of_tallies_with_any_repetition_gives_the_same_progress(
    said: list[tuple[str, int, int, int]], seed: int
) -> None:
    tallies = [made(*each) for each in said]
    shuffled = [*tallies, *tallies[::2]]
    random.Random(seed).shuffle(shuffled)
    first, second = rolled(tallies), rolled(shuffled)
    assert view(first, 1) == view(second, 1)
    assert (first.own, first.below) == (second.own, second.below)


@given(said=reports)
@settings(PATIENT, max_examples=200)
@pytest.mark.req("F-03")
def test_progress_is_the_sum_of_the_newest_by_brute_force(said: list[tuple[str, int, int, int]]) -> None:
    progress = view(rolled(made(*each) for each in said), 1)
    newest = {desk: max(each[1:] for each in said if each[0] == desk) for desk in {each[0] for each in said}}
    version = newest[STREET][0] if STREET in newest else 0
    if any(rank[0] > version for rank in newest.values()) or not version:
        assert progress is None, "a child is a version ahead: the own tally of that version is on its way"
        return
    current = {desk for desk, rank in newest.items() if rank[0] == version}
    assert progress is not None
    assert progress.total.total == sum(v * 100 + g * 10 + n for v, g, n in newest.values())
    assert set(progress.unreported) == set(CHILDREN) - current
    assert progress.all_reported is False


@given(said=reports)
@settings(PATIENT, max_examples=50)
def test_a_roll_is_read_back_as_it_was_stored(said: list[tuple[str, int, int, int]]) -> None:
    roll = rolled(made(*each) for each in said)
    assert ROLLS.decode(ROLLS.encode(roll)) == roll
