"""What the oracle makes of orders and answers: written down by hand, as the design says it (§4.3, §4.6)."""

from datetime import timedelta
from typing import Any

import pytest

from cli.verify import dispatch
from shared.contracts import dispatch as contract
from shared.contracts.base import Scope
from shared.contracts.directives import (
    AmendDirective,
    CancelDirective,
    CloseDirective,
    Deadlines,
    DirectiveCommand,
    IssueDirective,
    Order,
)
from shared.contracts.dispatch import Answer, LinePost, Relay, SheetFrozen
from shared.contracts.registry import ChildDesk
from tests.builders.log import NOON, Written
from tests.harness.world import BOSS, FIRST, SECOND, STREET, STREET_DUTY, area, chief, community, member

ID = "directive-1"
DEADLINES = Deadlines(done=3600, step=1800)


def order(**other: Any) -> Order:
    fields: dict[str, Any] = {
        "directive": ID, "issuer": BOSS, "desk": "610802", "text": "逐户排查", "deadlines": DEADLINES,
        "scope": Scope(unit=STREET, desk=STREET, path=("610802",)), "issued_at": NOON,
    }  # fmt: skip
    return Order(**{**fields, **other})


class Told(Written):
    """An order told to one community, and what was answered there."""

    def relay(
        self, to: str = FIRST, *, at: float = 0, frozen: bool = True, children: tuple[str, ...] = (),
        **said: Any,
    ) -> None:  # fmt: skip
        line = (LinePost(desk="610802", post=BOSS, holder="boss"),)
        relay = Relay(order=order(**said), to=to, sender=STREET if to != STREET else None, line=line)
        self.say(contract.DESKS_TOPIC, relay, key=to, at=at)
        if frozen and relay.order.status == "open":
            seats = community(to).seats if to != STREET else ()
            below = tuple(ChildDesk(desk=child) for child in children)
            fact = SheetFrozen(
                directive=ID, version=relay.order.version, desk=to, roster_v=1, seats=seats, children=below
            )
            key = f"{ID}/{to}/frozen/{relay.order.version}"
            self.say(contract.PROGRESS_TOPIC, fact, key=key, at=at)

    def answer(
        self, post: str, state: str, *, at: float = 1, id_: str = "", desk: str = FIRST, **said: Any
    ) -> str:
        if state == "refused" or "by" in said:
            said.setdefault("reason", "because")
        fields = {"directive": ID, "version": 1, "epoch": 0, "desk": desk, "at": NOON + timedelta(seconds=at)}
        body = Answer(**{**fields, "addressee": post, "state": state, **said})
        return self.say(contract.ACKS_TOPIC, body, key=desk, at=at, id_=id_)

    def said(self, *late: str) -> dict[str, Any]:
        return dispatch.said(self.log, {(ID, FIRST): frozenset(late)})

    def entry(self, post: str, *late: str) -> dict[str, Any]:
        return dict(self.said(*late)[f"{ID} at {FIRST}: {post}"])

    def progress(self, desk: str = FIRST) -> dict[str, Any]:
        return dict(self.said()[f"progress of {ID} at {desk}"])


@pytest.fixture
def told() -> Told:
    told = Told()
    told.relay()
    return told


def test_of_several_answers_the_highest_stands_whichever_came_first(told: Told) -> None:
    for state in ("relayed", "read", "delivered"):
        told.answer(chief(FIRST), state)
    assert told.entry(chief(FIRST)) == {"state": "relayed", "reached": "relayed", "answered for": False}


def test_an_answer_said_twice_is_counted_once(told: Told) -> None:
    for _ in range(2):
        told.answer(member(FIRST), "read", id_="answer-twice")
    assert (told.progress()["read"], told.progress()["done"], told.progress()["total"]) == (1, 1, 4)


def test_a_refusal_shows_that_it_was_read_and_is_not_done(told: Told) -> None:
    told.answer(member(FIRST), "refused")
    assert {name: told.progress()[name] for name in ("read", "refused", "done", "unreached")} == {
        "read": 1, "refused": 1, "done": 0, "unreached": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "counts"),
    [
        (chief(FIRST), True),
        (area(FIRST), True),
        (BOSS, True),
        (member(FIRST, 2), False),
        (member(FIRST), False),
    ],
)
def test_only_a_superior_here_or_on_the_line_answers_for_another(
    told: Told, by: str, *, counts: bool
) -> None:
    told.answer(member(FIRST), "excused", by=by)
    assert told.entry(member(FIRST))["answered for"] is counts
    assert told.progress()["done"] == counts


def test_nobody_excuses_himself_and_a_stranger_is_not_counted(told: Told) -> None:
    told.answer(member(FIRST), "excused")
    told.answer(chief(SECOND), "relayed")
    assert told.progress()["unreached"] == told.progress()["total"] == 4


