"""Merging answers is commutative, associative and idempotent: any order, any repetition, the same sheet."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.merging import merge_answer, merge_relay
from services.dispatch.domain.sheet import Sheet
from services.dispatch.domain.states import PROGRESS, State
from services.dispatch.domain.tally import count
from services.dispatch.store import SHEETS
from shared.contracts.directives import Mode
from shared.contracts.dispatch import Answer, Counts
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
    answer,
    at,
    cancelled,
    community,
    frozen,
    order,
    relay,
    roster,
    sheet,
)

POSTS = (AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Said = tuple[str, int, Answer]

answers = st.builds(
    lambda who, state, by, hours, minutes, reason: (
        answer(who, state, by=by, at=NOON + timedelta(hours=hours), reason=reason),
        hours * 60 + minutes,
    ),
    who=st.sampled_from((*POSTS, f"{DESK}/s:stranger", f"{DESK}/*")),
    state=st.sampled_from(("delivered", "read", "refused", "accepted", "relayed", "executed", "excused")),
    by=st.sampled_from((None, None, HEAD, GRID_CHIEF, AREA, CHIEF, FLOOR1)),
    hours=st.integers(0, 3),
    minutes=st.integers(0, 59),
    reason=st.sampled_from(("a", "b")),
)
histories = st.lists(answers, max_size=14).map(
    lambda said: [(f"answer-{number}", at(minutes / 60), body) for number, (body, minutes) in enumerate(said)]
)
modes = st.sampled_from(("relayed", "straight-through"))
vacancies = st.lists(st.sampled_from((GRID_CHIEF, HEAD, FLOOR1)), unique=True, max_size=2)


def merged(history: Sequence[Said], mode: Mode, vacant: Sequence[str]) -> tuple[Sheet, Frozen]:
    new, audience = sheet(order(mode=mode), roster(seats=community(vacant=vacant)))
    for id_, when, body in history:
        merge_answer(new, body, id_, when, audience)
    return new, audience


def stored(given_sheet: Sheet) -> dict[str, object]:
    body = SHEETS.encode(given_sheet)
    return {**body, "listed": sorted(body["listed"]), "early": sorted(body["early"], key=str)}


@given(history=histories, mode=modes, vacant=vacancies, seed=st.integers(0, 2**32))
@settings(PATIENT, max_examples=200)
@pytest.mark.req("F-03")
def test_any_order_with_any_repetition_gives_the_same_sheet(
    history: list[Said], mode: Mode, vacant: list[str], seed: int
) -> None:
    shuffled = [*history, *history[::2]]
    random.Random(seed).shuffle(shuffled)
    assert stored(merged(shuffled, mode, vacant)[0]) == stored(merged(history, mode, vacant)[0])


@given(history=histories, mode=modes, cut=st.integers(0, 14))
@settings(PATIENT, max_examples=100)
@pytest.mark.req("F-03")
def test_answers_before_the_relay_and_before_the_roster_count_as_those_after(
    history: list[Said], mode: Mode, cut: int
) -> None:
    history = [said for said in history if said[2].addressee != f"{DESK}/*"]
    expected = merged(history, mode, [])[0]
    audience = frozen()
    early, late = history[:cut], history[cut:]
    stub = Sheet(DIRECTIVE, DESK)
    for id_, when, body in early:
        merge_answer(stub, body, id_, when, None)
    merge_relay(stub, relay(order(mode=mode)), audience, NOON)
    for id_, when, body in late:
        merge_answer(stub, body, id_, when, audience)
    assert stored(stub) == stored(expected)


@given(history=histories, mode=modes, vacant=vacancies)
@settings(PATIENT, max_examples=200)
@pytest.mark.req("F-03")
def test_the_counts_are_those_of_a_count_by_hand(history: list[Said], mode: Mode, vacant: list[str]) -> None:
    held, audience = merged(history, mode, vacant)
    cells = count(held, audience)
    total = Counts.total_of(cells.values())
    entries = held.entries
    assert total.total == len(audience.seats)
    for state in PROGRESS:
        assert getattr(total, state.name.lower()) == sum(reached >= state for reached in entries.reached)
    for name in ("refused", "excused"):
        assert getattr(total, name) == sum(state == State[name.upper()] for state in entries.state)
    assert all(0 <= number <= total.total for _, number in total)
    for counts in cells.values():
        steps = [
            counts.total,
            counts.delivered,
            counts.read,
            counts.accepted,
            counts.relayed,
            counts.executed,
        ]
        assert steps == sorted(steps, reverse=True)
        assert all(0 <= number <= counts.total for _, number in counts)


@given(history=histories, mode=modes)
@settings(PATIENT, max_examples=100)
def test_more_answers_never_lower_what_was_reached(history: list[Said], mode: Mode) -> None:
    held, audience = sheet(order(mode=mode))
    before = Counts()
    for id_, when, body in history:
        merge_answer(held, body, id_, when, audience)
        after = Counts.total_of(count(held, audience).values())
        for state in PROGRESS:
            assert getattr(after, state.name.lower()) >= getattr(before, state.name.lower())
        before = after


@given(history=histories)
@settings(PATIENT, max_examples=50)
@pytest.mark.req("F-03")
def test_a_cancelled_order_starts_a_count_of_its_own(history: list[Said]) -> None:
    held, _ = merged(history, "relayed", [])
    audience = frozen(version=2, cancels=True)
    merge_relay(held, relay(cancelled(order())), audience, NOON)
    for id_, when, body in history:
        merge_answer(held, body, id_, when, audience)
    total = Counts.total_of(count(held, audience).values())
    assert (total.total, total.delivered, total.done, total.answered_for) == (5, 0, 0, 0)


@given(history=histories, mode=modes, vacant=vacancies)
@settings(PATIENT, max_examples=100)
def test_a_sheet_is_read_back_as_it_was_stored(history: list[Said], mode: Mode, vacant: list[str]) -> None:
    held, _ = merged(history, mode, vacant)
    assert SHEETS.decode(SHEETS.encode(held)) == held
