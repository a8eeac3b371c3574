"""Silence climbs the chain, a rung at a time, never above the issuer, and waits at no vacant seat."""

import pytest

from services.dispatch.domain.escalation import climbing, escalations, targets, why
from services.dispatch.domain.fanout import mark_sent
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.merging import await_relay, merge_answer, merge_relay, tick
from services.dispatch.domain.sheet import Flag, Sheet
from shared.contracts.directives import Deadlines
from shared.contracts.dispatch import Escalate, LinePost
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
    NOON,
    STREET,
    answer,
    at,
    community,
    order,
    relay,
    roster,
    seat,
    sheet,
)

STRAIGHT = order(mode="straight-through")
DUE, STEP = at(1), 1_800_000
Held = tuple[Sheet, Frozen]


def rung(held: Held, post: str) -> int:
    return held[0].entries.rung[held[1].index[post]]


def names(held: Held, post: str) -> list[str]:
    return [target.post for target in targets(held[0], held[1].index[post], held[1])]


def asked(held: Held) -> dict[str, set[str]]:
    """Return who is asked about whom, and mark it as sent."""
    said = list(escalations(*held))
    mark_sent(*held)
    return {each.to.post: {entry.addressee for entry in each.entries} for each in said}


def straight(**vacancies: object) -> Held:
    return sheet(STRAIGHT, roster(seats=community(**vacancies)))  # type: ignore[arg-type]


class TestTick:
    def test_a_tick_for_another_due_changes_nothing(self) -> None:
        held = straight()
        for due in (DUE - 1, DUE + 1, 0):
            tick(held[0], due, due, held[1])
        assert not any(flags & Flag.OVERDUE for flags in held[0].entries.flags)
        assert held[0].next_due == DUE

    @pytest.mark.req("F-04", "M-06")
    def test_at_its_due_what_is_open_is_overdue_and_climbs_one_rung(self) -> None:
        held = straight()
        merge_answer(held[0], answer(FLOOR1, "executed"), "answer-1", at(), held[1])
        tick(held[0], DUE, DUE, held[1])
        overdue = {
            each.post
            for each, flags in zip(held[1].seats, held[0].entries.flags, strict=True)
            if flags & Flag.OVERDUE
        }
        assert overdue == {AREA, GRID_CHIEF, HEAD, FLOOR2}
        assert (rung(held, FLOOR1), rung(held, FLOOR2)) == (0, 1)
        assert held[0].next_due == DUE + STEP

    def test_a_step_below_a_millisecond_is_one(self) -> None:
        held = straight()
        tick(held[0], DUE, DUE, held[1])
        assert held[0].order is not None
        held[0].order = held[0].order.model_copy(update={"deadlines": Deadlines(done=1, step=0.0005)})
        due = held[0].next_due or 0
        tick(held[0], due, due + 10, held[1])
        assert held[0].next_due == due + 11

    def test_the_same_tick_again_climbs_no_further(self) -> None:
        held = straight()
        for _ in range(3):
            tick(held[0], DUE, DUE, held[1])
        assert rung(held, FLOOR1) == 1

    def test_it_climbs_one_rung_at_each_due(self) -> None:
        held = straight()
        for number in range(4):
            tick(held[0], DUE + number * STEP, DUE + number * STEP, held[1])
            assert rung(held, FLOOR1) == number + 1

    def test_rungs_stop_counting_before_they_overflow(self) -> None:
        held = straight()
        for number in range(300):
            tick(held[0], DUE + number * STEP, DUE + number * STEP, held[1])
        assert rung(held, FLOOR1) == 255

    def test_who_was_not_addressed_does_not_climb(self) -> None:
        held = sheet()
        tick(held[0], DUE, DUE, held[1])
        assert (rung(held, AREA), rung(held, FLOOR1)) == (1, 0)
        assert asked(held) == {CHIEF: {AREA}}

    def test_who_was_addressed_less_than_a_step_ago_is_overdue_but_does_not_climb_yet(self) -> None:
        held = sheet()
        merge_answer(held[0], answer(AREA, "relayed"), "answer-1", DUE - STEP + 1, held[1])
        tick(held[0], DUE, DUE, held[1])
        assert rung(held, GRID_CHIEF) == 0
        assert held[0].entries.flags[held[1].index[GRID_CHIEF]] & Flag.OVERDUE
        tick(held[0], DUE + STEP, DUE + STEP, held[1])
        assert rung(held, GRID_CHIEF) == 1

    def test_when_nothing_is_open_the_clock_stops(self) -> None:
        held = straight()
        for each in held[1].seats:
            merge_answer(held[0], answer(each.post, "executed"), f"answer-{each.post}", at(), held[1])
        tick(held[0], DUE, DUE, held[1])
        assert held[0].next_due is None

    def test_a_refusal_after_all_were_done_starts_the_clock_again(self) -> None:
        held = sheet(STRAIGHT, roster(seats=[seat(FLOOR1, HEAD, done_at="read")]))
        merge_answer(held[0], answer(FLOOR1, "read"), "answer-1", at(), held[1])
        tick(held[0], DUE, DUE, held[1])
        assert held[0].next_due is None
        merge_answer(held[0], answer(FLOOR1, "refused"), "answer-2", at(2), held[1])
        assert held[0].next_due == at(2) + STEP

    def test_a_stub_whose_time_is_up_is_reported_and_stays(self) -> None:
        stub = Sheet(DIRECTIVE, DESK)
        merge_answer(stub, answer(FLOOR1, "read"), "answer-1", at(0), None)
        await_relay(stub, DUE)
        await_relay(stub, DUE + STEP)
        assert stub.next_due == DUE, "the first answer starts the clock, and no later one starts it again"
        tick(stub, DUE, DUE, None)
        await_relay(stub, DUE + STEP)
        assert (stub.orphaned, stub.next_due, len(stub.early)) == (True, None, 1)

    def test_a_frozen_sheet_waits_for_no_relay(self) -> None:
        held = straight()
        await_relay(held[0], 1)
        assert held[0].next_due == DUE

    def test_steps_missed_in_an_outage_are_skipped(self) -> None:
        held = straight()
        tick(held[0], DUE, DUE + 5 * STEP + 1, held[1])
        assert held[0].next_due == DUE + 6 * STEP
        assert rung(held, FLOOR1) == 1


