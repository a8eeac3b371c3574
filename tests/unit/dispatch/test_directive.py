"""What an issuing desk decides: every refusal by its code, and what an accepted command makes."""

from datetime import timedelta
from typing import Any

import pytest

from services.dispatch.domain import directive as rules
from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.domain.directive import SYSTEM, Directive, Issuer, Limits
from services.dispatch.store import DIRECTIVES, ISSUERS
from shared.contracts.directives import (
    AmendDirective,
    Audience,
    CancelDirective,
    CloseDirective,
    Deadlines,
    ExtendDirective,
    Extension,
    IssueDirective,
)
from shared.contracts.dispatch import LinePost
from shared.contracts.registry import ChildDesk, Roster
from shared.domain.authority import Refusal
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    DIRECTIVE,
    GRID,
    GRID_CHIEF,
    HEAD,
    HOUR,
    NOON,
    OTHER,
    STREET,
    handle,
    order,
    roster,
    street_roster,
)

TODAY = Deadlines(done=7200, step=600)
ROSTERS = {DESK: roster(), STREET: street_roster()}
LINE = LinePost(desk=STREET, post=CHIEF, holder="boss")


def issue(**other: Any) -> Directive | Refusal:
    given: dict[str, Any] = {
        "actor": "boss",
        "now": NOON,
        "known": None,
        "issuer": Issuer(),
        "rosters": ROSTERS,
        "deadlines": TODAY,
        "limits": Limits(audience=100, open_directives=3),
    }
    fields = {"directive": DIRECTIVE, "issuer": CHIEF, "text": "集合", "scope": DESK}
    command = {
        name: other.pop(name)
        for name in list(other)
        if name in IssueDirective.model_fields and name != "issuer"
    }
    by = other.pop("by", CHIEF)
    return rules.issue(IssueDirective(**{**fields, **command, "issuer": by}), **{**given, **other})


def known(**other: Any) -> Directive:
    return Directive(order(**other), (LINE,))


def code(decided: Directive | Refusal) -> str | None:
    return decided.code if isinstance(decided, Refusal) else None


def accepted(decided: Directive | Refusal) -> Directive:
    assert isinstance(decided, Directive), decided
    return decided


class TestIssue:
    def test_it_carries_what_every_desk_below_needs(self) -> None:
        made = accepted(issue(mode="straight-through", audience=Audience(types=("s:floor",))))
        given = made.order
        assert (given.version, given.epoch, given.changes, given.status) == (1, 0, 0, "open")
        assert (given.desk, given.scope.unit, given.scope.desk) == (STREET, DESK, DESK)
        assert given.scope.path == ("61", "6108", "610802", STREET)
        assert (given.mode, given.audience.types) == ("straight-through", ("s:floor",))
        assert given.issued_at == NOON
        assert made.line == (LINE,)

    @pytest.mark.req("M-06")
    def test_without_deadlines_those_of_the_day_apply(self) -> None:
        assert accepted(issue()).order.deadlines == TODAY
        asked = Deadlines(done=60, step=60)
        assert accepted(issue(deadlines=None)).order.due_at == NOON + timedelta(seconds=7200)
        command = IssueDirective(directive=DIRECTIVE, issuer=CHIEF, text="x", scope=DESK, deadlines=asked)
        made = rules.issue(
            command, actor="boss", now=NOON, known=None, issuer=Issuer(), rosters=ROSTERS,
            deadlines=TODAY, limits=Limits(100, 3),
        )  # fmt: skip
        assert accepted(made).order.deadlines == asked

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"known": known()}, "directive-exists"),
            ({"kind": "request"}, "unsupported-kind"),
            ({"by": f"{STREET}/s:nobody"}, "unknown-issuer"),
            ({"rosters": {DESK: roster()}}, "unknown-issuer"),
            ({"actor": "somebody"}, "not-the-holder"),
            ({"actor": ""}, "not-the-holder"),
            ({"rosters": {STREET: street_roster()}}, "unknown-scope"),
            ({"scope": f"{GRID}.b9"}, "unknown-scope"),
            ({"limits": Limits(audience=4, open_directives=3)}, "audience-too-large"),
            ({"issuer": Issuer({"a", "b", "c"})}, "too-many-open-directives"),
        ],
    )
    @pytest.mark.req("U-20")
    def test_it_is_refused_with_a_code(self, changes: dict[str, Any], expected: str) -> None:
        assert code(issue(**changes)) == expected

    def test_a_vacant_post_issues_nothing(self) -> None:
        vacant = street_roster(seats=(rosterless(CHIEF),))
        assert code(issue(rosters={DESK: roster(), STREET: vacant})) == "not-the-holder"

    def test_the_audience_counts_every_desk_below(self) -> None:
        wide = {STREET: street_roster(DESK, OTHER)}
        assert code(issue(scope=STREET, rosters=wide, limits=Limits(10, 3))) == "audience-too-large"
        assert code(issue(scope=STREET, rosters=wide, limits=Limits(11, 3))) is None


