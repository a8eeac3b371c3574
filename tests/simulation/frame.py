"""What every simulation is: replicas, tickers and people under one seed, run until nothing is left to do.

A subclass says who lives in it and what must hold; a `Mutant` says what is wrong with the code it runs.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from unittest import mock

from shared.contracts.topics import Topic
from shared.flow.batch import Flow
from shared.flow.handler import Handler
from shared.kernel.clock import Clock
from tests.simulation.log import Log
from tests.simulation.replicas import Cluster, Faults, Group
from tests.simulation.scheduler import START_MS, Scheduler
from tests.simulation.storage import Store
from tests.simulation.ticking import Looks, Ticking
from tests.simulation.violation import Broken, Violation, require
from tests.simulation.watching import Watching

if TYPE_CHECKING:
    from shared.messaging.producer import Producer

MOST_STEPS = 60_000
MOST_MS = 2 * 3_600_000
TICKERS = 2

Handlers = Mapping[str, Callable[[], Handler]]
Groups = Mapping[str, tuple[tuple[Topic, ...], Callable[[], Handler]]]


@dataclass(frozen=True, slots=True)
class Bend:
    """A rule, by the place where it is looked up, and what stands there instead."""

    owner: Any
    name: str
    by: Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted fault: the rule it breaks, how, and by which of the checks it must be found.

    `within` is the number of seeds that must be enough; `first` spares the seeds before a rare event.
    """

    name: str
    found_by: tuple[str, ...] = ()
    bends: tuple[Bend, ...] = ()
    flow: type[Flow] = Flow
    guarded: bool = True
    commit_first: bool = False
    handlers: Handlers = field(default_factory=dict)
    first: int = 0
    within: int = 40

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Run with the rules bent; nobody else runs meanwhile, for a simulation is one thread."""
        with ExitStack() as stack:
            for bend in self.bends:
                stack.enter_context(mock.patch.object(bend.owner, bend.name, bend.by))
            yield


HONEST = Mutant("honest")


@dataclass(frozen=True, slots=True)
class Report:
    """What one seed did; `did` counts what makes a run worth having, `killed` crashes by crash point."""

    seed: int
    trace: str
    steps: int
    records: int
    crashes: int
    rebalances: int
    killed: Mapping[str, int]
    did: Mapping[str, int]


class People(Protocol):
    """Everybody outside the service."""

    def begin(self) -> None:
        """Plan what they will say and when."""


class Simulation(ABC):
    """One seed: `run` returns a report, or raises the violation it found."""

    name: ClassVar[str]
    groups: ClassVar[Groups]
    looks: ClassVar[int] = 0
    """How often every ticker must have found nothing before the system counts as quiet."""
    every: ClassVar[tuple[float, float]] = (4, 9)

    people: People
    checks: Watching
    cluster: Cluster
    tickers: list[Ticking]

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        self.seed = seed
        self.mutant = mutant
        self.scheduler = Scheduler(seed)
        self.log = Log(self.scheduler)
        self.store = Store(guarded=mutant.guarded)
        self.steps = 0

    def start(self, people: People, checks: Watching, faults: Faults) -> None:
        """Let the checks watch, and start the replicas and their tickers."""
        self.people, self.checks = people, checks
        self.log.watchers.append(checks.appended)
        self.store.on_session.append(checks.began)
        self.store.before_commit.append(checks.committing)
        mutant = self.mutant
        groups = [
            Group(name, topics, mutant.handlers.get(name, handler), mutant.flow, mutant.commit_first)
            for name, (topics, handler) in self.groups.items()
        ]
        self.cluster = Cluster(self.scheduler, self.log, self.store, groups=groups, faults=faults)
        self.tickers = [
            Ticking(self.scheduler, self.log, self.ticker, every=self.every) for _ in range(TICKERS)
        ]

    def run(self) -> Report:
        """Run to quiescence and check what is left."""
        with self.mutant.planted():
            try:
                self.begin()
                for ticking in self.tickers:
                    ticking.begin()
                while not self._quiet():
                    self.steps += 1
                    within = self.steps < MOST_STEPS and self.scheduler.now_ms - START_MS < MOST_MS
                    require(within, "everything comes to rest", "" if within else self.unfinished())
                self.checks.final(self.log)
            except Broken as broken:
                where = f"[{self.name}, seed {self.seed}]"
                raise Violation(broken.invariant, f"{broken} {where}") from broken
            finally:
                self.stop()
        return Report(
            self.seed, self.log.digest.hexdigest(), self.steps, self.log.appended, self.cluster.crashes,
            self.cluster.rebalances, Counter(self.cluster.killed), self.did(),
        )  # fmt: skip

    @abstractmethod
    def ticker(self, clock: Clock, producer: "Producer") -> Looks:
        """Return the service's ticker, as a fresh process builds it."""

    @abstractmethod
    def did(self) -> Mapping[str, int]:
        """Count what was done: a run in which nothing happened proves nothing."""

    def begin(self) -> None:
        """Let everything begin."""
        self.people.begin()

    def unfinished(self) -> str:
        """Name what stands still, for the report of a system that never comes to rest."""
        return ""

    def others(self) -> list[Callable[[], None]]:
        """Return the steps that somebody besides replicas and tickers can take now."""
        return []

    def at_rest(self) -> bool:
        """Whether nobody besides replicas and tickers has anything to do, now or later."""
        return True

    def stop(self) -> None:
        """End whatever is under way."""
        self.cluster.stop()
        for ticking in self.tickers:
            ticking.stop()

    def _quiet(self) -> bool:
        """Take one step; return whether nothing was left to do, and the tickers looked and found nothing."""
        cluster = self.cluster
        steps: list[Callable[[], None]] = [partial(cluster.step, runnable) for runnable in cluster.runnable()]
        steps += self.others()
        if steps:
            for ticking in self.tickers:
                ticking.idle = 0
        steps += [ticking.step for ticking in self.tickers if ticking.task]
        if steps:
            self.scheduler.random.choice(steps)()
            self.scheduler.advance()
            return False
        wake = cluster.next_wake()
        looked = min(ticking.idle for ticking in self.tickers) >= self.looks
        planned = wake is not None or self.scheduler.waiting or self.store.due
        if not planned and looked and self.at_rest():
            return True
        self.scheduler.jump(wake)
        return False
