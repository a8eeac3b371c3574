"""Two versions of an order and the answers to both end in one sheet, in whatever order they arrive.

The audience is the same in both versions, and nobody is addressed less by the second: what a version that
never arrived would have frozen or released cannot be known.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.dispatch.domain.frozen import Frozen, freeze
from services.dispatch.domain.merging import merge_answer, merge_relay
from services.dispatch.domain.sheet import Sheet
from services.dispatch.domain.tally import count
from services.dispatch.store import SHEETS
from shared.contracts.directives import Mode, Order
from shared.contracts.dispatch import Answer, Counts
from shared.contracts.registry import ChildDesk
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
    amended,
    answer,
    at,
    cancelled,
    community,
    order,
    relay,
    roster,
)

POSTS = (AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Change = Literal["plain", "again", "cancel"]
Said = tuple[str, int, Answer]
Event = Order | Said

answers = st.builds(
    lambda who, state, by, version, minutes: (answer(who, state, by=by, version=version), minutes),
    who=st.sampled_from((*POSTS, f"{DESK}/s:stranger")),
    state=st.sampled_from(("delivered", "read", "refused", "accepted", "relayed", "executed", "excused")),
    by=st.sampled_from((None, None, HEAD, GRID_CHIEF, AREA, CHIEF, FLOOR1)),
    version=st.integers(1, 2),
    minutes=st.integers(0, 59),
)
histories = st.lists(answers, max_size=12)
vacancies = st.lists(st.sampled_from((GRID_CHIEF, HEAD, FLOOR1)), unique=True, max_size=2)
modes = st.sampled_from(
    (("relayed", "relayed"), ("relayed", "straight-through"), ("straight-through", "straight-through"))
)


@dataclass(slots=True)
class Desk:
    """A sheet, and the audience it holds."""

    vacant: Sequence[str]
    sheet: Sheet
    frozen: Frozen | None = None

    def take(self, event: Event) -> None:
        """Merge a relay or an answer as the handler does."""
        if not isinstance(event, Order):
            id_, when, body = event
            merge_answer(self.sheet, body, id_, when, self.frozen)
            return
        children = (ChildDesk(desk=OTHER, commander=HEAD),)
        here = roster(seats=community(vacant=self.vacant), children=children)
        audience = freeze(event, here, self.frozen)
        if merge_relay(self.sheet, relay(event), audience, NOON, self.frozen):
            self.frozen = audience

    def stored(self, *, listed: bool) -> dict[str, object]:
        """Return the document, without what may differ: the order of lists, and who was listed meanwhile."""
        body = SHEETS.encode(self.sheet)
        return {
            **body,
            "early": sorted(body["early"], key=str),
            "listed": sorted(body["listed"]) if listed else None,
        }

    def total(self) -> Counts:
        return Counts.total_of(count(self.sheet, self.frozen).values())


def after(events: Sequence[Event], vacant: Sequence[str]) -> Desk:
    desk = Desk(vacant, Sheet(DIRECTIVE, DESK))
    for event in events:
        desk.take(event)
    return desk


def versions(change: Change, mode: tuple[Mode, Mode]) -> tuple[Order, Order]:
    first = order(mode=mode[0])
    if change == "cancel":
        return first, cancelled(first)
    return first, amended(first, again=change == "again", mode=mode[1])


def said(history: Sequence[tuple[Answer, int]], change: Change) -> list[Event]:
    """Give answers ids and times; one to the second version names its epoch."""
    return [
        (
            f"answer-{number}",
            at(minutes / 60),
            body.model_copy(update={"epoch": int(change == "again" and body.version == 2)}),
        )
        for number, (body, minutes) in enumerate(history)
    ]


@pytest.mark.parametrize("change", ["plain", "again", "cancel"])
@given(history=histories, mode=modes, vacant=vacancies, seed=st.integers(0, 2**32))
@settings(PATIENT, max_examples=60)
@pytest.mark.req("F-03")
def test_any_order_of_relays_and_answers_ends_in_the_same_sheet(
    change: Change, history: list[tuple[Answer, int]], mode: tuple[Mode, Mode], vacant: list[str], seed: int
) -> None:
    events: list[Event] = [*versions(change, mode), *said(history, change)]
    shuffled = [*events, *events[::2]]
    random.Random(seed).shuffle(shuffled)
    # What an epoch or an order that is over had counted before is not listed; what comes after it is.
    plain = change == "plain"
    assert after(shuffled, vacant).stored(listed=plain) == after(events, vacant).stored(listed=plain)


@given(history=histories, mode=modes, vacant=vacancies)
@settings(PATIENT, max_examples=60)
@pytest.mark.req("F-03")
def test_a_plain_amendment_by_itself_changes_no_count(
    history: list[tuple[Answer, int]], mode: tuple[Mode, Mode], vacant: list[str]
) -> None:
    first, second = versions("plain", mode)
    to_the_first = [(body.model_copy(update={"version": 1}), minutes) for body, minutes in history]
    desk = after([first, *said(to_the_first, "plain")], vacant)
    before = desk.total()
    desk.take(second)
    assert desk.total() == before


@pytest.mark.parametrize("change", ["again", "cancel"])
@given(history=histories, mode=modes, vacant=vacancies, seed=st.integers(0, 2**32))
@settings(PATIENT, max_examples=30)
@pytest.mark.req("F-03")
def test_what_begins_anew_counts_the_answers_to_itself_and_no_others(
    change: Change, history: list[tuple[Answer, int]], mode: tuple[Mode, Mode], vacant: list[str], seed: int
) -> None:
    first, second = versions(change, mode)
    answered = said(history, change)
    everything: list[Event] = [first, second, *answered]
    random.Random(seed).shuffle(everything)
    own = [each for each in answered if not isinstance(each, Order) and each[2].version == 2]
    assert after(everything, vacant).total() == after([second, *own], vacant).total()
