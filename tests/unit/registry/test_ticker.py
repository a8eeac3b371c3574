"""The ticker asks for each due desk once, and says the same from every replica."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.registry.ticker import Ticker
from shared.contracts.envelope import Message, header
from shared.contracts.registry import Changes, Recompile
from tests.builders.registry import COMMUNITY, DAY, NOON, SOURCE

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Stage:
    """A clock that is set, desks with their due days, and the log."""

    def __init__(self) -> None:
        self.at = NOON
        self.desks: dict[str, str] = {}
        self.appended: list[Message] = []

    def now(self) -> datetime:
        return self.at

    async def due(self, day: date, limit: int) -> list[dict[str, Any]]:
        found = [{"_id": desk, "next_due": due} for desk, due in self.desks.items() if due <= day.isoformat()]
        return found[:limit]

    async def append(self, messages: Sequence[Message]) -> None:
        self.appended += messages

    def ticker(self) -> Ticker:
        stage: Any = self
        return Ticker(lambda: stage, lambda: stage, clock=stage, zone=SHANGHAI, source=SOURCE, every=1.0)


async def test_a_due_desk_is_asked_for_once_until_its_next_day() -> None:
    stage, tomorrow = Stage(), DAY + timedelta(days=1)
    stage.desks = {COMMUNITY: DAY.isoformat(), "61": tomorrow.isoformat()}
    ticker = stage.ticker()
    await ticker.look()
    await ticker.look()
    (sent,) = stage.appended
    assert sent.key == COMMUNITY.encode()
    assert Changes.model_validate_json(sent.value or b"").rows == (Recompile(unit=COMMUNITY, on=DAY),)
    stage.desks[COMMUNITY] = tomorrow.isoformat()
    stage.at += timedelta(days=1)
    await ticker.look()
    assert {message.key for message in stage.appended[1:]} == {COMMUNITY.encode(), b"61"}


async def test_the_day_is_the_citys_not_utcs() -> None:
    stage = Stage()
    stage.desks = {COMMUNITY: (DAY + timedelta(days=1)).isoformat()}
    # 15:59 and 16:01 UTC are 23:59 and 00:01 in Shanghai.
    stage.at = NOON.replace(hour=15, minute=59)
    await stage.ticker().look()
    assert stage.appended == []
    stage.at = NOON.replace(hour=16, minute=1)
    await stage.ticker().look()
    assert len(stage.appended) == 1


async def test_two_replicas_send_one_command() -> None:
    stage = Stage()
    stage.desks = {COMMUNITY: DAY.isoformat()}
    await stage.ticker().look()
    stage.at += timedelta(seconds=1)
    await stage.ticker().look()
    first, second = stage.appended
    assert first.value == second.value
    assert header(first.headers, "ce_id") == header(second.headers, "ce_id")
