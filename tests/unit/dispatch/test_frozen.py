"""Who is addressed, and who waits for whom: relayed and straight through, vacancies, scopes and cancels."""

import pytest

from services.dispatch.domain import fanout
from services.dispatch.domain.frozen import Frozen, freeze
from services.dispatch.domain.merging import merge_answer, merge_relay
from services.dispatch.domain.sheet import Flag, Sheet, open_positions
from services.dispatch.domain.states import State
from shared.contracts.base import Scope
from shared.contracts.directives import Audience, Extension
from shared.contracts.registry import ChildDesk
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
    OTHER,
    STREET,
    answer,
    at,
    cancelled,
    community,
    frozen,
    order,
    relay,
    roster,
    seat,
    sheet,
    street_roster,
)

ALL = {AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2}
STREET_PATH = ("61", "6108", "610802")


def addressed(audience: Frozen) -> set[str]:
    return {each.post for each in audience.seats}


def released(held: tuple[Sheet, Frozen]) -> set[str]:
    flags = held[0].entries.flags
    return {each.post for each, flag in zip(held[1].seats, flags, strict=True) if flag & Flag.RELEASED}


def told(held: tuple[Sheet, Frozen]) -> set[str]:
    return {held[1].seats[position].post for position in fanout.undelivered(*held)}


def say(held: tuple[Sheet, Frozen], who: str, state: str, **more: object) -> None:
    merge_answer(held[0], answer(who, state, **more), f"answer-{who}-{state}", at(), held[1])


class TestAudience:
    def test_a_desk_in_scope_is_addressed_whole(self) -> None:
        assert addressed(freeze(order(), roster())) == ALL

    def test_only_the_types_named_are_addressed(self) -> None:
        audience = freeze(order(audience=Audience(types=("s:floor",))), roster())
        assert addressed(audience) == {FLOOR1, FLOOR2}

    def test_a_scope_inside_the_desk_is_a_place_never_a_prefix(self) -> None:
        elsewhere = seat(f"{GRID}.b10/s:head", within=(f"{GRID}.b10",))
        there = roster(seats=[*community(), elsewhere])
        audience = freeze(order(scope=Scope(unit=f"{GRID}.b1", desk=DESK)), there)
        assert addressed(audience) == {HEAD, FLOOR1, FLOOR2}

    def test_a_desk_on_the_way_addresses_only_who_commands_the_next(self) -> None:
        aide = seat(f"{STREET}/s:aide", CHIEF)
        upstairs = order(issuer="610802/s:mayor", desk="610802")
        audience = freeze(upstairs, street_roster(DESK, OTHER, seats=(seat(CHIEF), aide)))
        assert addressed(audience) == {CHIEF}
        assert [child.desk for child in audience.children] == [DESK]

    def test_the_issuer_and_those_above_him_are_not_addressed(self) -> None:
        audience = freeze(order(issuer=GRID_CHIEF, desk=DESK), roster())
        assert addressed(audience) == ALL - {GRID_CHIEF, AREA}

    def test_the_whole_street_goes_to_every_child(self) -> None:
        wide = order(scope=Scope(unit=STREET, desk=STREET, path=STREET_PATH))
        audience = freeze(wide, street_roster(DESK, OTHER))
        assert [child.desk for child in audience.children] == [DESK, OTHER]

    @pytest.mark.req("S3-24")
    def test_one_person_in_two_posts_answers_for_each(self) -> None:
        held = sheet(by=roster(seats=community(holders={HEAD: "wang", FLOOR1: "wang"})))
        say(held, FLOOR1, "executed")
        still_open = {held[1].seats[position].post for position in open_positions(*held)}
        assert HEAD in still_open
        assert FLOOR1 not in still_open