def rosterless(post: str) -> Any:
    return street_roster().seats[0].model_copy(update={"post": post, "holder": None})


class TestScope:
    """An order stays inside its issuer's own scope, by path and never by the prefix of a code."""

    @pytest.mark.parametrize("scope", [DESK, GRID, f"{GRID}.b1", f"{GRID}.b1.f1"])
    def test_a_desks_own_post_reaches_everything_at_the_desk(self, scope: str) -> None:
        assert code(issue(by=AREA, actor=handle(AREA), scope=scope)) is None

    @pytest.mark.parametrize("scope", [GRID, f"{GRID}.b1", f"{GRID}.b1.f2"])
    def test_a_grid_reaches_itself_and_what_lies_in_it(self, scope: str) -> None:
        assert code(issue(by=GRID_CHIEF, actor=handle(GRID_CHIEF), scope=scope)) is None

    @pytest.mark.parametrize(("by", "scope"), [(GRID_CHIEF, DESK), (HEAD, GRID), (AREA, STREET)])
    def test_nobody_orders_upward(self, by: str, scope: str) -> None:
        assert code(issue(by=by, actor=handle(by), scope=scope)) == "outside-scope"

    def test_a_post_that_is_not_the_desks_own_reaches_no_other_desk(self) -> None:
        aide = street_roster().seats[0].model_copy(update={"unit": f"{STREET}.x1"})
        assert code(issue(rosters={DESK: roster(), STREET: street_roster(seats=(aide,))})) == "outside-scope"

    def test_a_desk_whose_path_leads_elsewhere_is_outside_whatever_its_code_says(self) -> None:
        moved = roster(path=("61", "6108", "610899"))
        assert code(issue(rosters={DESK: moved, STREET: street_roster()})) == "outside-scope"

    def test_a_desk_that_lies_here_by_path_is_inside_whatever_its_code_says(self) -> None:
        foreign = roster("610899001001", path=("61", "6108", "610802", STREET))
        there: dict[str, Roster] = {foreign.desk: foreign, STREET: street_roster()}
        assert code(issue(scope=foreign.desk, rosters=there)) is None


