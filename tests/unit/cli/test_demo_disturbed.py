"""The demonstration's people when something was killed: they ask again, and nothing late is called wrong."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from cli.demo import asking, load
from cli.demo.asking import command
from cli.demo.gate import outage
from cli.demo.gate.outage import without_kafka
from cli.demo.gate.scenes import Scenes
from cli.errors import UserError

NOW = datetime(2022, 1, 5, 8, tzinfo=UTC)
WINDOW = timedelta(seconds=6)
EARLIER, LATER = NOW - WINDOW, NOW + WINDOW


class Gate:
    """A crowd whose gate answers with these codes, one after another."""

    def __init__(self, *codes: str) -> None:
        self._codes = iter(codes)
        self.asked: list[tuple[str, ...]] = []
        self.issued = self.opened = 0
        self.phase = "before"
        self.office = self
        self.compound = SimpleNamespace(exit="exit", closed="closed", other=lambda *_: None)
        self.ledger = SimpleNamespace(surprises=[])
        self.stage = SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW))

    def showing(self, *_: object) -> None:
        """Show whatever was issued last."""

    async def ask(self, _asked: object, *wanted: str) -> dict[str, str]:
        self.asked.append(wanted)
        return {"code": next(self._codes)}

    async def issue(self, *_: object) -> datetime:
        self.issued += 1
        return LATER

    async def open_for_emergency(self, _seconds: float) -> datetime:
        self.opened += 1
        return EARLIER if self.opened == 1 else LATER


def scenes(gate: Any) -> Scenes:
    return Scenes(gate)


async def leave(gate: Gate, until: datetime) -> None:
    whose: Any = None
    await scenes(gate).leave(whose, until, WINDOW)


async def test_who_was_held_up_until_the_window_was_over_leaves_with_another_pass() -> None:
    gate = Gate("expired", "signature-only")
    await leave(gate, EARLIER)
    assert (gate.issued, gate.ledger.surprises) == (1, [])
    # Only of a pass issued a moment ago may the gate not have heard.
    assert ["signature-only" in wanted for wanted in gate.asked] == [False, True]


async def test_a_pass_that_is_called_expired_before_its_time_is_a_difference() -> None:
    gate = Gate("expired")
    await leave(gate, LATER)
    assert gate.issued == 0
    assert gate.ledger.surprises == ["before: a pass was called expired before its time"]


async def test_an_emergency_that_nobody_saw_open_is_opened_again() -> None:
    gate = Gate("gate-closed", "gate-closed", "emergency", "seen-elsewhere")
    await scenes(gate).emergency(4.0)
    # Found closed once after its end, and once before the gate had heard of the second.
    assert (gate.opened, gate.ledger.surprises) == (2, [])


async def test_a_command_is_sent_under_one_key_until_it_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "AGAIN_AFTER_S", 0)
    keys: list[str] = []
    replies = [None, 503, 202, 202, 201]

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        status = replies.pop(0)
        if status is None:
            raise httpx.ConnectError("killed")
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gate") as client:
        reply = await command(client, "/passes", headers={"Idempotency-Key": "one"})
    assert (reply.status_code, keys) == (201, ["one"] * 5)


@pytest.mark.parametrize("status", [None, 503, 202])
async def test_who_never_answers_or_decides_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    monkeypatch.setattr(asking, "AGAIN_AFTER_S", 0)
    monkeypatch.setattr(asking, "ANSWERED_WITHIN_S", 0.05)

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if status is None:
            raise httpx.ConnectError("killed")
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gate") as client:
        with pytest.raises(UserError, match=r"^nobody (answers|decides) POST /passes at http://gate"):
            await asyncio.wait_for(command(client, "/passes"), 5)


async def test_a_group_that_never_reads_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def committed(*_: str) -> dict[int, int]:
        return {0: 1}

    monkeypatch.setattr(load, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(load, "READ_WITHIN_S", 0.05)
    monkeypatch.setattr(load, "_committed", committed)
    await load.until_read("nowhere", "dispatch.rosters", {0: 1})
    with pytest.raises(UserError, match=r"dispatch\.rosters has not read"):
        await asyncio.wait_for(load.until_read("nowhere", "dispatch.rosters", {0: 2}), 5)


class Stack:
    """A stack that only notes what is asked of it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_back = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def cut(self, name: str) -> None:
        self.told.append(f"cut {name}")

    def resume(self, name: str) -> None:
        self.told.append(f"resume {name}")
        self._loop.call_soon_threadsafe(self.is_back.set)


async def test_kafka_comes_back_though_what_is_played_meanwhile_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage, "STARTS_WITHIN_S", 0.0)
    stack: Any = Stack()

    async def meanwhile() -> None:
        await stack.is_back.wait()
        stack.told.append("played")

    await asyncio.wait_for(without_kafka(stack, 0.01, meanwhile), 5)
    assert stack.told == ["cut kafka", "resume kafka", "played"]
