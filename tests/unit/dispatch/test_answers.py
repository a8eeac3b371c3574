"""Answers: what counts, what waits, and what is listed and never counted."""

from datetime import timedelta

import pytest

from services.dispatch.domain import merging as rules
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.merging import EARLY_MOST, merge_answer, merge_relay
from services.dispatch.domain.sheet import LISTED_MOST, Flag, Sheet
from services.dispatch.domain.states import State, is_done, reached_by, releases
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


def say(
    given: tuple[Sheet, Frozen], who: str, state: str, id_: str = "answer-1", when: float = 0, **more: object
) -> None:
    merge_answer(given[0], answer(who, state, **more), id_, at(when), given[1])


def state_of(given: tuple[Sheet, Frozen], who: str) -> State:
    return State(given[0].entries.state[given[1].index[who]])


def is_open(given: tuple[Sheet, Frozen], who: str) -> bool:
    return given[1].index[who] in rules.open_positions(*given)


@pytest.fixture
def held() -> tuple[Sheet, Frozen]:
    return sheet()


class TestStates:
    @pytest.mark.req("F-03")
    def test_the_order_is_total_and_fixed(self) -> None:
        assert [state.name.lower() for state in sorted(State)] == [
            "addressed", "delivered", "read", "refused", "accepted", "relayed", "executed", "excused",
        ]  # fmt: skip

    @pytest.mark.parametrize("reached", list(State))
    @pytest.mark.parametrize("done_at", [State.READ, State.RELAYED, State.EXECUTED])
    def test_refused_is_never_done_and_excused_always_is(self, reached: State, done_at: State) -> None:
        assert not is_done(State.REFUSED, reached, done_at)
        assert is_done(State.EXCUSED, reached, done_at)

    def test_who_refuses_has_read_and_who_is_excused_has_said_nothing(self) -> None:
        assert reached_by(State.REFUSED) is State.READ
        assert reached_by(State.EXCUSED) is State.ADDRESSED
        assert reached_by(State.EXECUTED) is State.EXECUTED

    def test_the_order_passes_on_once_relayed_executed_excused_or_answered_for(self) -> None:
        passing = [state for state in State if releases(state, answered_for=False)]
        assert passing == [State.RELAYED, State.EXECUTED, State.EXCUSED]
        assert all(releases(state, answered_for=True) for state in State)


class TestDone:
    @pytest.mark.parametrize(
        ("who", "state", "done"),
        [
            (AREA, "accepted", False),
            (AREA, "relayed", True),
            (HEAD, "relayed", True),
            (HEAD, "executed", True),
            (FLOOR1, "relayed", False),
            (FLOOR1, "executed", True),
        ],
    )
    @pytest.mark.req("S0-12")
    def test_a_post_is_done_at_the_state_of_its_verb(
        self, held: tuple[Sheet, Frozen], who: str, state: str, *, done: bool
    ) -> None:
        say(held, who, state)
        assert is_open(held, who) is not done

    @pytest.mark.req("F-03")
    def test_a_refusal_leaves_the_entry_open_until_a_superior_decides(
        self, held: tuple[Sheet, Frozen]
    ) -> None:
        say(held, HEAD, "refused")
        assert is_open(held, HEAD)
        say(held, HEAD, "excused", "answer-2", by=GRID_CHIEF)
        assert not is_open(held, HEAD)

    @pytest.mark.req("U-22")
    def test_one_answer_does_not_close_the_others(self, held: tuple[Sheet, Frozen]) -> None:
        say(held, FLOOR1, "executed")
        assert not is_open(held, FLOOR1)
        assert is_open(held, FLOOR2)