class TestAmend:
    def amend(self, known: Directive | None, **other: Any) -> Directive | Refusal:
        given: dict[str, Any] = {"actor": "boss", "now": NOON + HOUR, "here": street_roster()}
        said = {"text": "今日12时前完成。"} if not other.keys() & AmendDirective.model_fields.keys() else {}
        fields = {**said, **{name: it for name, it in other.items() if name in AmendDirective.model_fields}}
        given |= {name: it for name, it in other.items() if name in given}
        by = other.get("by", CHIEF)
        command = AmendDirective(directive=DIRECTIVE, issuer=by, reason="时限提前", **fields)
        return rules.amend(command, known=known, **given)

    @pytest.mark.req("F-03")
    def test_it_is_the_next_version_of_the_same_epoch_and_scope(self) -> None:
        made = accepted(self.amend(known(changes=1, extensions=(Extension(desk=STREET, child=OTHER),))))
        before = order(changes=1, extensions=(Extension(desk=STREET, child=OTHER),))
        changed = {"version": 2, "text": "今日12时前完成。", "issued_at": NOON + HOUR}
        assert made.order == before.model_copy(update=changed)
        assert made.reason == "时限提前"

    def test_what_is_named_changes_and_the_rest_stays(self) -> None:
        floors = Audience(types=("s:floor",))
        made = accepted(self.amend(known(), audience=floors, mode="straight-through", deadlines=TODAY))
        assert (made.order.audience, made.order.mode, made.order.text) == (
            floors, "straight-through", order().text,
        )  # fmt: skip
        assert made.order.due_at == NOON + 3 * HOUR

    def test_again_raises_the_epoch_and_needs_no_other_change(self) -> None:
        made = accepted(self.amend(known(epoch=3, version=5), again=True))
        assert (made.order.version, made.order.epoch, made.order.text) == (6, 4, order().text)

    @pytest.mark.parametrize(
        ("before", "changes", "expected"),
        [
            (None, {}, "unknown-directive"),
            (known(), {"by": AREA}, "not-the-issuer"),
            (known(), {"actor": "somebody"}, "not-the-holder"),
            (known(), {"here": None}, "not-the-holder"),
            (known(status="closed"), {}, "already-closed"),
            (known(effect="cancel", version=2), {"again": True}, "already-cancelled"),
            (known(kind="alert"), {"again": True}, "alert-not-amended"),
            (known(), {"again": False}, "nothing-to-amend"),
            (known(), {"text": order().text, "mode": "relayed", "audience": Audience()}, "nothing-to-amend"),
        ],
    )
    def test_it_is_refused_with_a_code(
        self, before: Directive | None, changes: dict[str, Any], expected: str
    ) -> None:
        assert code(self.amend(before, **changes)) == expected

    def test_the_same_deadlines_are_a_change_for_they_run_anew(self) -> None:
        made = accepted(self.amend(known(), deadlines=order().deadlines))
        assert made.order.due_at == NOON + 2 * HOUR

    def test_whoever_holds_the_post_now_may_amend_and_decides_last(self) -> None:
        successor = street_roster(seats=(street_roster().seats[0].model_copy(update={"holder": "new"}),))
        made = accepted(self.amend(known(), actor="new", here=successor))
        assert [post.holder for post in made.line] == ["new"]

    def test_a_close_of_the_version_before_is_refused(self) -> None:
        made = accepted(self.amend(known()))
        close = CloseDirective(directive=DIRECTIVE, issuer=CHIEF, version=1, changes=0)
        assert code(rules.close(close, actor=SYSTEM, now=NOON, known=made)) == "another-version"

    def test_an_amended_order_may_be_cancelled(self) -> None:
        made = accepted(self.amend(known(), again=True))
        withdraw = CancelDirective(directive=DIRECTIVE, issuer=CHIEF, reason="情况已排除")
        last = accepted(
            rules.cancel(withdraw, actor="boss", now=NOON + 2 * HOUR, known=made, here=street_roster())
        )
        assert (last.order.version, last.order.epoch, last.order.effect) == (3, 1, "cancel")


class TestCancel:
    def cancel(self, known: Directive | None, **other: Any) -> Directive | Refusal:
        given: dict[str, Any] = {"actor": "boss", "now": NOON + HOUR, "here": street_roster(), **other}
        by = given.pop("by", CHIEF)
        command = CancelDirective(directive=DIRECTIVE, issuer=by, reason="情况已排除")
        return rules.cancel(command, known=known, **given)

    def test_it_is_the_next_version_and_goes_straight_through(self) -> None:
        made = accepted(self.cancel(known()))
        assert (made.order.version, made.order.effect, made.order.mode) == (2, "cancel", "straight-through")
        assert made.order.issued_at == NOON + HOUR
        assert made.order.scope == order().scope
        assert made.reason == "情况已排除"

    @pytest.mark.parametrize(
        ("before", "changes", "expected"),
        [
            (None, {}, "unknown-directive"),
            (known(), {"by": AREA}, "not-the-issuer"),
            (known(), {"actor": "somebody"}, "not-the-holder"),
            (known(), {"here": None}, "not-the-holder"),
            (known(status="closed"), {}, "already-closed"),
            (known(effect="cancel", version=2), {}, "already-cancelled"),
        ],
    )
    def test_it_is_refused_with_a_code(
        self, before: Directive | None, changes: dict[str, Any], expected: str
    ) -> None:
        assert code(self.cancel(before, **changes)) == expected

    def test_whoever_holds_the_post_now_may_cancel(self) -> None:
        successor = street_roster(seats=(street_roster().seats[0].model_copy(update={"holder": "new"}),))
        made = accepted(self.cancel(known(), actor="new", here=successor))
        assert [post.holder for post in made.line] == ["new"]


