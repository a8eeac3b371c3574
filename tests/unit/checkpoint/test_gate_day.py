"""A gate's day: every crossing once, by verdict, direction and what was missing; gates add up to an area."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.checkpoint.domain.gate_day import DayCounts, GateDay, counted, merge_crossing, total_of
from services.checkpoint.store import GATE_DAYS
from shared.contracts.checkpoint import Crossing
from tests.builders.checkpoint import GATE, crosser, crossing


def day(*crossings: tuple[str, Crossing]) -> GateDay:
    held = GateDay(GATE, "2026-03-02")
    for id_, each in crossings:
        merge_crossing(held, id_, each)
    return held


def counts(*crossings: Crossing) -> DayCounts:
    return counted(day(*((f"crossing-{n}", each) for n, each in enumerate(crossings))))


@pytest.mark.req("S2-06")
@pytest.mark.parametrize(
    ("person", "missing"),
    [
        ({}, (0, 0, 0)),
        ({"pass_id": None}, (1, 1, 0)),
        ({"temperature": None}, (1, 0, 1)),
        ({"pass_id": None, "temperature": None}, (1, 1, 1)),
    ],
)
def test_a_crossing_without_pass_or_temperature_is_incomplete(
    person: dict[str, Any], missing: tuple[int, int, int]
) -> None:
    found = counts(crossing(people=(crosser(**person),)))
    assert (found.incomplete, found.no_pass, found.no_temperature) == missing


@pytest.mark.req("S3-21")
def test_a_vehicle_counts_its_people_and_is_incomplete_without_a_driver() -> None:
    driver, rider = crosser(role="driver"), crosser(role="occupant", pass_id="pass-0002")
    whole = crossing("in", vehicle=True, people=(driver, rider))
    headless = crossing("in", vehicle=True, people=(rider,))
    found = counts(whole, headless)
    assert (found.vehicles, found.people_in, found.no_driver, found.incomplete) == (2, 3, 1, 1)


@pytest.mark.req("U-25")
def test_a_day_is_told_by_verdict_and_by_direction() -> None:
    found = counts(
        crossing("in"), crossing("out"), crossing("out"),
        crossing("in", verdict="refer", people=(crosser(verdict="refer"),)),
        crossing("out", verdict="deny", people=(crosser(), crosser(verdict="deny"))),
    )  # fmt: skip
    assert (found.crossings, found.allowed, found.referred, found.denied) == (5, 3, 1, 1)
    assert (found.people_in, found.people_out) == (1, 2)


@pytest.mark.req("U-25")
def test_an_area_is_the_sum_of_its_gates() -> None:
    total = total_of([counts(crossing("in")), counts(crossing("out"), crossing("in"))])
    assert (total.crossings, total.people_in, total.people_out) == (3, 2, 1)
    assert total_of([]) == DayCounts()


SEEN = st.tuples(
    st.integers(0, 6).map("crossing-{}".format),
    st.builds(crossing, st.sampled_from(["in", "out"]), verdict=st.sampled_from(["allow", "deny", "refer"])),
)


@pytest.mark.req("B-06", "U-25")
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seen=st.lists(SEEN, min_size=1, max_size=12))
def test_any_order_and_any_repetition_give_the_same_day(
    data: st.DataObject, seen: Sequence[tuple[str, Crossing]]
) -> None:
    repeated = [*seen, *data.draw(st.lists(st.sampled_from(seen), max_size=6))]
    shuffled = day(*data.draw(st.permutations(repeated)))
    assert shuffled == day(*seen)
    assert counted(shuffled).crossings == len({id_ for id_, _ in seen})
    assert GATE_DAYS.decode(GATE_DAYS.encode(shuffled)) == shuffled


def test_a_busy_gates_day_stays_small() -> None:
    held = day(*((f"crossing-{n}", crossing()) for n in range(20_000)))
    body = GATE_DAYS.encode(held)
    assert sum(len(value) for value in body.values()) < 200_000
    assert counted(held).people_out == 20_000
