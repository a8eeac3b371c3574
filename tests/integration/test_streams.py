"""Progress as it streams to a real client: broken off, taken up, refused, and ended by a drain."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.harness.api import Api
from tests.harness.log import Log
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, area, chief, community, entries_of, holder, member

ISSUER = area(FIRST)


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"GRIDLOOP_STREAM_EVERY": "0.05", "GRIDLOOP_STREAM_LIMIT": "3"}


class Stream:
    """What a browser makes of an event stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.ids: list[str] = []

    @property
    def id(self) -> str:
        """The id of the last event: what a browser comes back with."""
        return self.ids[-1]

    async def event(self) -> dict[str, Any]:
        """Return the next progress; {} at the end of the stream."""
        data = ""
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.ids.append(value)
                elif name == "data":
                    data = value
                elif not line and data:
                    return dict(json.loads(data))
        return {}

    async def until_done(self, count: int) -> None:
        """Read on until so many are done."""
        while (shown := await self.event())["total"]["done"] < count:
            assert shown["total"]["total"] == 3


@asynccontextmanager
async def streaming(
    api: Api, directive: str, post: str = ISSUER, last: str = "", lifetime: timedelta = timedelta(hours=1)
) -> AsyncIterator[Stream]:
    headers = api.bearer(holder(post), lifetime=lifetime) | ({"last-event-id": last} if last else {})
    path = f"/directives/{directive}/progress/stream"
    async with api.http.stream("GET", path, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


async def ordered(dispatch: Service, api: Api, log: Log) -> str:
    """Give an order to three posts, known to nobody before."""
    rosters = [community(), community(SECOND)]
    await log.rosters(*rosters)
    await has_rosters(dispatch, *rosters)
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    await api.when(directive, ISSUER, total=3, done=0)
    return directive


async def test_a_reader_who_comes_back_is_told_exactly_what_is_newer(
    dispatch: Service, api: Api, log: Log
) -> None:
    directive = await ordered(dispatch, api, log)
    entries = {entry.post: entry for entry in entries_of(community(), issuer=ISSUER)}
    async with streaming(api, directive) as stream:
        assert (await stream.event())["total"]["done"] == 0
        await log.answers(directive, [entries[chief(FIRST)]])
        await stream.until_done(1)
        last = stream.id
    # Away, and back with nothing new: silence until there is something, and that alone is told.
    async with streaming(api, directive, last=last) as stream, asyncio.TaskGroup() as group:
        group.create_task(stream.until_done(2))
        await log.answers(directive, [entries[member(FIRST)]])
    assert last not in stream.ids
    last = stream.id
    # Away while something happens: told at once.
    await log.answers(directive, [entries[member(FIRST, 2)]])
    shown = await api.when(directive, ISSUER, done=3, complete=True)
    async with streaming(api, directive, last=last) as stream:
        event = await stream.event()
        assert event == {name: shown[name] for name in event}
        assert stream.id == f"{shown['version']}-{shown['v']}"


async def test_only_who_may_read_may_stream(dispatch: Service, api: Api, log: Log) -> None:
    directive = await ordered(dispatch, api, log)
    path = f"/directives/{directive}/progress/stream"
    assert (await api.http.get(path)).status_code == 401
    assert (await api.call("GET", path, area(SECOND))).status_code == 404
    assert (await api.call("GET", "/directives/nobodys/progress/stream", ISSUER)).status_code == 404


async def test_a_stream_ends_with_its_token(dispatch: Service, api: Api, log: Log) -> None:
    directive = await ordered(dispatch, api, log)
    # Expired already; the difference between two clocks that is allowed for is what remains of it.
    async with streaming(api, directive, lifetime=timedelta(seconds=-3)) as stream:
        while await stream.event():
            pass


async def test_no_more_than_the_limit_stream_at_once(dispatch: Service, api: Api, log: Log) -> None:
    directive = await ordered(dispatch, api, log)
    path = f"/directives/{directive}/progress/stream"

    async def open_() -> int:
        text = (await api.http.get("/metrics")).text
        (line,) = (each for each in text.splitlines() if each.startswith("gridloop_event_streams "))
        return int(float(line.split()[1]))

    async def none() -> bool:
        return await open_() == 0

    await until(none, what="the streams of the tests before are gone")
    async with streaming(api, directive) as one, streaming(api, directive) as two, streaming(api, directive):
        assert await one.event() == await two.event()
        assert await open_() == 3
        refused = await api.call("GET", path, ISSUER)
        assert (refused.status_code, refused.json()["code"]) == (503, "too-many-streams")
        assert refused.headers["retry-after"] == "10"
    # Who leaves makes room, without a word.
    await until(none, what="who left is not counted")
    async with streaming(api, directive) as stream:
        assert await stream.event()


async def test_a_drain_ends_streams_at_once(dispatch: Service, api: Api, log: Log) -> None:
    directive = await ordered(dispatch, api, log)
    async with streaming(api, directive) as stream:
        await stream.event()
        dispatch.send(signal.SIGTERM)
        assert await stream.event() == {}
    await until(dispatch.ended, what="dispatch stops")
    assert dispatch.exit == -signal.SIGTERM
    # The reader comes back to the next process with what it knew.
    await dispatch.restart()
    async with streaming(api, directive, last="1-0") as again:
        assert (await again.event())["total"]["total"] == 3
