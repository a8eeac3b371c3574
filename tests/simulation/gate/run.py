"""One simulated morning at some gates, from one seed."""

import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from services.checkpoint.handlers import copies
from services.checkpoint.handlers.crossings import Crossings
from services.checkpoint.ticker import Ticker
from shared.contracts import checkpoint as contract
from shared.contracts import registry
from shared.contracts.topics import Topic
from shared.flow.handler import Handler
from tests.simulation.gate.checks import Checks
from tests.simulation.gate.mutants import HONEST, Mutant
from tests.simulation.gate.people import People
from tests.simulation.gate.process import Broker, Gate, Roughness
from tests.simulation.gate.world import RULES
from tests.simulation.log import Log
from tests.simulation.replicas import Cluster, Faults, Group
from tests.simulation.rounds.world import ZONE
from tests.simulation.scheduler import START_MS, Scheduler
from tests.simulation.storage import Store
from tests.simulation.ticker import Appends, Reads
from tests.simulation.violation import Broken, Violation, require

if TYPE_CHECKING:
    from shared.messaging.producer import Producer

SOURCE = "checkpoint"
MOST_STEPS = 60_000
MOST_MS = 2 * 3_600_000
CALM = Faults(crash=0, storage=0, publish=0, rebalances=2, crashes=0), Roughness(0, 0, 0, 1)
USUAL = (
    Faults(crash=0.004, storage=0.02, publish=0.01, rebalances=8, crashes=6),
    Roughness(crash=0.02, crashes=4, unknown=0.2, outages=1),
)
ROUGH = (
    Faults(crash=0.01, storage=0.05, publish=0.03, rebalances=16, crashes=12, stall=0.03),
    Roughness(crash=0.06, crashes=10, unknown=0.4, outages=3),
)
# A seed opens its spools a dozen times, each with real syncs: on a disk they would be most of its time.
IN_MEMORY = next((folder for folder in ("/dev/shm",) if Path(folder).is_dir()), None)
SKEWS = (0, 0, 0, -5, 5, 50, -3600)


@dataclass(frozen=True, slots=True)
class Report:
    """What one seed did."""

    seed: int
    trace: str
    steps: int
    records: int
    crashes: int
    torn: int
    answered: int
    alerts: int


class Looking:
    """One replica's ticker, with a clock that is a little wrong."""

    def __init__(self, scheduler: Scheduler, log: Log, store: Store) -> None:
        self._scheduler = scheduler
        self._log = log
        self._store = store
        self._skew = timedelta(seconds=scheduler.random.uniform(-2, 2))
        self._ticker = self._fresh()
        self.task: Coroutine[Any, Any, None] | None = None

    def now(self) -> datetime:
        """Return what this replica takes for the present."""
        return self._scheduler.now + self._skew

    def begin(self) -> None:
        """Look again and again; looking alone does not keep the simulation going."""
        self._scheduler.at(self._scheduler.random.uniform(1, 9), self._look, background=True)

    def step(self) -> None:
        """Go on with the look under way."""
        if self.task is None:
            return
        try:
            self.task.send(None)
        except StopIteration:
            self.task = None
            self.begin()

    def stop(self) -> None:
        """End the look under way."""
        if self.task is not None:
            self.task.close()

    def _look(self) -> None:
        if self._scheduler.chance(0.1):
            self._ticker = self._fresh()
        self.task = self._ticker.look()

    def _fresh(self) -> Ticker:
        reads, appends = Reads(self._store), Appends(self._scheduler, self._log)
        return Ticker(lambda: reads, lambda: cast("Producer", appends), clock=self, source=SOURCE, every=0)


class Simulation:
    """Gates under one seed: `run` returns a report, or raises the violation it found."""

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        self.seed = seed
        self.scheduler = scheduler = Scheduler(seed)
        self.log = Log(scheduler)
        self.store = Store(guarded=mutant.guarded)
        faults, roughness = scheduler.random.choice((CALM, USUAL, ROUGH))
        self.broker = Broker(scheduler)
        self.folder = Path(tempfile.mkdtemp(prefix="gridloop-gates-", dir=IN_MEMORY))
        self.gates = [
            Gate(
                f"gate-{number}", scheduler, self.log, self.broker, self.folder, roughness,
                mutant.spool, mutant.drain, timedelta(seconds=scheduler.random.choice(SKEWS)),
            )
            for number in range(2)
        ]  # fmt: skip
        self.people = People(scheduler, self.log, self.gates)
        self.checks = Checks(self.store, self.people, self.gates)
        self.log.watchers.append(self.checks.appended)
        self.store.before_commit.append(self.checks.committing)
        groups = [
            Group(name, topics, mutant.handlers.get(name, handler), mutant.flow, mutant.commit_first)
            for name, (topics, handler) in GROUPS.items()
        ]
        self.cluster = Cluster(scheduler, self.log, self.store, groups=groups, faults=faults)
        self.tickers = [Looking(scheduler, self.log, self.store) for _ in range(2)]
        self.outages = roughness.outages
        self.steps = 0

    def run(self) -> Report:
        """Run to quiescence and check what is left."""
        self._begin()
        try:
            while not self._quiet():
                self.steps += 1
                within = self.steps < MOST_STEPS and self.scheduler.now_ms - START_MS < MOST_MS
                require(within, "everything comes to rest", "")
            self.checks.final()
        except Broken as broken:
            raise Violation(broken.invariant, f"{broken} [gate, seed {self.seed}]") from broken
        finally:
            self._end()
        return Report(
            self.seed, self.log.digest.hexdigest(), self.steps, self.log.appended,
            self.cluster.crashes + sum(gate.crashes for gate in self.gates),
            sum(gate.torn for gate in self.gates), sum(len(gate.answered) for gate in self.gates),
            len(self.checks.alerts),
        )  # fmt: skip

    def _begin(self) -> None:
        self.broker.begin(self.outages)
        for each in (*self.gates, self.people, *self.tickers):
            each.begin()

    def _end(self) -> None:
        self.cluster.stop()
        for each in (*self.gates, *self.tickers):
            each.stop()
        shutil.rmtree(self.folder)

    def _quiet(self) -> bool:
        """Take one step; return whether there was nothing left to do."""
        cluster = self.cluster
        steps: list[Callable[[], None]] = [partial(cluster.step, runnable) for runnable in cluster.runnable()]
        steps += [gate.step for gate in self.gates if gate.runnable]
        steps += [ticking.step for ticking in self.tickers if ticking.task]
        if steps:
            self.scheduler.random.choice(steps)()
            self.scheduler.advance()
            return False
        wake = cluster.next_wake()
        waits = wake is not None or self.scheduler.waiting or self.store.due
        if not waits and not any(gate.waits for gate in self.gates):
            return True
        self.scheduler.jump(wake)
        return False


GROUPS: Mapping[str, tuple[tuple[Topic, ...], Callable[[], Handler]]] = {
    "checkpoint.crossings": (
        (contract.CROSSINGS_TOPIC,),
        lambda: Crossings(source=SOURCE, rules=RULES, zone=ZONE),  # type: ignore[arg-type] # any tzinfo will do
    ),
    "checkpoint.households": ((registry.HOUSEHOLDS_TOPIC,), copies.households),
}
