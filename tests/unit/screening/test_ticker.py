"""The ticker says which waiting desks can be counted by now and which rounds are due; it writes nothing."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.screening.ticker import AGAIN_MS, Ticker
from shared.contracts.registry import Charges
from shared.kernel.clock import from_ms, utc_ms
from tests.builders.screening import DESK, NOON, OTHER, ROUND, SOURCE, STREET, charges


class Stored:
    """What the ticker reads: heads that wait, copies, and progress that is due."""

    def __init__(self) -> None:
        self.heads: list[dict[str, Any]] = []
        self.rolls: list[dict[str, Any]] = []
        self.rosters: dict[str, int] = {}
        self.charged: dict[str, Charges] = {}
        self.counted: dict[str, int] = {}

    def wait(self, desk: str, children: list[str] | None) -> None:
        self.heads.append({"_id": f"{ROUND}/{desk}", "round": ROUND, "desk": desk, "children": children})

    async def due(self, now: int, limit: int) -> list[dict[str, Any]]:
        return [roll for roll in self.rolls if roll["next_due"] <= now][:limit]

    async def waiting(self, after: str, limit: int) -> list[dict[str, Any]]:
        return [head for head in self.heads if head["_id"] > after][:limit]

    async def versions(self, desks: Sequence[str]) -> dict[str, int]:
        return {desk: self.rosters[desk] for desk in desks if desk in self.rosters}

    async def charges(self, desk: str) -> Charges | None:
        return self.charged.get(desk)

    async def households(self, desk: str) -> int:
        return self.counted.get(desk, 0)


class Hand:
    """A clock that is turned by hand."""

    ms = utc_ms(NOON)

    def now(self) -> Any:
        return from_ms(self.ms)


def ticker(stored: Any, clock: Hand) -> Ticker:
    def never() -> Any:
        raise AssertionError("a look alone appends nothing")

    return Ticker(
        lambda: stored,
        lambda: stored,
        never,
        clock=clock,
        source=SOURCE,
        every=1,
    )


@pytest.mark.req("S4-08", "F-12")
async def test_a_census_is_said_once_the_households_are_as_many_as_the_charges_record_says() -> None:
    stored, clock = Stored(), Hand()
    stored.wait(DESK, [])
    look = ticker(stored, clock)
    assert await look.found() == []
    stored.charged[DESK], stored.counted[DESK] = charges(households=3), 2
    assert await look.found() == []
    stored.counted[DESK] = 3
    assert await look.found() == []  # its roster is not here either
    stored.rosters[DESK] = 1
    ((id_, said),) = await look.found()
    assert (said.topic, said.key) == ("screening.desks.v1", DESK.encode())
    ((again, _),) = await look.found()
    assert again == id_
    clock.ms += AGAIN_MS
    assert (await look.found())[0][0] != id_


async def test_a_street_whose_roster_came_late_is_told_at_once() -> None:
    stored = Stored()
    stored.wait(STREET, None)
    stored.rosters[STREET] = 4
    assert len(await ticker(stored, Hand()).found()) == 1


async def test_desks_that_wait_are_looked_at_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.screening.ticker.PAGE", 1)
    stored = Stored()
    for desk in (DESK, OTHER):
        stored.wait(desk, None)
        stored.rosters[desk] = 1
    look = ticker(stored, Hand())
    keys = [said.key.decode() for _ in range(4) for _, said in await look.found()]
    assert keys == [DESK, OTHER, DESK]


async def test_a_round_that_is_due_is_ticked_on_the_topic_of_its_tallies() -> None:
    stored, clock = Stored(), Hand()
    stored.rolls.append({"round": ROUND, "desk": STREET, "next_due": clock.ms + 1})
    look = ticker(stored, clock)
    assert await look.found() == []
    clock.ms += 1
    ((_, said),) = await look.found()
    assert (said.topic, said.key) == ("screening.tallies.v1", f"{STREET}/{ROUND}".encode())