class TestRelease:
    def test_straight_through_tells_everybody_at_once(self) -> None:
        held = sheet(order(mode="straight-through"))
        assert told(held) == ALL

    @pytest.mark.req("F-03", "S0-12")
    def test_relayed_goes_down_post_by_post(self) -> None:
        held = sheet()
        assert told(held) == {AREA}
        say(held, AREA, "accepted")
        assert told(held) == {AREA}
        say(held, AREA, "relayed")
        assert told(held) == {AREA, GRID_CHIEF}
        say(held, GRID_CHIEF, "executed")
        say(held, HEAD, "relayed")
        assert told(held) == ALL

    @pytest.mark.req("F-04")
    def test_a_vacant_superior_is_skipped_at_once(self) -> None:
        held = sheet(by=roster(seats=community(vacant=[GRID_CHIEF, HEAD])))
        say(held, AREA, "relayed")
        assert told(held) == {AREA, FLOOR1, FLOOR2}
        assert released(held) == ALL

    @pytest.mark.req("F-04")
    def test_without_any_live_superior_here_nobody_waits(self) -> None:
        held = sheet(by=roster(seats=community(vacant=[AREA, GRID_CHIEF, HEAD])))
        assert told(held) == {FLOOR1, FLOOR2}

    def test_a_superior_who_is_decided_for_no_longer_holds_the_others_up(self) -> None:
        held = sheet()
        say(held, AREA, "excused", by=CHIEF)
        assert GRID_CHIEF in told(held)

    def test_a_superior_who_refuses_holds_them_up_until_somebody_decides(self) -> None:
        held = sheet()
        say(held, AREA, "refused")
        assert told(held) == {AREA}
        say(held, AREA, "read", by=CHIEF)
        assert GRID_CHIEF in told(held)

    def test_a_chain_that_closes_on_itself_ends(self) -> None:
        ring = roster(
            seats=[seat(HEAD, FLOOR1, holder=None), seat(FLOOR1, HEAD, holder=None), seat(FLOOR2, HEAD)]
        )
        held = sheet(by=ring)
        assert told(held) == {FLOOR2}
        assert held[1].climb(held[1].index[FLOOR2])

    def test_child_desks_wait_for_their_commander(self) -> None:
        upstairs = order(issuer="610802/s:mayor", desk="610802")
        audience = freeze(upstairs, street_roster(DESK))
        held = Sheet(DIRECTIVE, STREET), audience
        merge_relay(held[0], relay(upstairs, to=STREET), audience, NOON)
        assert fanout.unrelayed(held[0]) == []
        say(held, CHIEF, "relayed")
        assert fanout.unrelayed(held[0]) == [DESK]
        (sent,) = fanout.relays(*held)
        assert [post.post for post in sent.line][-1] == CHIEF
        assert (sent.to, sent.sender) == (DESK, STREET)

    @pytest.mark.req("F-04")
    def test_whoever_stands_above_a_vacant_commander_is_on_the_line(self) -> None:
        upstairs = order(issuer="610802/s:mayor", desk="610802")
        deputy = f"{STREET}/s:deputy"
        seats = (seat(CHIEF, holder="boss"), seat(deputy, CHIEF, holder=None))
        below = (ChildDesk(desk=DESK, commander=deputy, posts=5),)
        audience = freeze(upstairs, street_roster(seats=seats, children=below))
        held = Sheet(DIRECTIVE, STREET), audience
        merge_relay(held[0], relay(upstairs, to=STREET), audience, NOON)
        say(held, CHIEF, "relayed")
        (sent,) = fanout.relays(*held)
        assert [post.post for post in sent.line][-2:] == [CHIEF, deputy]

    @pytest.mark.parametrize("commander", [None, f"{STREET}/s:nobody"])
    def test_a_child_nobody_here_commands_is_relayed_at_once(self, commander: str | None) -> None:
        audience = frozen(children=[ChildDesk(desk=OTHER, commander=commander)])
        held = Sheet(DIRECTIVE, DESK)
        merge_relay(held, relay(), audience, NOON)
        assert fanout.unrelayed(held) == [OTHER]


