"""Servers that are not there yet, are away when a process is stopped, or come back empty."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.runtime.tokens import KeyPair
from tests.harness.api import Api
from tests.harness.log import Log, new_id
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, community, district, street
from tests.servers import Servers, create_topics, start

ROSTERS = (community(), community(SECOND), street(FIRST, SECOND), district())
CLEAN = {-signal.SIGTERM, 128 + signal.SIGTERM}


async def status(service: Service, path: str) -> int:
    """Return the status of an operations route; 0 while nothing listens."""
    async with httpx.AsyncClient(timeout=3) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{service.port}{path}")).status_code
        except httpx.TransportError:
            return 0


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
