"""One gate's process: the real spool and drain on a loop that is turned by hand, killed at any step."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from services.checkpoint.draining import Drain
from services.checkpoint.spool import Spool, Spooled
from shared.contracts.base import json_bytes
from shared.contracts.checkpoint import Crossing
from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of
from shared.kernel.clock import utc_ms
from shared.kernel.errors import Transient
from tests.simulation.log import PARTITIONS, Log
from tests.simulation.scheduler import Scheduler

if TYPE_CHECKING:
    from shared.messaging.producer import Producer

LIMIT = 10_000


class ByHand(Executor):
    """Stands in for the writing thread: whoever holds the spool lets it do its next job."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def __bool__(self) -> bool:
        """Say whether anything waits."""
        return bool(self._jobs)

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Take a job."""
        done: Future[Any] = Future()
        self._jobs.append((done, partial(job, *args, **kwargs)))
        return done

    def turn(self) -> None:
        """Do the oldest job."""
        done, job = self._jobs.popleft()
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(job())
        except Exception as error:  # noqa: BLE001 - whatever it was, the loop hears of it, as from a thread
            done.set_exception(error)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time is the simulation's."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def time(self) -> float:
        """Return virtual seconds: a pause passes when the simulation's clock says so."""
        return self._scheduler.now_ms / 1000

    @property
    def busy(self) -> bool:
        """Whether something is ready, or will be after a pause."""
        return bool(self._ready or self._scheduled)  # type: ignore[attr-defined] # no public name for it


@dataclass(slots=True)
class Broker:
    """Whether Kafka answers; who waits for it hears when it is back."""

    scheduler: Scheduler
    up: bool = True
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def begin(self, outages: int) -> None:
        """Plan outages; the last of them ends."""
        random = self.scheduler.random
        for _ in range(outages):
            begins = random.uniform(1, 150)
            self.scheduler.at(begins, self._down)
            self.scheduler.at(begins + random.uniform(1, 120), self._back)

    def _down(self) -> None:
        self.up = False

    def _back(self) -> None:
        self.up, waiting, self.waiting = True, self.waiting, []
        for told in waiting:
            told()


class Sending:
    """A client as the drain knows it: in order within a partition, and what it holds it sends in the end."""

    def __init__(self, broker: Broker, log: Log, unknown: float) -> None:
        self._broker = broker
        self._log = log
        self._unknown = unknown
        self._held: list[Message] = []

    async def append(self, messages: Sequence[Message], within_s: float = 0) -> None:
        """Append everything held, each partition in its order; the answer may be lost on the way."""
        del within_s
        random = self._broker.scheduler.random
        self._held += messages
        fails = random.random() < self._unknown
        left = random.randrange(len(self._held)) if fails and self._held else -1
        while self._held:
            await asyncio.sleep(0)
            if not self._broker.up:
                await self._back()
                if random.random() < 0.3:
                    raise Transient("append-unknown")
                continue
            lanes = {partition_of(each.key, PARTITIONS): each for each in reversed(self._held)}
            first = lanes[random.choice(sorted(lanes))]
            self._held.remove(first)
            self._log.append(first)
            if len(self._held) == left:
                raise Transient("append-unknown")

    async def _back(self) -> None:
        loop = asyncio.get_running_loop()
        back: asyncio.Future[None] = loop.create_future()
        self._broker.waiting.append(
            lambda: None if back.done() or loop.is_closed() else back.set_result(None)
        )
        await back


@dataclass(frozen=True, slots=True)
class Roughness:
    """How rough a seed is with its gates."""

    crash: float
    crashes: int
    unknown: float
    outages: int


