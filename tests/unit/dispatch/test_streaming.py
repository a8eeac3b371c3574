"""Streams of progress: one look for all who watch, events from where a reader stopped, every way to end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from services.dispatch.streaming import BEAT, Reader
from services.dispatch.watching import Watching
from shared.contracts.dispatch import Tally
from shared.domain.roll import Roll, merge_tally
from shared.kernel.errors import Transient
from shared.runtime.problems import Problem
from tests.builders.dispatch import DESK, DIRECTIVE, OTHER, tally
from tests.harness.waiting import until

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Stored:
    """`services.dispatch.queries.Queries`, as far as watching asks; it counts what it was asked."""

    versions: dict[str, int] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    away: bool = False
    counted: bool = True

    async def progress_versions(self, ids: Sequence[str]) -> dict[str, int]:
        self._ask("versions")
        return {id_: self.versions[id_] for id_ in ids if id_ in self.versions}

    async def rolls(self, directive: str, desks: Sequence[str]) -> list[tuple[Roll[Tally], int]]:
        self._ask("rolls")
        found = []
        for desk in desks:
            if v := self.versions.get(f"{directive}/{desk}"):
                roll: Roll[Tally] = Roll(directive, desk)
                if self.counted:
                    merge_tally(roll, tally(desk))
                found.append((roll, v))
        return found

    def _ask(self, what: str) -> None:
        if self.away:
            raise Transient("mongo", "away")
        self.asked[what] += 1


def watching(stored: Stored, limit: int = 10) -> Watching:
    return Watching(lambda: cast("Any", stored), every=0.01, limit=limit)


ID = f"{DIRECTIVE}/{DESK}"


@pytest.mark.req("U-21")
async def test_many_watch_for_the_price_of_one() -> None:
    stored = Stored({ID: 1})
    known = watching(stored)
    async with AsyncExitStack() as stack:
        watched = [await stack.enter_async_context(known.watch(DIRECTIVE, DESK)) for _ in range(50)]
        await stack.enter_async_context(known.watch(DIRECTIVE, OTHER))
        assert stored.asked["rolls"] == 2
        await known.look()
        assert stored.asked == {"versions": 1, "rolls": 2}
        stored.versions[ID] = 2
        waiting = [asyncio.ensure_future(each.other_than("1-1", 10)) for each in watched]
        await asyncio.sleep(0)
        await known.look()
        seen = await asyncio.gather(*waiting)
        assert {each.id for each in seen if each} == {"1-2"}
        assert stored.asked == {"versions": 2, "rolls": 3}
    # Nobody watches any more: nothing is asked.
    await known.look()
    assert stored.asked["versions"] == 2
    assert known.open == 0


async def test_what_is_known_is_not_sent_again() -> None:
    stored = Stored({ID: 3})
    async with watching(stored).watch(DIRECTIVE, DESK) as watched:
        assert await watched.other_than("1-3", 0.01) is None
        seen = await watched.other_than("1-2", 0.01)
        assert seen is not None
        assert seen.id == "1-3"


async def test_an_older_answer_that_comes_late_changes_nothing() -> None:
    stored = Stored({ID: 3})
    known = watching(stored)
    async with known.watch(DIRECTIVE, DESK) as watched:
        stored.versions[ID] = 2
        await known._read(watched)
        assert watched.newest is not None
        assert watched.newest.id == "1-3"


async def test_nothing_is_said_before_the_own_tally_is_there() -> None:
    stored = Stored({ID: 1}, counted=False)
    known = watching(stored)
    async with known.watch(DIRECTIVE, DESK) as watched:
        assert watched.newest is None
        stored.counted, stored.versions = True, {ID: 2}
        await known.look()
        assert watched.newest is not None


async def test_a_database_that_is_away_is_waited_for() -> None:
    stored = Stored({ID: 1}, away=True)
    known = watching(stored)
    running = asyncio.ensure_future(known.run())
    async with known.watch(DIRECTIVE, DESK) as watched:
        assert watched.newest is None
        stored.away = False
        assert await watched.other_than("", 10) is not None
    running.cancel()


async def test_there_is_a_limit() -> None:
    known = watching(Stored(), limit=2)
    async with known.watch(DIRECTIVE, DESK), known.watch(DIRECTIVE, OTHER):
        with pytest.raises(Problem) as refused:
            known.refuse_too_many()
        assert (refused.value.code, refused.value.status) == ("too-many-streams", 503)
    known.refuse_too_many()


@dataclass
class Edge:
    """`services.dispatch.edge.Edge`, as far as a reader asks; its clock goes on as told."""

    at: datetime = START
    may_read: bool = True

    @property
    def clock(self) -> "Edge":
        return self

    def now(self) -> datetime:
        return self.at

    async def visible(self, _person: str, _directive: str) -> None:
        if not self.may_read:
            raise Problem("not-found")


def reading(edge: Edge, known: Watching, last: str = "", lasts: timedelta = timedelta(hours=1)) -> Any:
    return Reader(cast("Any", edge), "p", DIRECTIVE, START + lasts).events(known, DESK, last)


async def rest(events: AsyncIterator[str]) -> list[str]:
    return [event async for event in events]


async def test_a_reader_is_told_the_newest_and_then_what_is_newer() -> None:
    stored = Stored({ID: 1})
    known = watching(stored)
    events = reading(Edge(), known)
    assert await anext(events) == "retry: 2000\n\n"
    first = await anext(events)
    assert first.startswith("id: 1-1\nevent: progress\ndata: {")
    assert first.endswith("}\n\n")
    assert first.count("\n") == 4
    stored.versions[ID] = 4
    await known.look()
    assert (await anext(events)).startswith("id: 1-4\n")
    await events.aclose()
    assert known.open == 0
    # Back again: what is known is not told, what is newer is.
    again = reading(Edge(), known, "1-4")
    await anext(again)
    waiting = asyncio.ensure_future(anext(again))
    await until(lambda: known.open == 1, what="the reader is back")
    assert not waiting.done()
    stored.versions[ID] = 5
    await known.look()
    assert (await waiting).startswith("id: 1-5\n")
    await again.aclose()


async def test_a_stream_ends_with_its_token() -> None:
    edge = Edge()
    events = reading(edge, watching(Stored({ID: 1})), lasts=timedelta(seconds=5))
    await anext(events)
    await anext(events)
    edge.at += timedelta(seconds=5)
    assert await rest(events) == []


async def test_a_silent_stream_says_that_it_is_there_while_its_reader_may_read() -> None:
    edge = Edge()
    events = reading(edge, watching(Stored({ID: 1})), "1-1")
    await anext(events)
    edge.at += BEAT - timedelta(milliseconds=1)
    beating = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    edge.at += timedelta(milliseconds=1)
    assert await beating == ": here\n\n"
    edge.at += BEAT
    edge.may_read = False
    assert await rest(events) == []
