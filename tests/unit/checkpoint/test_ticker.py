"""The ticker says what ends by itself: found by due time, once, alike from every replica, again if early."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from services.checkpoint.domain.ground import SYSTEM
from services.checkpoint.store import DUE_FIELDS, INDEXES
from services.checkpoint.ticker import Ticker
from shared.contracts import checkpoint as contract
from shared.contracts.checkpoint import OpenEmergency
from shared.contracts.envelope import Message, header
from shared.flow.documents import Body
from tests.builders.checkpoint import (
    DESK,
    GATE2,
    HOUR,
    LEADER,
    MINUTE,
    NOON,
    SOURCE,
    Checkpoint,
    crossed,
    crossing,
    issuing,
)

UNTIL = NOON + 4 * HOUR


class Stage:
    """A clock that is set, a checkpoint in memory whose due documents are looked up, and the log."""

    def __init__(self) -> None:
        self.at: datetime = UNTIL
        self.checkpoint = Checkpoint()
        self.appended: list[Message] = []

    def now(self) -> datetime:
        return self.at

    async def due(self, collection: str, now_ms: int, limit: int) -> list[Body]:
        found = [
            {"_id": id_, **{name: body[name] for name in DUE_FIELDS[collection]}}
            for (name, id_), body in self.checkpoint.storage.all().items()
            if name == collection and body.get("next_due") and body["next_due"] <= now_ms
        ]
        return sorted(found, key=lambda body: body["next_due"])[:limit]

    async def append(self, messages: Sequence[Message]) -> None:
        self.appended += messages

    def ticker(self) -> Ticker:
        stage: Any = self
        return Ticker(lambda: stage, lambda: stage, clock=stage, source=SOURCE, every=1.0)

    async def with_everything(self) -> "Stage":
        """Put an emergency, a pass and somebody outside, all due at the same time."""
        emergency = OpenEmergency(gate=GATE2, issuer=LEADER, kind="fire", reason="起火", until=UNTIL)
        assert (await self.checkpoint.tell(emergency)).accepted
        assert (await self.checkpoint.tell(issuing())).accepted
        await self.checkpoint.take(crossed(crossing()), now=NOON + HOUR)
        return self

    async def heard(self, *, now: datetime) -> None:
        """Let the consumers read what was appended."""
        for record in self.appended:
            await self.checkpoint.take(record, now=now)
        self.appended.clear()


@pytest.mark.req("F-09", "S2-05", "S1-09")
async def test_what_is_due_ends_by_itself_and_nobody_is_asked() -> None:
    stage = await Stage().with_everything()
    await stage.ticker().look()
    assert {header(sent.headers, "ce_type") for sent in stage.appended} == {contract.COMMAND, contract.TICK}
    assert {header(sent.headers, "ce_actor") for sent in stage.appended} == {SYSTEM}
    assert {sent.key for sent in stage.appended} == {DESK.encode()}
    await stage.heard(now=UNTIL)
    checkpoint = stage.checkpoint
    assert checkpoint.gate(GATE2).emergency is None
    assert checkpoint.pass_().status == "expired"
    assert checkpoint.presence()["overdue"]
    assert len(checkpoint.said(contract.ALERT)) == 1
    await stage.ticker().look()
    assert stage.appended == []


async def test_nothing_is_said_before_its_time() -> None:
    stage = await Stage().with_everything()
    stage.at = UNTIL - MINUTE
    await stage.ticker().look()
    assert stage.appended == []


async def test_one_ticker_says_it_once_and_two_replicas_say_the_same() -> None:
    stage = await Stage().with_everything()
    ticker = stage.ticker()
    await ticker.look()
    await ticker.look()
    first = [header(sent.headers, "ce_id") for sent in stage.appended]
    assert len(first) == len(set(first)) == 3
    stage.appended.clear()
    stage.at += MINUTE / 2
    await stage.ticker().look()
    assert [header(sent.headers, "ce_id") for sent in stage.appended] == first


async def test_what_came_too_early_for_the_broker_is_said_again_a_minute_later() -> None:
    stage = await Stage().with_everything()
    ticker = stage.ticker()
    await ticker.look()
    await stage.heard(now=UNTIL - MINUTE / 2)
    assert stage.checkpoint.gate(GATE2).emergency is not None
    assert not stage.checkpoint.presence()["overdue"]
    stage.at += MINUTE
    await ticker.look()
    await stage.heard(now=UNTIL + MINUTE / 2)
    assert stage.checkpoint.gate(GATE2).emergency is None
    assert stage.checkpoint.pass_().status == "expired"
    assert stage.checkpoint.presence()["overdue"]


@pytest.mark.req("F-09")
def test_every_look_is_answered_by_an_index() -> None:
    for collection, fields in DUE_FIELDS.items():
        assert ["next_due"] in INDEXES[collection]
        assert "next_due" in fields