class TestTimes:
    def test_each_state_keeps_its_first_time(self, held: tuple[Sheet, Frozen]) -> None:
        for id_, when in (("b", 2), ("a", 1), ("c", 3)):
            say(held, AREA, "read", f"answer-{id_}", when=5, at=NOON + timedelta(hours=when))
        say(held, AREA, "relayed", "answer-d", when=5, at=NOON + timedelta(hours=4))
        position = held[1].index[AREA]
        assert held[0].entries.first_at(position, State.READ) == at(1)
        assert held[0].entries.first_at(position, State.RELAYED) == at(4)
        assert held[0].entries.first_at(position, State.EXECUTED) is None

    def test_a_claimed_time_is_believed_up_to_the_brokers(self, held: tuple[Sheet, Frozen]) -> None:
        say(held, AREA, "read", when=1, at=NOON + timedelta(days=30))
        assert held[0].entries.first_at(held[1].index[AREA], State.READ) == at(1)

    def test_of_two_reasons_the_earlier_and_then_the_smaller_id_stays(
        self, held: tuple[Sheet, Frozen]
    ) -> None:
        for id_, when in (("b", 0), ("a", 0), ("0", 1)):
            say(held, AREA, "refused", f"answer-{id_}", 9, at=NOON + timedelta(hours=when), reason=id_)
        (note,) = held[0].entries.notes.values()
        assert (note.id, note.reason) == ("answer-a", "a")


class TestDecidingForOthers:
    @pytest.mark.parametrize("by", [HEAD, GRID_CHIEF, AREA, CHIEF])
    @pytest.mark.req("F-03")
    def test_every_superior_here_and_the_issuer_may(self, held: tuple[Sheet, Frozen], by: str) -> None:
        say(held, FLOOR1, "excused", by=by)
        assert state_of(held, FLOOR1) is State.EXCUSED
        assert held[0].entries.flags[held[1].index[FLOOR1]] & Flag.ANSWERED_FOR

    @pytest.mark.parametrize("by", [FLOOR1, FLOOR2, f"{DESK}/s:nobody", "610802/s:mayor"])
    def test_nobody_else_may(self, held: tuple[Sheet, Frozen], by: str) -> None:
        say(held, FLOOR1, "executed", by=by)
        assert state_of(held, FLOOR1) is State.ADDRESSED
        assert [listed.why for listed in held[0].listed] == ["not-entitled"]

    def test_nobody_excuses_himself(self, held: tuple[Sheet, Frozen]) -> None:
        say(held, FLOOR1, "excused")
        assert state_of(held, FLOOR1) is State.ADDRESSED
        assert [listed.why for listed in held[0].listed] == ["not-entitled"]

    def test_a_subordinate_does_not_decide_for_his_superior(self, held: tuple[Sheet, Frozen]) -> None:
        say(held, GRID_CHIEF, "relayed", by=FLOOR1)
        assert state_of(held, GRID_CHIEF) is State.ADDRESSED

    def test_the_superior_of_a_vacant_post_answers_for_it(self) -> None:
        held = sheet(by=roster(seats=community(vacant=[HEAD])))
        assert is_open(held, HEAD)
        say(held, HEAD, "relayed", by=GRID_CHIEF)
        assert not is_open(held, HEAD)


class TestListed:
    def test_a_stranger_is_listed_and_not_counted(self, held: tuple[Sheet, Frozen]) -> None:
        before = bytes(held[0].entries.state)
        say(held, f"{DESK}/s:stranger", "executed")
        assert bytes(held[0].entries.state) == before
        assert [listed.why for listed in held[0].listed] == ["stranger"]

    def test_an_answer_after_the_close_is_late(self, held: tuple[Sheet, Frozen]) -> None:
        merge_relay(held[0], relay(order(status="closed")), None, NOON)
        say(held, AREA, "relayed")
        assert state_of(held, AREA) is State.ADDRESSED
        assert [listed.why for listed in held[0].listed] == ["late"]

    def test_an_answer_to_the_cancelled_version_is_late(self) -> None:
        held = sheet(cancelled(order()))
        say(held, AREA, "relayed", version=1)
        assert state_of(held, AREA) is State.ADDRESSED
        assert [listed.why for listed in held[0].listed] == ["late"]

    def test_an_answer_of_an_earlier_epoch_is_superseded(self) -> None:
        held = sheet(order(epoch=1))
        say(held, AREA, "relayed", epoch=0)
        assert state_of(held, AREA) is State.ADDRESSED
        assert [listed.why for listed in held[0].listed] == ["superseded"]

    def test_each_is_listed_once(self, held: tuple[Sheet, Frozen]) -> None:
        for id_ in ("answer-1", "answer-2", "answer-1"):
            say(held, f"{DESK}/s:stranger", "read", id_)
        assert [listed.id for listed in held[0].listed] == ["answer-1", "answer-2"]

    @pytest.mark.req("U-20")
    def test_the_list_is_bounded(self, held: tuple[Sheet, Frozen]) -> None:
        for number in range(LISTED_MOST + 50):
            say(held, f"{DESK}/s:stranger", "read", f"answer-{number}")
        assert len(held[0].listed) == LISTED_MOST