class TestTargets:
    @pytest.mark.req("F-04")
    def test_the_chain_above_nearest_first_and_the_issuer_last(self) -> None:
        assert names(straight(), FLOOR1) == [HEAD, GRID_CHIEF, AREA, CHIEF]

    @pytest.mark.req("F-04")
    def test_vacant_superiors_are_skipped(self) -> None:
        held = straight(vacant=[HEAD, GRID_CHIEF])
        assert names(held, FLOOR1) == [AREA, CHIEF]

    @pytest.mark.req("F-04", "S3-24")
    def test_a_superior_held_by_the_same_person_is_skipped(self) -> None:
        held = straight(holders={FLOOR1: "wang", HEAD: "wang"})
        assert names(held, FLOOR1) == [GRID_CHIEF, AREA, CHIEF]

    def test_the_line_is_climbed_from_the_desk_up_and_never_above_the_issuer(self) -> None:
        mayor = LinePost(desk="610802", post="610802/s:mayor", holder="mayor")
        county = LinePost(desk="610802", post="610802/s:county", holder="county")
        chief = LinePost(desk=STREET, post=CHIEF, holder="boss")
        given = order(mode="straight-through", issuer=mayor.post, desk="610802")
        held = Sheet(DIRECTIVE, DESK), sheet()[1]
        merge_relay(held[0], relay(given, line=(mayor, county, chief)), held[1], NOON)
        assert names(held, AREA) == [CHIEF, county.post, mayor.post]
        assert names(held, FLOOR1) == [HEAD, GRID_CHIEF, AREA, CHIEF, county.post, mayor.post]

    def test_the_issuer_decides_last_even_if_his_post_is_vacant_now(self) -> None:
        held = Sheet(DIRECTIVE, DESK), sheet()[1]
        merge_relay(held[0], relay(STRAIGHT, line=(LinePost(desk=STREET, post=CHIEF),)), held[1], NOON)
        assert names(held, AREA) == [CHIEF]

    def test_a_desk_not_reached_is_the_lines_to_decide(self) -> None:
        stub = Sheet(DIRECTIVE, DESK)
        merge_relay(stub, relay(), None, NOON)
        tick(stub, DUE, DUE, None)
        (said,) = escalations(stub, None)
        assert said.to.post == CHIEF
        assert [(entry.addressee, entry.why) for entry in said.entries] == [(f"{DESK}/*", "unreached")]