class TestLoop:
    """Close and extend are the loop's own: they agree with what the directive is now, or are refused."""

    def close(self, before: Directive | None, *, actor: str = SYSTEM, **other: int) -> Directive | Refusal:
        command = CloseDirective(
            **{"directive": DIRECTIVE, "issuer": CHIEF, "version": 1, "changes": 0, **other}
        )
        return rules.close(command, actor=actor, now=NOON + HOUR, known=before)

    def extend(
        self, before: Directive | None, *, actor: str = SYSTEM, version: int = 1
    ) -> Directive | Refusal:
        command = ExtendDirective(
            directive=DIRECTIVE, issuer=CHIEF, version=version, desk=STREET, child=OTHER
        )
        return rules.extend(command, actor=actor, known=before)

    @pytest.mark.req("S3-03")
    def test_a_close_that_agrees_closes(self) -> None:
        made = accepted(self.close(known(changes=2), changes=2))
        assert (made.order.status, made.closed_at) == ("closed", NOON + HOUR)
        assert (made.order.version, made.order.changes) == (1, 2)

    @pytest.mark.parametrize(
        ("before", "changes", "expected"),
        [
            (None, {}, "unknown-directive"),
            (known(), {"actor": "boss"}, "not-the-loop"),
            (known(status="closed"), {}, "already-closed"),
            (known(version=2), {}, "another-version"),
            (known(changes=1), {}, "changed-since"),
            (known(), {"changes": 1}, "changed-since"),
        ],
    )
    @pytest.mark.req("S3-03")
    def test_a_close_is_refused_with_a_code(
        self, before: Directive | None, changes: dict[str, Any], expected: str
    ) -> None:
        assert code(self.close(before, **changes)) == expected

    def test_an_extension_is_a_change_that_a_close_must_have_seen(self) -> None:
        made = accepted(self.extend(known()))
        assert made.order.extensions == (Extension(desk=STREET, child=OTHER),)
        assert made.order.changes == 1
        assert code(self.close(made)) == "changed-since"
        assert code(self.close(made, changes=1)) is None

    @pytest.mark.parametrize(
        ("before", "changes", "expected"),
        [
            (None, {}, "unknown-directive"),
            (known(), {"actor": "boss"}, "not-the-loop"),
            (known(status="closed"), {}, "already-closed"),
            (known(version=2), {}, "another-version"),
            (known(extensions=(Extension(desk=STREET, child=OTHER),)), {}, "already-extended"),
        ],
    )
    def test_an_extension_is_refused_with_a_code(
        self, before: Directive | None, changes: dict[str, Any], expected: str
    ) -> None:
        assert code(self.extend(before, **changes)) == expected


@pytest.mark.req("M-06")
def test_the_deadlines_of_an_order_and_of_an_alert_stand_in_one_version() -> None:
    alert = Deadlines(done=60, step=10)
    version = DefaultDeadlines(done=7200, step=600, alert=alert)
    assert (version.order, version.alert) == (TODAY, alert)


def test_the_audience_of_a_part_is_the_seats_in_it() -> None:
    there = roster(children=(ChildDesk(desk=OTHER, posts=7),))
    assert rules.audience_size(there, DESK) == 12
    assert rules.audience_size(there, f"{GRID}.b1") == 3


@pytest.mark.parametrize(
    "stored",
    [
        known(),
        Directive(order(status="closed"), (LINE,), "结束", NOON),
        Directive(order(version=2), (LINE, LINE), None),
    ],
)
def test_a_directive_is_read_back_as_it_was_stored(stored: Directive) -> None:
    assert DIRECTIVES.decode(DIRECTIVES.encode(stored)) == stored
    issuer = Issuer({"b", "a"})
    assert ISSUERS.decode(ISSUERS.encode(issuer)) == issuer
