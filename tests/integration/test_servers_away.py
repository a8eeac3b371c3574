"""Servers that are not there yet, die under load, or come back empty."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shared.runtime.tokens import KeyPair
from tests.harness.api import Api
from tests.harness.log import Log, new_id, of_issue
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.truth import never_above_the_truth
from tests.harness.waiting import until
from tests.harness.world import BOSS, FIRST, SECOND, STREET, community, district, entries_of, street
from tests.servers import Servers, create_topics, start

ROSTERS = (community(), community(SECOND), street(FIRST, SECOND), district())
ENTRIES = entries_of(*ROSTERS[:3], issuer=BOSS)
CLEAN = {-signal.SIGTERM, 128 + signal.SIGTERM}
ORDERS = 12


async def status(service: Service, path: str) -> int:
    """Return the status of an operations route; 0 while nothing listens."""
    async with httpx.AsyncClient(timeout=3) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{service.port}{path}")).status_code
        except httpx.TransportError:
            return 0


@asynccontextmanager
async def load(log: Log, orders: list[str]) -> AsyncIterator[None]:
    """Give orders and answers from beginning to end of the block, and all that is left after it."""
    middle = asyncio.Event()

    async def give() -> None:
        for number, directive in enumerate(orders):
            await log.append(of_issue(directive, BOSS, STREET, mode="straight-through"))
            await log.answers(directive, ENTRIES[number % 9 :])
            await log.answers(directive, ENTRIES[: number % 9])
            if number == len(orders) // 3:
                middle.set()

    giving = asyncio.create_task(give())
    await middle.wait()
    yield
    await giving


async def exact(api: Api, log: Log, orders: list[str]) -> None:
    for directive in orders:
        await api.when(directive, BOSS, total=9, done=9, complete=True, within_s=75)
    for directive in orders[:: ORDERS // 3]:
        await never_above_the_truth(log, directive)


@pytest.mark.req("B-06")
@pytest.mark.parametrize("server", ["mongo", "kafka"])
@pytest.mark.timeout(200)
async def test_a_server_killed_under_load_costs_nothing(
    servers: Servers, dispatch: Service, api: Api, log: Log, server: str
) -> None:
    stack = servers.local
    await log.rosters(*ROSTERS)
    await has_rosters(dispatch, *ROSTERS)
    orders = [new_id(f"{server}-killed") for _ in range(ORDERS)]
    async with load(log, orders):
        before = await asyncio.to_thread(stack.kill, server)
        after = await asyncio.to_thread(stack.wait_healthy, server)
    assert after.pid != before.pid
    await exact(api, log, orders)
    await until(lambda: _is(dispatch, "/readyz", 200), what="ready again")
    assert await status(dispatch, "/healthz") == 200
    assert dispatch.exit is None


async def _is(service: Service, path: str, wanted: int) -> bool:
    return await status(service, path) == wanted


async def test_sigterm_is_a_clean_stop_also_with_the_broker_away(
    servers: Servers, dispatch: Service, api: Api, log: Log
) -> None:
    del api, log
    stack = servers.local
    assert await dispatch.stop(within_s=10) in CLEAN
    await dispatch.restart()
    await asyncio.to_thread(stack.stop, "kafka")
    try:
        assert await dispatch.stop(within_s=10) in CLEAN
    finally:
        await asyncio.to_thread(stack.resume, "kafka")
    await dispatch.restart()


@pytest.mark.timeout(200)
async def test_a_service_waits_for_servers_that_come_later(
    servers: Servers, service: Service, folder: Path, keys: KeyPair
) -> None:
    del keys
    stack = servers.local
    early = Service(servers, folder, instance="early", database=new_id("early"), env=service.env)
    await asyncio.to_thread(stack.stop, "kafka")
    await asyncio.to_thread(stack.stop, "mongo")
    service.kill()
    try:
        early.start()
        await until(lambda: _is(early, "/healthz", 200), what="alive")
        assert await status(early, "/readyz") == 503
        await asyncio.to_thread(stack.resume, "mongo")
        assert (await status(early, "/healthz"), await status(early, "/readyz")) == (200, 503)
        await asyncio.to_thread(stack.resume, "kafka")
        await until(lambda: _is(early, "/readyz", 200), what="ready once both are there", within_s=40)
        assert await early.stop() in CLEAN
    finally:
        early.kill()


@pytest.fixture
def other_servers() -> Iterator[Servers]:
    """Another log: what a service finds when its own was wiped."""
    with start() as found:
        yield found


@pytest.mark.timeout(200)
async def test_a_wiped_log_is_refused_not_read_from_the_beginning(
    servers: Servers, other_servers: Servers, service: Service, log: Log
) -> None:
    _ = servers.local
    service.start()
    await log.rosters(*ROSTERS)
    await has_rosters(service, *ROSTERS)
    await service.stop()

    await create_topics(other_servers.kafka)
    service.start(GRIDLOOP_KAFKA=other_servers.kafka)
    await until(service.ended, what="the refusal")
    assert service.exit == 78
    assert "another-log" in service.log.read_text()