class TestFanOut:
    def test_what_was_sent_is_not_sent_again(self) -> None:
        held = sheet(order(mode="straight-through"))
        assert len(list(fanout.deliveries(*held))) == 1
        assert fanout.mark_sent(*held)
        assert list(fanout.deliveries(*held)) == []
        assert not fanout.mark_sent(*held)

    @pytest.mark.req("U-20")
    def test_a_delivery_has_at_most_two_hundred_addressees_and_nobody_twice(self) -> None:
        seats = [seat(f"{GRID}.b{number}/s:head") for number in range(450)]
        held = sheet(order(mode="straight-through"), roster(seats=seats))
        sent = list(fanout.deliveries(*held))
        assert [len(delivery.entries) for delivery in sent] == [200, 200, 50]
        assert len({entry.addressee for delivery in sent for entry in delivery.entries}) == 450

    def test_nobody_is_told_in_the_name_of_a_vacant_post(self) -> None:
        held = sheet(order(mode="straight-through"), roster(seats=community(vacant=[HEAD])))
        assert told(held) == ALL - {HEAD}


class TestVersions:
    def test_an_older_or_equal_relay_changes_nothing(self) -> None:
        held = sheet()
        say(held, AREA, "relayed")
        before = bytes(held[0].entries.state)
        for again in (relay(), relay(order(text="另一份"))):
            assert not merge_relay(held[0], again, frozen(), NOON)
        assert bytes(held[0].entries.state) == before
        assert held[0].order is not None
        assert held[0].order.text == order().text

    @pytest.mark.req("F-03")
    def test_a_cancel_counts_afresh_and_is_told_to_everybody_at_once(self) -> None:
        held, audience = sheet()
        merge_answer(held, answer(AREA, "relayed"), "answer-1", at(), audience)
        second = freeze(cancelled(order()), roster(), audience)
        assert merge_relay(held, relay(cancelled(order())), second, NOON)
        assert set(held.entries.state) == {State.ADDRESSED}
        assert told((held, second)) == ALL
        assert set(second.done_at) == {State.READ}

    def test_a_cancel_reaches_whoever_an_earlier_version_addressed(self) -> None:
        gone = freeze(order(), roster(children=(ChildDesk(desk=OTHER),)))
        now = roster(v=2, seats=community()[:2])
        second = freeze(cancelled(order()), now, gone)
        assert addressed(second) == ALL
        assert [child.desk for child in second.children] == [OTHER]

    def test_a_cancel_goes_to_children_that_were_never_released(self) -> None:
        upstairs = order(issuer="610802/s:mayor", desk="610802")
        audience = freeze(upstairs, street_roster(DESK))
        held = Sheet(DIRECTIVE, STREET)
        merge_relay(held, relay(upstairs, to=STREET), audience, NOON)
        assert fanout.unrelayed(held) == []
        withdrawn = cancelled(upstairs)
        merge_relay(held, relay(withdrawn, to=STREET), freeze(withdrawn, street_roster(DESK), audience), NOON)
        assert fanout.unrelayed(held) == [DESK]

    def test_a_cancel_that_overtakes_its_order_wins(self) -> None:
        held = Sheet(DIRECTIVE, DESK)
        merge_relay(held, relay(cancelled(order())), frozen(version=2, cancels=True), NOON)
        assert not merge_relay(held, relay(), frozen(), NOON)
        assert held.order is not None
        assert held.order.effect == "cancel"

    def test_a_close_travels_down_to_every_child_and_stops_the_clock(self) -> None:
        held = Sheet(DIRECTIVE, DESK)
        merge_relay(held, relay(), frozen(children=[ChildDesk(desk=OTHER, commander=AREA)]), NOON)
        merge_relay(held, relay(order(status="closed")), None, NOON)
        assert held.closed
        assert fanout.unrelayed(held) == [OTHER]
        assert held.next_due is None
        assert list(fanout.deliveries(held, frozen())) == []

    def test_an_extension_adds_the_child_here_and_only_here(self) -> None:
        held, _ = sheet()
        extended = order(
            changes=1, extensions=(Extension(desk=DESK, child=OTHER), Extension(desk=STREET, child="61"))
        )
        assert not merge_relay(held, relay(extended), None, NOON)
        assert held.children == {OTHER: True}
        assert fanout.unrelayed(held) == [OTHER]
