"""A newer version of an order at a desk that had an earlier one: what it keeps, and what begins anew."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.dispatch.domain import fanout
from services.dispatch.domain.escalation import escalations
from services.dispatch.domain.frozen import Frozen, freeze, refreeze
from services.dispatch.domain.merging import fill, merge_answer, merge_relay, tick
from services.dispatch.domain.sheet import Flag, Sheet, open_positions
from services.dispatch.domain.states import State
from services.dispatch.domain.tally import count
from shared.contracts.directives import Audience, Extension, Mode, Order
from shared.contracts.dispatch import Counts
from shared.contracts.registry import ChildDesk, Roster, Seat
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    DIRECTIVE,
    FLOOR1,
    FLOOR2,
    GRID,
    GRID_CHIEF,
    HEAD,
    HOUR,
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
    seat,
    sheet,
)

ALL = {AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2}
THIRD = f"{DESK[:9]}005"
STRAIGHT = order(mode="straight-through")
Held = tuple[Sheet, Frozen]


def say(held: Held, who: str, state: str, when: float = 0, **more: Any) -> None:
    id_ = f"answer-{who}-{state}-{more.get('version', 1)}"
    merge_answer(held[0], answer(who, state, **more), id_, at(when), held[1])


def take(held: Held, newer: Order, by: Roster | None = None) -> Held:
    """Bring the sheet a newer version, frozen from this roster."""
    audience = freeze(newer, by or roster(), held[1])
    assert merge_relay(held[0], relay(newer), audience, NOON + HOUR, held[1])
    return held[0], audience


def told(held: Held) -> set[str]:
    return {held[1].seats[position].post for position in fanout.undelivered(*held)}


def still_open(held: Held) -> set[str]:
    return {held[1].seats[position].post for position in open_positions(*held)}


def state_of(held: Held, who: str) -> State:
    return State(held[0].entries.state[held[1].index[who]])


def total(held: Held) -> Counts:
    return Counts.total_of(count(*held).values())


def without(*posts: str) -> Sequence[Seat]:
    return [each for each in community() if each.post not in posts]


class TestAudience:
    def test_it_is_todays_and_every_earlier_one(self) -> None:
        newcomer = seat(f"{GRID}.b2/s:head", GRID_CHIEF)
        held = take(sheet(), amended(order()), roster(v=2, seats=[newcomer, *without(HEAD, AREA)]))
        assert {each.post for each in held[1].seats} == ALL | {newcomer.post}
        third = take(held, amended(amended(order())), roster(v=3, seats=[]))
        assert {each.post for each in third[1].seats} == ALL | {newcomer.post}

    def test_whoever_it_names_no_more_is_addressed_by_todays_seat(self) -> None:
        changed = community(holders={AREA: "p-new"})
        floors = amended(order(), audience=Audience(types=("s:floor",)))
        held = take(sheet(), floors, roster(v=2, seats=changed))
        assert held[1].seats[held[1].index[AREA]].holder == "p-new"

    def test_children_of_every_version_are_owed_it(self) -> None:
        before = sheet(by=roster(children=(ChildDesk(desk=OTHER, commander=AREA),)))
        held = take(before, amended(order()), roster(v=2, children=(ChildDesk(desk=THIRD, commander=AREA),)))
        assert held[0].children == {OTHER: False, THIRD: False}

    def test_without_a_roster_the_earlier_one_stays(self) -> None:
        held = sheet(STRAIGHT)
        say(held, AREA, "relayed")
        newer = amended(STRAIGHT)
        audience = refreeze(newer, held[1])
        assert (audience.version, audience.roster_v, audience.seats) == (2, 1, held[1].seats)
        assert merge_relay(held[0], relay(newer), audience, NOON + HOUR, held[1])
        assert state_of((held[0], audience), AREA) is State.RELAYED

    def test_a_version_as_known_or_older_changes_nothing(self) -> None:
        held = take(sheet(), amended(order()))
        say(held, AREA, "relayed", version=2)
        for old in (order(), order(status="closed"), amended(order(), text="另一份")):
            assert not merge_relay(held[0], relay(old), held[1], NOON, held[1])
        assert state_of(held, AREA) is State.RELAYED


class TestPlain:
    @pytest.mark.req("F-03")
    def test_what_was_answered_is_carried_to_wherever_its_post_stands_now(self) -> None:
        held = sheet(STRAIGHT)
        say(held, HEAD, "excused", by=GRID_CHIEF, reason="病假", at=NOON)
        say(held, FLOOR1, "read", at=NOON)
        before = total(held)
        moved = take(held, amended(STRAIGHT), roster(v=2, seats=(*community()[2:], *community()[:2])))
        assert all(moved[1].index[post] != held[1].index[post] for post in ALL)
        assert total(moved) == before
        assert (state_of(moved, HEAD), state_of(moved, FLOOR1)) == (State.EXCUSED, State.READ)
        new, position = moved[0].entries, moved[1].index[HEAD]
        assert new.first_at(position, State.EXCUSED) == at()
        assert new.flags[position] & Flag.ANSWERED_FOR
        assert [(slot, note.reason) for slot, note in new.notes.items()] == [
            (position * len(State) + State.EXCUSED, "病假")
        ]

    def test_answers_to_either_version_count(self) -> None:
        held = take(sheet(STRAIGHT), amended(STRAIGHT))
        say(held, AREA, "relayed", version=1)
        say(held, HEAD, "relayed", version=2)
        assert still_open(held) == {GRID_CHIEF, FLOOR1, FLOOR2}
        assert held[0].listed == []

    def test_an_answer_to_a_version_that_has_not_come_waits_for_it(self) -> None:
        held = sheet(STRAIGHT)
        say(held, AREA, "relayed", version=2)
        assert AREA in still_open(held)
        assert AREA not in still_open(take(held, amended(STRAIGHT)))

    def test_everybody_who_was_told_is_told_again_and_nobody_else(self) -> None:
        held = sheet()
        say(held, AREA, "relayed")
        fanout.mark_sent(*held)
        assert told(held) == set()
        newer = take(held, amended(order()))
        assert told(newer) == {AREA, GRID_CHIEF}
        (delivery,) = fanout.deliveries(*newer)
        assert (delivery.version, delivery.text, delivery.due) == (2, "今日12时前完成。", NOON + 2 * HOUR)

    @pytest.mark.parametrize(
        ("before", "after"), [("relayed", "straight-through"), ("straight-through", "relayed")]
    )
    def test_a_new_mode_tells_nobody_less(self, before: Mode, after: Mode) -> None:
        held = take(sheet(order(mode=before)), amended(order(mode=before), mode=after))
        assert told(held) == ALL

    def test_children_that_have_it_are_relayed_to_again_and_others_wait(self) -> None:
        children = (ChildDesk(desk=OTHER, commander=AREA), ChildDesk(desk=THIRD, commander=HEAD))
        held = sheet(by=roster(children=children))
        say(held, AREA, "relayed")
        fanout.mark_sent(*held)
        assert fanout.unrelayed(held[0]) == []
        newer = take(held, amended(order()), roster(children=children))
        assert fanout.unrelayed(newer[0]) == [OTHER]
        (sent,) = fanout.relays(*newer)
        assert (sent.to, sent.order.version) == (OTHER, 2)

    def test_a_child_that_joined_by_extension_waits_for_nobody_whichever_version_comes(self) -> None:
        extended = order(changes=1, extensions=(Extension(desk=DESK, child=OTHER),))
        now = roster(v=2, children=(ChildDesk(desk=OTHER, commander=HEAD),))
        held = sheet()
        merge_relay(held[0], relay(extended), None, NOON)
        for one in (take(held, amended(extended), now), sheet(amended(extended), now)):
            assert one[0].children == {OTHER: True}

    def test_whoever_joins_under_a_post_that_has_passed_it_on_does_not_wait_for_ever(self) -> None:
        held = sheet()
        say(held, AREA, "relayed")
        newcomer = seat(f"{DESK}002/s:grid", AREA)
        below = ChildDesk(desk=OTHER, commander=AREA)
        newer = take(held, amended(order()), roster(v=2, seats=[*community(), newcomer], children=(below,)))
        assert newcomer.post in told(newer)
        assert fanout.unrelayed(newer[0]) == [OTHER]
        assert HEAD not in told(newer)

    @pytest.mark.req("F-04")
    def test_silence_and_its_rungs_begin_anew(self) -> None:
        held = sheet(STRAIGHT)
        say(held, AREA, "refused")
        tick(held[0], at(1), at(1), held[1])
        fanout.mark_sent(*held)
        assert total(held).overdue == 5
        newer = take(held, amended(STRAIGHT))
        assert (newer[0].next_due, total(newer).overdue) == (at(2), 0)
        rungs = dict(zip((each.post for each in newer[1].seats), newer[0].entries.rung, strict=True))
        assert rungs == {AREA: 1, GRID_CHIEF: 0, HEAD: 0, FLOOR1: 0, FLOOR2: 0}
        (asked,) = escalations(*newer)
        assert (asked.version, asked.to.post, [entry.addressee for entry in asked.entries]) == (
            2, CHIEF, [AREA],
        )  # fmt: skip
        tick(newer[0], at(1), at(1), newer[1])
        assert total(newer).overdue == 0

    @pytest.mark.req("F-04")
    def test_a_post_filled_meanwhile_is_told_and_one_vacated_is_brought_to_its_superior(self) -> None:
        held = sheet(STRAIGHT, roster(seats=community(vacant=[HEAD])))
        fanout.mark_sent(*held)
        newer = take(held, amended(STRAIGHT), roster(v=2, seats=community(vacant=[FLOOR1])))
        assert told(newer) == ALL - {FLOOR1}
        assert [[entry.addressee for entry in asked.entries] for asked in escalations(*newer)] == [[FLOOR1]]


class TestAgain:
    @pytest.mark.req("F-03")
    def test_entries_start_afresh_and_earlier_answers_are_listed(self) -> None:
        held = sheet(STRAIGHT)
        say(held, AREA, "relayed")
        newer = take(held, amended(STRAIGHT, again=True))
        assert (total(newer).done, total(newer).delivered, newer[0].entries.notes) == (0, 0, {})
        say(newer, HEAD, "relayed")
        assert still_open(newer) == ALL
        assert [(listed.why, listed.addressee) for listed in newer[0].listed] == [("superseded", HEAD)]
        say(newer, HEAD, "relayed", version=2, epoch=1)
        assert still_open(newer) == ALL - {HEAD}

    def test_everybody_who_was_told_is_told_again_though_all_begins_anew(self) -> None:
        held = sheet()
        say(held, AREA, "relayed")
        fanout.mark_sent(*held)
        assert told(take(held, amended(order(), again=True))) == {AREA, GRID_CHIEF}

    def test_children_that_have_it_are_relayed_to_again_though_all_begins_anew(self) -> None:
        here = roster(children=(ChildDesk(desk=OTHER, commander=AREA), ChildDesk(desk=THIRD, commander=HEAD)))
        held = sheet(by=here)
        say(held, AREA, "relayed")
        fanout.mark_sent(*held)
        assert fanout.unrelayed(take(held, amended(order(), again=True), here)[0]) == [OTHER]

    def test_an_earlier_answer_that_comes_late_still_passes_it_on(self) -> None:
        held = take(sheet(), amended(order(), again=True))
        say(held, GRID_CHIEF, "excused")
        assert told(held) == {AREA}
        say(held, AREA, "relayed")
        assert told(held) == {AREA, GRID_CHIEF}
        assert AREA in still_open(held)

    def test_an_answer_of_a_later_epoch_waits_for_it(self) -> None:
        held = sheet(STRAIGHT)
        say(held, AREA, "relayed", version=2, epoch=1)
        plain = take(held, amended(STRAIGHT))
        assert (total(plain).done, len(plain[0].early)) == (0, 1)
        assert total(take(plain, amended(amended(STRAIGHT), again=True))).done == 1

    def test_a_cancel_after_it_counts_afresh_and_listens_to_no_earlier_version(self) -> None:
        held = take(sheet(STRAIGHT), amended(STRAIGHT, again=True))
        say(held, AREA, "relayed", version=2, epoch=1)
        last = take(held, cancelled(amended(STRAIGHT, again=True)))
        assert (total(last).done, told(last)) == (0, ALL)
        say(last, HEAD, "relayed", version=2, epoch=1)
        say(last, HEAD, "read", version=1)
        say(last, AREA, "read", version=3, epoch=1)
        assert still_open(last) == ALL - {AREA}
        assert [listed.why for listed in last[0].listed] == ["late", "late"]


class TestUnfilled:
    """A desk whose roster was not known when the first version came."""

    @pytest.fixture
    def held(self) -> Sheet:
        new = Sheet(DIRECTIVE, DESK)
        merge_relay(new, relay(), None, NOON)
        return new

    def decide(self, held: Sheet) -> None:
        decision = answer(f"{DESK}/*", "excused", by=CHIEF, reason="已电话布置")
        merge_answer(held, decision, "answer-whole", at(), None)

    def test_it_is_frozen_by_the_next_version_that_finds_a_roster(self, held: Sheet) -> None:
        merge_answer(held, answer(AREA, "relayed"), "answer-early", at(), None)
        newer = amended(order())
        audience = freeze(newer, roster())
        assert merge_relay(held, relay(newer), audience, NOON + HOUR)
        assert state_of((held, audience), AREA) is State.RELAYED
        assert told((held, audience)) == {AREA, GRID_CHIEF}

    def test_it_may_be_filled_under_the_newer_version(self, held: Sheet) -> None:
        newer = amended(order())
        assert not merge_relay(held, relay(newer), None, NOON + HOUR)
        audience = freeze(newer, roster())
        assert fill(held, audience, NOON + HOUR)
        assert held.frozen == f"{DIRECTIVE}/{DESK}/2"

    @pytest.mark.req("F-03")
    def test_what_a_superior_decided_for_all_of_it_stands(self, held: Sheet) -> None:
        self.decide(held)
        newer = amended(order())
        assert not merge_relay(held, relay(newer), freeze(newer, roster()), NOON + HOUR)
        assert held.unfilled
        counts = Counts.total_of(count(held, None).values())
        assert (counts.total, counts.done, counts.excused, counts.answered_for) == (1, 1, 1, 1)

    @pytest.mark.parametrize("newer", [amended(order(), again=True), cancelled(order())])
    def test_what_begins_anew_asks_the_posts_themselves(self, held: Sheet, newer: Order) -> None:
        self.decide(held)
        audience = freeze(newer, roster())
        assert merge_relay(held, relay(newer), audience, NOON + HOUR)
        assert total((held, audience)) == Counts(total=5, unreached=5)

    @pytest.mark.parametrize("before", [True, False])
    def test_a_decision_that_came_before_its_relay_counts_without_a_roster_too(
        self, held: Sheet, *, before: bool
    ) -> None:
        decision = answer(f"{DESK}/*", "executed", by=CHIEF, version=2)
        newer = relay(amended(order()))
        if before:
            merge_answer(held, decision, "answer-whole", at(), None)
        merge_relay(held, newer, None, NOON + HOUR)
        if not before:
            merge_answer(held, decision, "answer-whole", at(), None)
        assert (open_positions(held, None), held.early) == ([], [])