def test_an_answer_may_come_before_what_it_answers() -> None:
    told = Told()
    told.answer(member(FIRST), "read", at=-5)
    told.relay(at=0)
    assert told.entry(member(FIRST))["state"] == "read"


def test_a_plain_amendment_carries_answers_on_and_one_that_asks_again_does_not(told: Told) -> None:
    told.answer(member(FIRST), "read", at=1)
    told.relay(at=10, version=2)
    told.answer(chief(FIRST), "relayed", at=11)
    assert (told.entry(member(FIRST))["state"], told.entry(chief(FIRST))["state"]) == ("read", "relayed")
    told.relay(at=20, version=3, epoch=1)
    told.answer(area(FIRST), "relayed", at=21, version=2)
    told.answer(member(FIRST, 2), "read", at=22, version=3, epoch=1)
    states = [told.entry(post)["state"] for post in (member(FIRST), area(FIRST), member(FIRST, 2))]
    assert states == ["addressed", "addressed", "read"]


def test_a_cancel_counts_afresh_and_needs_only_to_be_known(told: Told) -> None:
    told.answer(chief(FIRST), "relayed", at=1)
    told.relay(at=10, version=2, effect="cancel")
    told.answer(chief(FIRST), "relayed", at=11)
    assert told.progress()["done"] == 0
    told.answer(chief(FIRST), "read", at=12, version=2)
    assert told.progress()["done"] == 1


def test_what_was_said_long_after_the_close_does_not_count(told: Told) -> None:
    told.relay(at=10, status="closed")
    told.answer(member(FIRST), "read", at=100)
    assert told.entry(member(FIRST))["state"] == "addressed"


def test_of_what_met_the_close_the_database_says_on_which_side_it_fell(told: Told) -> None:
    told.relay(at=10, status="closed")
    id_ = told.answer(member(FIRST), "read", at=11)
    assert told.entry(member(FIRST))["state"] == "read"
    assert told.entry(member(FIRST), id_)["state"] == "addressed"


def test_long_before_the_close_the_database_is_not_asked(told: Told) -> None:
    id_ = told.answer(member(FIRST), "read", at=1)
    told.relay(at=100, status="closed")
    assert told.entry(member(FIRST), id_)["state"] == "read"


def test_a_desk_without_a_roster_is_one_entry_that_a_superior_decides() -> None:
    told = Told()
    told.relay(frozen=False)
    told.answer(f"{FIRST}/*", "executed")
    told.answer(f"{FIRST}/*", "read", by=BOSS)
    assert (told.progress()["total"], told.progress()["done"]) == (1, 0)
    told.answer(f"{FIRST}/*", "executed", by=BOSS)
    assert told.progress()["done"] == 1


def test_progress_adds_up_what_lies_below_and_says_who_is_missing() -> None:
    told = Told()
    told.relay(STREET, children=(FIRST, SECOND))
    told.relay(FIRST)
    told.answer(chief(FIRST), "relayed")
    shown = told.progress(STREET)
    assert (shown["total"], shown["relayed"], shown["desks"], shown["missing"]) == (4, 1, 2, 1)
    told.relay(SECOND)
    shown = told.progress(STREET)
    assert (shown["total"], shown["desks"], shown["missing"], shown["complete"]) == (8, 3, 0, False)


def test_a_directive_is_what_its_accepted_commands_made_of_it() -> None:
    told = Told()
    issue = IssueDirective(directive=ID, issuer=STREET_DUTY, text="x", scope=STREET)
    said = [
        (issue, True),
        (AmendDirective(directive=ID, issuer=STREET_DUTY, reason="y", text="z", again=True), True),
        (CancelDirective(directive=ID, issuer=STREET_DUTY, reason="no"), False),
        (CloseDirective(directive=ID, issuer=STREET_DUTY, version=2, changes=0), True),
    ]
    for command, accepted in said:
        told.command(
            contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC, DirectiveCommand(command=command),
            key=f"{STREET}/{ID}", accepted=(accepted,),
        )  # fmt: skip
    assert told.said()[f"directive {ID}"] == {
        "version": 2, "epoch": 1, "changes": 0, "effect": "order", "status": "closed",
    }  # fmt: skip
    assert told.said()[f"open directives of {STREET_DUTY}"] == []


def test_a_command_that_was_never_answered_is_told() -> None:
    told = Told()
    issue = IssueDirective(directive=ID, issuer=STREET_DUTY, text="x", scope=STREET)
    id_ = told.say(contract.COMMANDS_TOPIC, DirectiveCommand(command=issue), key=f"{STREET}/{ID}")
    assert told.said() == {f"command {id_}": None}
