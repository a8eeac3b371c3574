"""One process: connect, check, consume, serve; and stop in order when told to.

The HTTP server is up from the first second and says "not ready" until its servers are there, its topics are
right, its place in the log is credible and its groups have partitions.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from shared.contracts.topics import Topic
from shared.flow import crash
from shared.flow.batch import Flow
from shared.flow.handler import Handler
from shared.flow.lanes import Lanes
from shared.kernel.clock import SystemClock
from shared.kernel.errors import ConfigurationError, Transient
from shared.kernel.ids import UlidFactory
from shared.messaging import consumer
from shared.messaging.admin import TopicAdmin
from shared.messaging.places import Places, read_places
from shared.messaging.producer import Producer
from shared.messaging.pulse import Pulse
from shared.messaging.security import Security
from shared.mongo.client import Database
from shared.mongo.storage import MongoStorage
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics
from shared.runtime.problems import Problem
from shared.runtime.server import FAILED_START, MISCONFIGURED, new_app
from shared.runtime.settings import ServiceSettings
from shared.service.observing import Observing
from shared.service.positions import Positions, read_positions, refuse_implausible

RETRY_S: Final = 0.5
WATCH_S: Final = 1.0
STOP_BROKER_S: Final = 3.0
STOP_PRODUCER_S: Final = 2.0
"""Together less than the six seconds a lifespan has to end, with the broker away."""

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """One consumer group: its topics (same key, same partitions), its handler, and how much it takes."""

    name: str
    topics: tuple[Topic, ...]
    handler: Handler
    max_records: int
    max_weight: int = 2_000
    gather: bool = False
    """Whether a poll may wait some milliseconds for more: for facts nobody waits for one by one."""
    lanes: int = 1
    """How many transactions of it are under way at a time, of different partitions."""
    seldom: bool = False
    """Whether most fetches are in vain: they are then made a few times a second instead of twenty."""


class Process:
    """What routes and loops are given; servers are there once `ready` has been said."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.ulids = UlidFactory(self.clock)
        self.metrics = Metrics(CollectorRegistry())
        self.health = Health(waits_for=("start-up", "consumers"))
        self._database: Database | None = None
        self._producer: Producer | None = None

    def database(self) -> Database:
        """Return the database; before it is connected, the caller is told to come back."""
        if self._database is None:
            raise Problem("unavailable")
        return self._database

    def producer(self) -> Producer:
        """Return the producer; before it is connected, the caller is told to come back."""
        if self._producer is None:
            raise Problem("unavailable")
        return self._producer

    async def connect(self, indexes: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Connect both servers, for as long as it takes, and see to collections and indexes."""
        settings = self.settings
        database = Database(settings.mongo, settings.database_name, settings.mongo_driver)
        producer = Producer(settings.kafka, client_id=settings.service, security=security_of(settings))
        await _until(database.ping)
        await _until(lambda: database.ensure_indexes(indexes))
        await _until(producer.start)
        self._database, self._producer = database, producer
        self.health.watch("producer", producer.sender())
        producer.renewed = lambda: self.health.watch("producer", producer.sender())

    async def close(self) -> None:
        """Flush and disconnect."""
        if self._producer is not None:
            self.health.unwatch("producer")
            await self._producer.stop(STOP_PRODUCER_S)
        if self._database is not None:
            await self._database.close()


Loop = Callable[[], Awaitable[None]]


def build(
    process: Process,
    *,
    title: str,
    indexes: Mapping[str, Sequence[Sequence[str]]],
    groups: Sequence[Group],
    routes: APIRouter,
    loops: Mapping[str, Loop],
    at_once: Mapping[str, Loop] | None = None,
) -> FastAPI:
    """Return the app of one service process, for `shared.runtime.server.serve`.

    `loops` run once the servers are there; `at_once` names those that wait for none of them by themselves.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = Running(process, groups, loops, at_once or {})
        start = asyncio.create_task(_started(running, indexes))
        try:
            yield
        finally:
            start.cancel()
            with suppress(asyncio.CancelledError):
                await start
            await running.stop()
            await process.close()

    app = new_app(
        title=title, health=process.health, metrics=process.metrics, ulids=process.ulids, lifespan=lifespan
    )
    app.include_router(routes)
    return app


async def _started(running: "Running", indexes: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Start; a process that must not start like this says why and exits with 78."""
    try:
        await running.start(indexes)
    except ConfigurationError as error:
        _log.exception("refusing to start", code=error.code, detail=error.detail)
        os._exit(MISCONFIGURED)
    except Exception:  # noqa: BLE001 - a half-started process would look alive and do nothing
        _log.exception("start failed")
        os._exit(FAILED_START)


class Running:
    """The consuming half of a process: flows, subscribers and loops."""

    def __init__(
        self,
        process: Process,
        groups: Sequence[Group],
        loops: Mapping[str, Loop],
        at_once: Mapping[str, Loop],
    ) -> None:
        self._process = process
        self._groups = groups
        self._loops = loops
        self._at_once = at_once
        self._pulse = Pulse(consumer.SESSION_S)
        self._broker = consumer.build_broker(
            process.settings.kafka,
            client_id=process.settings.service,
            security=security_of(process.settings),
        )
        self._assignments: list[consumer.Assignment] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, indexes: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Connect, check, subscribe and start the loops."""
        process = self._process
        for name, loop in self._at_once.items():
            self._keep(name, loop)
        await process.connect(indexes)
        before = await _until(self._positions)
        places = await _until(self._places)
        after = await _until(self._positions)
        for group in self._groups:
            name = group.name
            refuse_implausible(name, before[name], places[name], after[name])
            self._assignments.append(self._subscribe(group, places[group.name]))
        consumer.refuse_unsafe(self._broker)
        self._keep("pulse", self._pulse.run)
        await _until(self._broker.start)
        for name, loop in self._loops.items():
            self._keep(name, loop)
        self._keep("watch", self._watch)
        consumer.tune_garbage_collection()
        process.health.set_ready("start-up", True)

    async def stop(self) -> None:
        """Let handlers finish, leave the groups, end the loops; a broker that is away is not waited for."""
        for task in self._tasks:
            self._process.health.unwatch(task.get_name())
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_BROKER_S):
                await self._broker.stop()

    async def _positions(self) -> dict[str, Positions]:
        database = self._process.database()
        return {group.name: await read_positions(group.name, database) for group in self._groups}

    async def _places(self) -> dict[str, Places]:
        settings = self._process.settings
        security = security_of(settings)
        async with TopicAdmin(settings.kafka, security) as admin:
            existing = await admin.partitions()
        missing = [t.name for group in self._groups for t in group.topics if t.name not in existing]
        if missing:
            raise Transient("topics-missing", ", ".join(missing))
        for group in self._groups:
            counts = {existing[topic.name] for topic in group.topics}
            if len(counts) > 1:
                raise ConfigurationError("partitions-differ", group.name)
        return {
            group.name: await read_places(
                settings.kafka,
                group.name,
                {topic.name: existing[topic.name] for topic in group.topics},
                security,
            )
            for group in self._groups
        }

    def _subscribe(self, group: Group, places: Places) -> consumer.Assignment:
        process = self._process
        return consumer.subscribe(
            self._broker,
            group.topics,
            group=group.name,
            flow=Lanes([self._flow(group, places, lane) for lane in range(group.lanes)]),
            pulse=self._pulse,
            max_records=group.max_records,
            gather=group.gather,
            seldom=group.seldom,
            instance=process.settings.instance,
        )

    def _flow(self, group: Group, places: Places, lane: int) -> Flow:
        process = self._process
        return Flow(
            group.name,
            group.handler,
            storage=MongoStorage(process.database()),
            publish=process.producer().append,
            partitions=places.partitions.__getitem__,
            observer=Observing(process.metrics, process.health, lane),
            lapsed=self._pulse.lapsed,
            reached=crash.at(process.settings.crash_at),
            max_weight=group.max_weight,
            log_id=places.log_id,
        )

    def _keep(self, name: str, loop: Loop) -> None:
        task: asyncio.Task[None] = asyncio.create_task(_forever(loop), name=name)
        self._tasks.append(task)
        self._process.health.watch(name, task)

    async def _watch(self) -> None:
        """Say once a second whether every group has settled, and how far behind each partition is."""
        told: set[tuple[str, str]] = set()
        while True:
            waiting = [assignment for assignment in self._assignments if not assignment.told]
            self._process.health.set_ready("consumers", not waiting, "a group has no assignment yet")
            for assignment in self._assignments:
                await assignment.step_back()
            lags = {(topic, str(number)): lag for topic, number, lag in consumer.lags(self._broker)}
            for place, lag in lags.items():
                self._process.metrics.lag.labels(*place).set(lag)
            # A partition that was given away is another process's to speak of.
            for place in told - lags.keys():
                self._process.metrics.lag.remove(*place)
            told = set(lags)
            await asyncio.sleep(WATCH_S)


def security_of(settings: ServiceSettings) -> Security:
    """Return how this process reaches Kafka."""
    password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    return Security(settings.kafka_protocol, settings.kafka_username or "", password, settings.kafka_ca)


async def _forever(loop: Loop) -> None:
    await loop()


async def _until(attempt: Callable[[], Awaitable[Any]]) -> Any:
    """Try until it succeeds: an absent server at boot is waited for, not died of."""
    while True:
        try:
            return await attempt()
        except Transient as error:
            _log.warning("waiting", error=str(error))
        await asyncio.sleep(RETRY_S)
