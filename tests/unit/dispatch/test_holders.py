"""Who holds a post is remembered for a second, and no longer."""

from datetime import datetime, timedelta
from typing import Any, cast

from services.dispatch.queries import Holders, Queries
from tests.builders.dispatch import AREA, DESK, NOON


class Clock:
    """A clock that is set."""

    at = NOON

    def now(self) -> datetime:
        return self.at


class Copies:
    """Roster copies that count how often they are asked; it imitates nothing else of a database."""

    def __init__(self) -> None:
        self.asked = 0
        self.current = {AREA: "person-1"}

    async def holders(self, desk: str) -> dict[str, str]:
        assert desk == DESK
        self.asked += 1
        return dict(self.current)


async def test_an_appointment_that_ended_counts_for_a_second_at_most() -> None:
    clock, copies = Clock(), Copies()
    holders, queries = Holders(clock), cast("Queries", cast("Any", copies))
    assert await holders.of(DESK, queries) == {AREA: "person-1"}
    copies.current = {}
    clock.at = NOON + timedelta(milliseconds=999)
    assert (await holders.of(DESK, queries), copies.asked) == ({AREA: "person-1"}, 1)
    clock.at = NOON + timedelta(seconds=1)
    assert (await holders.of(DESK, queries), copies.asked) == ({}, 2)


async def test_a_clock_set_back_does_not_keep_an_old_answer() -> None:
    clock, copies = Clock(), Copies()
    holders, queries = Holders(clock), cast("Queries", cast("Any", copies))
    await holders.of(DESK, queries)
    clock.at = NOON - timedelta(hours=1)
    await holders.of(DESK, queries)
    assert copies.asked == 2
