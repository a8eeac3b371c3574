"""An alert becomes a small order to one household's chain: answered, escalated and closed like any other."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.dispatch.domain.alert import raise_alert
from services.dispatch.domain.directive import SYSTEM, Directive
from services.dispatch.domain.escalation import targets
from services.dispatch.domain.frozen import freeze
from services.dispatch.presenting import directive_json
from services.dispatch.store import DIRECTIVES
from shared.contracts import dispatch as contract
from shared.contracts.base import json_bytes
from shared.contracts.directives import Audience, CancelDirective, Deadlines, DirectiveCommand, RaiseDirective
from shared.contracts.registry import ChildDesk, Roster, Seat
from shared.domain.authority import Refusal
from shared.flow.documents import Write
from shared.service.rosters import ROSTERS
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    DIRECTIVE,
    FLOOR1,
    GRID_CHIEF,
    HEAD,
    NOON,
    OTHER,
    alert,
    answer,
    community,
    handle,
    order,
    roster,
    seat,
    sheet,
)
from tests.unit.dispatch.loop import Dispatch

SOON = Deadlines(done=600, step=60)
ALONE = (seat(AREA, CHIEF),)
pytestmark = pytest.mark.req("S4-08")


def decided(here: Roster | None = None, **other: Any) -> Directive | Refusal:
    given: dict[str, Any] = {"actor": SYSTEM, "now": NOON, "known": None, "deadlines": SOON}
    said = {name: other.pop(name) for name in ("charge", "unit", "desk") if name in other}
    command = RaiseDirective(directive=DIRECTIVE, alert=alert(**said))
    return raise_alert(command, here=roster() if here is None else here, **{**given, **other})


def raised(here: Roster | None = None, **other: Any) -> Directive:
    made = decided(here, **other)
    assert isinstance(made, Directive), made
    return made


def names(made: Directive) -> list[str]:
    return [post.post for post in made.line]


class TestDecision:
    def test_it_is_an_order_to_the_charge_post_whose_chain_decides_for_it(self) -> None:
        made = raised()
        given = made.order
        assert (given.kind, given.effect, given.mode, given.status) == (
            "alert",
            "order",
            "straight-through",
            "open",
        )
        assert (given.issuer, given.desk, given.audience.posts) == (AREA, DESK, (FLOOR1,))
        assert (given.scope.unit, given.scope.desk, given.scope.path) == (
            alert().unit,
            DESK,
            roster().path,
        )
        assert (given.rule, given.household, given.text) == ("fever", "household-0001", alert().text)
        assert (given.deadlines, given.issued_at) == (SOON, NOON)
        assert names(made) == [AREA, GRID_CHIEF, HEAD]
        assert [post.holder for post in made.line] == [handle(AREA), handle(GRID_CHIEF), handle(HEAD)]

    def test_a_vacant_seat_stays_in_the_line_and_a_vacant_top_is_the_issuer_all_the_same(self) -> None:
        made = raised(roster(seats=community(vacant=[AREA, HEAD])))
        assert (made.order.issuer, names(made)) == (AREA, [AREA, GRID_CHIEF, HEAD])
        assert [post.holder for post in made.line] == [None, handle(GRID_CHIEF), None]

    @pytest.mark.parametrize("charge", [None, f"{DESK}001.b9/s:floor", f"{OTHER}/s:area"])
    def test_without_a_known_charge_post_the_desks_top_is_told(self, charge: str | None) -> None:
        made = raised(charge=charge)
        assert (made.order.issuer, made.order.audience.posts, names(made)) == (AREA, (AREA,), [AREA])

    def test_a_chain_of_one_is_told_and_decides_last_for_itself(self) -> None:
        made = raised(roster(seats=ALONE), charge=AREA)
        assert (made.order.issuer, made.order.audience.posts, names(made)) == (AREA, (AREA,), [AREA])

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"actor": "p-somebody"}, "not-the-loop"),
            ({"actor": ""}, "not-the-loop"),
            ({"known": Directive(order(), ())}, "directive-exists"),
            ({"here": roster(seats=())}, "no-chain"),
        ],
    )
    def test_it_is_refused_with_a_code(self, changes: dict[str, Any], code: str) -> None:
        refused = decided(**changes)
        assert isinstance(refused, Refusal)
        assert refused.code == code

    def test_a_desk_without_a_roster_has_no_chain(self) -> None:
        command = RaiseDirective(directive=DIRECTIVE, alert=alert())
        refused = raise_alert(command, actor=SYSTEM, now=NOON, known=None, here=None, deadlines=SOON)
        assert refused == Refusal("no-chain", DESK)

    def test_it_is_stored_and_shown_with_its_rule_and_household(self) -> None:
        made = raised()
        assert DIRECTIVES.decode(DIRECTIVES.encode(made)) == made
        shown = directive_json(made, 1)
        assert (shown["kind"], shown["rule"], shown["household"]) == ("alert", "fever", "household-0001")


class TestAudience:
    """Exactly the posts it names, wherever they stand, and never a desk below."""

    def frozen(self, seats: Sequence[Seat], **other: Any) -> list[str]:
        below = (ChildDesk(desk=OTHER, posts=3),)
        made = freeze(raised(**other).order, roster(seats=seats, children=below))
        assert made.children == ()
        return [each.post for each in made.seats]

    def test_the_charge_post_alone(self) -> None:
        assert self.frozen(community()) == [FLOOR1]

    def test_the_issuer_too_where_it_is_the_charge_post(self) -> None:
        assert self.frozen(community(), charge=AREA) == [AREA]

    def test_a_charge_post_that_has_left_is_answered_for_by_the_desks_top(self) -> None:
        assert self.frozen(community()[:3]) == [AREA]

    def test_in_an_order_posts_narrow_the_audience_inside_its_scope_and_below_its_issuer(self) -> None:
        named = Audience(posts=(AREA, FLOOR1, f"{OTHER}/s:area"))
        given = order(issuer=AREA, desk=DESK, audience=named)
        assert [each.post for each in freeze(given, roster()).seats] == [FLOOR1]


class TestClimbing:
    def chain(self, here: Roster, then: Roster | None = None, **other: Any) -> list[str]:
        made = raised(here, **other)
        held, audience = sheet(made.order, then or here)
        held.line = made.line
        return [to.post for to in targets(held, 0, audience)]

    def test_the_nearest_superior_first_and_the_top_last(self) -> None:
        assert self.chain(roster()) == [HEAD, GRID_CHIEF, AREA]

    def test_vacant_superiors_and_other_seats_of_the_same_person_are_skipped(self) -> None:
        seats = community(vacant=[HEAD], holders={GRID_CHIEF: handle(FLOOR1)})
        assert self.chain(roster(seats=seats)) == [AREA]

    def test_a_vacant_top_is_asked_when_nobody_else_is_left(self) -> None:
        seats = community(vacant=[AREA, GRID_CHIEF, HEAD])
        assert self.chain(roster(seats=seats)) == [AREA]

    def test_a_chain_of_one_is_asked_itself(self) -> None:
        assert self.chain(roster(seats=ALONE), charge=AREA) == [AREA]

    def test_nobody_below_decides_for_the_top_that_stands_in_for_a_charge_post_that_left(self) -> None:
        assert self.chain(roster(), roster(seats=community()[:3])) == [AREA]


class TestLoop:
    async def test_the_charge_posts_answer_closes_it(self) -> None:
        dispatch = Dispatch(roster())
        await dispatch.tell(alert(), actor="screening")
        assert dispatch.told() == [FLOOR1]
        assert not dispatch.progress(DESK).all_reported
        await dispatch.tell(answer(FLOOR1, "executed"))
        progress = dispatch.progress(DESK)
        assert (progress.complete, progress.total.total, progress.total.executed) == (True, 1, 1)

    @pytest.mark.parametrize("twice", [False, True])
    async def test_the_same_alert_again_is_one_directive_with_one_outcome(self, *, twice: bool) -> None:
        dispatch = Dispatch(roster(), twice=twice)
        await dispatch.tell(alert(), actor="screening")
        stored = dispatch.storage.body("directives", DIRECTIVE)
        # Another cause of the same alert, such as the same person's second reading that day.
        await dispatch.tell(alert(text="体温 38.6", at=NOON.replace(hour=13)), actor="screening")
        assert dispatch.storage.body("directives", DIRECTIVE) == stored
        assert dispatch.told() == [FLOOR1]
        assert len({json_bytes(outcome) for outcome in dispatch.bodies(contract.OUTCOME)}) == 1

    async def test_it_counts_against_nobodys_open_directives(self) -> None:
        dispatch = Dispatch(roster())
        await dispatch.tell(alert(), actor="screening")
        assert dispatch.storage.body("issuers", AREA) is None
        await dispatch.tell(answer(FLOOR1, "executed"))
        assert dispatch.storage.body("issuers", AREA) is None

    @pytest.mark.req("F-04")
    async def test_silence_climbs_post_by_post_and_the_top_decides_last(self) -> None:
        dispatch = Dispatch(roster())
        await dispatch.tell(alert(), actor="screening")
        for _ in range(4):
            await dispatch.silence()
        assert dispatch.asked() == [[HEAD], [GRID_CHIEF], [AREA], [AREA]]
        await dispatch.tell(answer(FLOOR1, "excused", by=AREA, reason="已由社区医生接诊"))
        progress = dispatch.progress(DESK)
        assert (progress.complete, progress.total.answered_for, progress.total.excused) == (True, 1, 1)

    async def test_a_vacant_charge_post_is_with_its_superior_at_once(self) -> None:
        dispatch = Dispatch(roster(seats=community(vacant=[FLOOR1, HEAD])))
        await dispatch.tell(alert(), actor="screening")
        assert (dispatch.told(), dispatch.asked()) == ([], [[GRID_CHIEF]])
        await dispatch.tell(answer(FLOOR1, "executed", by=GRID_CHIEF, reason="已上门"))
        assert dispatch.progress(DESK).complete

    async def test_the_last_decider_may_excuse_itself_and_nobody_else_may(self) -> None:
        dispatch = Dispatch(roster(seats=ALONE))
        await dispatch.tell(alert(charge=AREA), actor="screening")
        await dispatch.silence()
        assert dispatch.asked() == [[AREA]]
        await dispatch.tell(answer(AREA, "excused"))
        assert not dispatch.progress(DESK).all_reported
        await dispatch.tell(answer(AREA, "excused", by=AREA, reason="转区里"))
        assert dispatch.progress(DESK).complete

    async def test_a_post_that_is_not_the_last_decider_never_excuses_itself(self) -> None:
        dispatch = Dispatch(roster())
        await dispatch.tell(alert(), actor="screening")
        await dispatch.tell(answer(FLOOR1, "excused", by=FLOOR1, reason="不便"))
        assert not dispatch.progress(DESK).all_reported

    async def test_the_holder_of_its_issuing_post_may_withdraw_it(self) -> None:
        dispatch = Dispatch(roster())
        await dispatch.tell(alert(), actor="screening")
        withdrawn = DirectiveCommand(
            command=CancelDirective(directive=DIRECTIVE, issuer=AREA, reason="体温计故障")
        )
        await dispatch.tell(withdrawn, actor=handle(AREA))
        assert dispatch.told() == [FLOOR1, FLOOR1]
        await dispatch.tell(answer(FLOOR1, "read", version=2))
        assert dispatch.progress(DESK).complete

    async def test_a_roster_that_lost_its_seats_meanwhile_is_never_an_empty_audience(self) -> None:
        dispatch = Dispatch(roster())
        made = raised()
        dispatch.storage.put(Write(ROSTERS.name, DESK, 1, ROSTERS.encode(roster(v=2, seats=()))))
        relay = contract.Relay(order=made.order, to=DESK, line=made.line)
        await dispatch.tell(relay)
        progress = dispatch.progress(DESK)
        assert (progress.total.total, progress.total.unreached, progress.all_reported) == (1, 1, False)
        await dispatch.tell(answer(f"{DESK}/*", "executed", by=HEAD, reason="已上门"))
        assert dispatch.progress(DESK).all_reported

    async def test_nobody_raises_one_by_command(self) -> None:
        dispatch = Dispatch(roster())
        command = RaiseDirective(directive=DIRECTIVE, alert=alert())
        await dispatch.tell(DirectiveCommand(command=command), actor=handle(AREA))
        (outcome,) = dispatch.bodies(contract.OUTCOME)
        assert b"not-the-loop" in json_bytes(outcome)