@dataclass(slots=True, eq=False)
class Gate:
    """A process that answers at some gates, over all its lives."""

    name: str
    scheduler: Scheduler
    log: Log
    broker: Broker
    folder: Path
    roughness: Roughness
    spool_type: type[Spool] = Spool
    drain_type: type[Drain] = Drain
    skew: timedelta = timedelta()
    asked: dict[str, int] = field(default_factory=dict)
    answered: dict[str, Crossing] = field(default_factory=dict)
    crashes: int = 0
    torn: int = 0
    down: bool = False
    _spool: Spool = field(init=False)
    _thread: ByHand = field(init=False)
    _drain: Drain = field(init=False)
    _loop: VirtualLoop = field(init=False)
    _draining: "asyncio.Task[int] | None" = None
    _lives: int = 0

    def begin(self) -> None:
        """Start, and send what waits again and again."""
        self._start({})
        self._plan_drain()

    def now(self) -> datetime:
        """Return what this process takes for the present."""
        return self.scheduler.now + self.skew

    @property
    def waits(self) -> bool:
        """Whether anything has still to be written, answered or sent."""
        return self.down or self._spool.depth > 0 or self.runnable

    @property
    def runnable(self) -> bool:
        """Whether a step would do something."""
        return not self.down and (self._to_write or self._loop.busy)

    @property
    def _to_write(self) -> bool:
        return bool(self._thread)

    def decide(self, id_: str, crossing: Crossing) -> None:
        """Let somebody pass, or not: they are answered once the crossing is kept."""
        self.asked[id_] = len(self.asked)
        value = json_bytes(crossing).decode()
        kept = Spooled(id_, crossing.desk, utc_ms(crossing.at), "gate-device", value)
        task = self._loop.create_task(self._spool.add(kept))
        task.add_done_callback(lambda done: self._answer(id_, crossing, done))

    def step(self) -> None:
        """Go on a little; it may be this life's last."""
        if self._may_crash():
            self.crash()
        elif self._to_write and (not self._loop.busy or self.scheduler.chance(0.5)):
            before = self._files()
            self._thread.turn()
            self.log.note("turn", self.name, self._spool.depth)
            if self._may_crash():
                self.crash(self._torn(before))
        else:
            self._tick()
            self._hear()

    def crash(self, files: dict[str, bytes] | None = None) -> None:
        """End as by SIGKILL or a power cut: what is on disk stays, and nothing else."""
        self.crashes += 1
        kept = files or self._files()
        self.log.note("gate crash", self.name, len(kept.get("-wal", b"")))
        self.stop()
        self.down = True
        self.scheduler.at(self.scheduler.random.uniform(0, 20), lambda: self._start(kept))

    def stop(self) -> None:
        """Drop every task and close what is open."""
        if self.down:
            return
        while tasks := asyncio.all_tasks(self._loop):  # one that still awaits in its last words is told again
            for task in tasks:
                task.cancel()
            self._tick()
        self._loop.close()
        self._spool._connection.close()

    def _start(self, files: dict[str, bytes]) -> None:
        self._lives += 1
        path = self.folder / f"{self.name}-{self._lives}.db"
        for suffix, content in files.items():
            Path(f"{path}{suffix}").write_bytes(content)
        self._loop = VirtualLoop(self.scheduler)
        self._spool, self._thread = self.spool_type(path, limit=LIMIT), ByHand()
        self._spool._thread.shutdown()
        self._spool._thread = self._thread  # type: ignore[assignment] # an executor all the same
        # Each commit counts as synced the moment it is made; a torn one is made by `_torn`.
        self._spool._connection.execute("PRAGMA synchronous=OFF")
        sending = Sending(self.broker, self.log, self.roughness.unknown)
        self._drain = self.drain_type(
            self._spool, lambda: cast("Producer", sending), source="checkpoint", clock=self
        )
        self._draining = None
        self.down = False
        self.log.note("gate start", self.name, self._spool.depth)

    def _answer(self, id_: str, crossing: Crossing, done: "asyncio.Task[None]") -> None:
        if not done.cancelled() and done.exception() is None:
            self.log.note("answered", self.name, id_)
            self.answered[id_] = crossing

    def _hear(self) -> None:
        """Let out what a check found while the drain appended: a loop would keep it to itself."""
        done = self._draining is not None and self._draining.done() and not self._draining.cancelled()
        error = self._draining.exception() if self._draining is not None and done else None
        if error is not None and not isinstance(error, Transient):
            raise error

    def _tick(self) -> None:
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()

    def _plan_drain(self) -> None:
        self.scheduler.at(self.scheduler.random.uniform(0.1, 6), self._look, background=True)

    def _look(self) -> None:
        idle = self._draining is None or self._draining.done()
        if not self.down and idle and self._spool.depth:
            self._draining = self._loop.create_task(self._drain.once())
        self._plan_drain()

    def _files(self) -> dict[str, bytes]:
        paths = {suffix: Path(f"{self._spool._path}{suffix}") for suffix in ("", "-wal")}
        return {suffix: path.read_bytes() for suffix, path in paths.items() if path.exists()}

    def _torn(self, before: dict[str, bytes]) -> dict[str, bytes]:
        """Return the files as a power cut in the middle of the turn's last write leaves them."""
        after = self._files()
        old, new = before.get("-wal", b""), after.get("-wal", b"")
        if after.get("") != before.get("") or not new.startswith(old):
            return after
        cut = self.scheduler.random.randint(len(old), len(new))
        self.torn += cut < len(new)
        rubbish = bytes(len(new) - cut) if self.scheduler.chance(0.5) else b""
        return {"": after[""], "-wal": new[:cut] + rubbish}

    def _may_crash(self) -> bool:
        return self.crashes < self.roughness.crashes and self.scheduler.chance(self.roughness.crash)