class TestEarly:
    def test_an_answer_before_its_relay_waits_and_counts_then(self) -> None:
        stub, audience = Sheet(DIRECTIVE, DESK), frozen()
        merge_answer(stub, answer(AREA, "relayed"), "answer-1", at(), None)
        assert stub.order is None
        merge_relay(stub, relay(), audience, NOON)
        assert stub.early == []
        assert stub.entries.state[audience.index[AREA]] == State.RELAYED
        assert stub.entries.flags[audience.index[GRID_CHIEF]] & Flag.RELEASED

    def test_an_answer_to_a_version_that_has_not_arrived_waits(self, held: tuple[Sheet, Frozen]) -> None:
        say(held, AREA, "read", version=2)
        assert state_of(held, AREA) is State.ADDRESSED
        merge_relay(held[0], relay(cancelled(order())), frozen(version=2, cancels=True), NOON)
        assert state_of(held, AREA) is State.READ

    def test_an_answer_waits_for_the_roster(self) -> None:
        stub = Sheet(DIRECTIVE, DESK)
        merge_relay(stub, relay(), None, NOON)
        merge_answer(stub, answer(AREA, "relayed"), "answer-1", at(), None)
        assert len(stub.early) == 1
        audience = frozen()
        assert rules.fill(stub, audience, NOON)
        assert stub.entries.state[audience.index[AREA]] == State.RELAYED

    def test_the_same_answer_waits_once(self) -> None:
        stub = Sheet(DIRECTIVE, DESK)
        for _ in range(3):
            merge_answer(stub, answer(AREA, "read"), "answer-1", at(), None)
        assert len(stub.early) == 1

    @pytest.mark.req("U-20")
    def test_a_flood_of_early_answers_is_bounded_and_the_rest_listed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert EARLY_MOST >= 4_170, "a street office has that many posts"
        monkeypatch.setattr(rules, "EARLY_MOST", 10)
        stub = Sheet(DIRECTIVE, DESK)
        for number in range(12):
            merge_answer(stub, answer(AREA, "read"), f"answer-{number}", at(), None)
        assert len(stub.early) == 10
        assert [listed.why for listed in stub.listed] == ["overflow", "overflow"]


class TestUnfilled:
    ENTRY = f"{DESK}/*"

    @pytest.fixture
    def waiting(self) -> Sheet:
        stub = Sheet(DIRECTIVE, DESK)
        assert not merge_relay(stub, relay(), None, NOON)
        return stub

    def test_a_desk_without_a_roster_is_one_open_entry(self, waiting: Sheet) -> None:
        assert waiting.unfilled
        assert rules.open_positions(waiting, None) == [0]

    def test_the_roster_fills_it_once(self, waiting: Sheet) -> None:
        audience = frozen()
        assert rules.fill(waiting, audience, NOON)
        assert len(waiting.entries.state) == len(audience.seats)
        merge_answer(waiting, answer(AREA, "relayed"), "answer-1", at(), audience)
        assert not rules.fill(waiting, frozen(), NOON)
        assert waiting.entries.state[audience.index[AREA]] == State.RELAYED

    def test_the_issuer_decides_for_it_and_then_it_stays_decided(self, waiting: Sheet) -> None:
        merge_answer(waiting, answer(self.ENTRY, "excused", by=CHIEF), "answer-1", at(), None)
        assert rules.open_positions(waiting, None) == []
        assert not rules.fill(waiting, frozen(), NOON)

    def test_somebody_else_does_not(self, waiting: Sheet) -> None:
        merge_answer(waiting, answer(self.ENTRY, "excused", by=AREA), "answer-1", at(), None)
        assert rules.open_positions(waiting, None) == [0]

    def test_a_closed_order_is_not_filled(self, waiting: Sheet) -> None:
        merge_relay(waiting, relay(order(status="closed")), None, NOON)
        assert not rules.fill(waiting, frozen(), NOON)
