"""The servers and processes that faults are done to: one local stack, and replicas of the loop's service."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from pymongo import MongoClient

from cli.stack.local import LocalStack
from shared.runtime.tokens import KeyPair, generate_key_pair, mint
from tests.faults.load import append
from tests.faults.loops import Loop
from tests.harness.log import new_id
from tests.harness.services import Service
from tests.harness.waiting import until
from tests.servers import Servers, create_topics

CLEAN: Final = {-signal.SIGTERM, 128 + signal.SIGTERM}
PARTITIONS: Final = 12
COPIES_S: Final = 60.0
HOUR: Final = timedelta(hours=1)


@dataclass
class Stage:
    """What a fault may touch. `replicas` run as long as a row wants them; `a` is always the first."""

    servers: Servers
    loop: Loop
    first: Service
    keys: KeyPair
    replicas: list[Service] = field(default_factory=list)

    @property
    def stack(self) -> LocalStack:
        return self.servers.local

    @property
    def running(self) -> list[Service]:
        """The replicas that have not ended."""
        return [each for each in self.replicas if not each.ended()]

    async def prepare(self) -> None:
        """Start the first replica and let it hear of the world."""
        self.replicas = [self.first]
        await self.first.restart()
        await append(self.servers.kafka, self.loop.world())
        await until(self._has_heard, what="the service hears of the world", within_s=COPIES_S)

    async def have(self, replicas: int) -> None:
        """Have exactly so many replicas running, all of them ready."""
        while len(self.replicas) > replicas:
            await self.leave()
        while len(self.replicas) < replicas:
            await self.join()
        for each in self.replicas:
            if each.ended():
                await each.restart()

    async def join(self, *, named: bool = True) -> Service:
        """Start one more replica and wait until it has its part of the partitions.

        One that is not `named` has no fixed member id, as `--scale` starts them.
        """
        env = self.first.env if named else {**self.first.env, "GRIDLOOP_INSTANCE": ""}
        letter = "abcdef"[len(self.replicas)]
        joining = replace(self.first, instance=letter, env=env, port=0, process=None)
        self.replicas.append(joining)
        await joining.restart()
        return joining

    async def leave(self) -> None:
        """Stop the newest replica as an operator would."""
        leaving = self.replicas.pop()
        try:
            code = await leaving.stop()
        finally:
            # From here on nobody else knows of it.
            leaving.kill()
        if code not in CLEAN:
            raise AssertionError(f"{leaving.instance} ended with {code} when it was asked to stop")

    def headers(self) -> dict[str, str]:
        """Return what the holder of the issuing post sends with a request."""
        token = mint(self.keys.private, self.loop.person, lifetime=HOUR, now=datetime.now(UTC))
        return {"authorization": f"Bearer {token}"}

    async def shares(self, admin: AIOKafkaAdminClient) -> list[set[int]]:
        """Return which partitions of its facts each replica holds, as the broker says; [] between two."""
        (answer,) = await admin.describe_consumer_groups([self.loop.facts.groups[0]])
        _, _, state, _, _, members, *_ = answer.groups[0]
        if state != "Stable":
            return []
        held = [ConsumerProtocolMemberAssignment.decode(assignment) for *_, assignment in members]
        return [
            {place.partition for place in each.partitions() if place.topic == self.loop.facts.name}
            for each in held
        ]

    def _has_heard(self) -> bool:
        with MongoClient[dict[str, Any]](self.servers.mongo, serverSelectionTimeoutMS=5000) as client:
            database = client[f"{self.first.database}_{self.first.name}"]
            return database[self.loop.collection].count_documents({}) >= self.loop.copies


@contextmanager
def fresh_servers() -> Iterator[Servers]:
    """Have local servers that nobody else uses, with as many partitions as a laptop has elsewhere."""
    with LocalStack() as stack:
        asyncio.run(create_topics(stack.kafka, PARTITIONS))
        yield Servers(stack.kafka, stack.mongo, stack)


@contextmanager
def staged(servers: Servers, folder: Path, loop: Loop) -> Iterator[Stage]:
    """Have a stage for the length of the block; whatever it started ends with it."""
    keys = generate_key_pair()
    keys.write(folder)
    env = {
        "GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk"),
        "GRIDLOOP_LOG_LEVEL": "WARNING",
        # Orders go on being given while a server is away: all of them are open until it is back.
        "GRIDLOOP_OPEN_LIMIT": "1000",
    }
    first = Service(servers, folder, name=loop.service, database=new_id("faults"), env=env)
    stage = Stage(servers, loop, first, keys)
    try:
        asyncio.run(stage.prepare())
        yield stage
    finally:
        for each in stage.replicas:
            each.kill()


def is_stopped(service: Service) -> bool:
    """Return whether a process has been stopped by a signal."""
    process = service.process
    assert isinstance(process, subprocess.Popen)
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