class TestEscalation:
    @pytest.mark.req("F-04")
    def test_each_due_asks_the_next_above_and_the_last_stays_the_issuer(self) -> None:
        held = sheet(STRAIGHT, roster(seats=community()))
        for each in held[1].seats:
            if each.post != FLOOR1:
                merge_answer(held[0], answer(each.post, "executed"), f"answer-{each.post}", at(), held[1])
        asked_in_turn = []
        for number in range(5):
            tick(held[0], DUE + number * STEP, DUE + number * STEP, held[1])
            asked_in_turn.append(asked(held))
        assert [list(each) for each in asked_in_turn] == [[HEAD], [GRID_CHIEF], [AREA], [CHIEF], [CHIEF]]

    @pytest.mark.req("F-04")
    def test_a_vacant_post_is_decided_at_once_without_any_due(self) -> None:
        held = straight(vacant=[HEAD])
        assert asked(held) == {GRID_CHIEF: {HEAD}}
        assert asked(held) == {}

    def test_a_refusal_is_brought_to_the_superior_at_once(self) -> None:
        held = straight()
        merge_answer(held[0], answer(FLOOR1, "refused"), "answer-1", at(), held[1])
        (said,) = escalations(*held)
        assert said.to.post == HEAD
        assert [(entry.addressee, entry.why) for entry in said.entries] == [(FLOOR1, "refused")]

    def test_who_accepted_and_refused_is_brought_up_as_refusing_whatever_came_first(self) -> None:
        said: list[Escalate] = []
        for states in (("accepted", "refused"), ("refused", "accepted")):
            held = straight()
            for state in states:
                merge_answer(held[0], answer(FLOOR1, state), f"answer-{state}", at(), held[1])
            said.extend(escalations(*held))
        first, second = said
        assert first == second
        assert first.entries[0].why == "refused"

    def test_an_entry_that_is_decided_is_not_asked_about_again(self) -> None:
        held = straight()
        tick(held[0], DUE, DUE, held[1])
        merge_answer(held[0], answer(FLOOR1, "excused", by=HEAD), "answer-1", at(), held[1])
        assert FLOOR1 not in {post for posts in asked(held).values() for post in posts}

    def test_nothing_climbs_once_the_order_is_closed(self) -> None:
        held = straight(vacant=[HEAD])
        merge_relay(held[0], relay(order(status="closed")), None, NOON)
        assert climbing(*held, unsent=False) == {}

    @pytest.mark.req("U-20")
    def test_one_message_names_at_most_two_hundred_entries(self) -> None:
        seats = [*community()[:1], *(seat(f"{GRID}.b{n}/s:head", AREA, None) for n in range(450))]
        held = sheet(STRAIGHT, roster(seats=seats))
        assert [len(said.entries) for said in escalations(*held)] == [200, 200, 50]

    def test_the_reason_is_the_plainest_there_is(self) -> None:
        held = straight(vacant=[HEAD])
        merge_answer(held[0], answer(FLOOR1, "refused"), "answer-1", at(), held[1])
        tick(held[0], DUE, DUE, held[1])
        reasons = {post: why(held[0], held[1].index[post], held[1]) for post in (HEAD, FLOOR1, FLOOR2)}
        assert reasons == {HEAD: "vacant", FLOOR1: "refused", FLOOR2: "overdue"}
