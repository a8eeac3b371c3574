"""One simulation from one seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from services.dispatch.domain.directive import Limits
from services.dispatch.handlers.directives import Directives
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from shared.contracts import dispatch as contract
from shared.contracts.registry import ROSTERS_TOPIC
from shared.contracts.topics import Topic
from shared.flow.decide import Decide
from shared.flow.handler import Handler
from shared.service import rosters
from tests.simulation import final
from tests.simulation.actors import Actors
from tests.simulation.checks import Checks
from tests.simulation.log import Log
from tests.simulation.mutants import HONEST, Mutant
from tests.simulation.oracle import Oracle
from tests.simulation.replicas import Cluster, Faults, Group
from tests.simulation.scheduler import START_MS, Scheduler
from tests.simulation.storage import Store
from tests.simulation.ticker import Ticking
from tests.simulation.truth import Truth
from tests.simulation.violation import Broken, Violation, require
from tests.simulation.world import DEADLINES, build

SOURCE = "dispatch"
MOST_STEPS = 60_000
MOST_MS = 2 * 3_600_000
LIMITS = Limits(audience=10_000, open_directives=100)
ROUGHNESS = (
    Faults(crash=0, storage=0, publish=0, rebalances=2, crashes=0),
    Faults(crash=0.002, storage=0.02, publish=0.01, rebalances=8, crashes=8),
    Faults(crash=0.006, storage=0.05, publish=0.03, rebalances=16, crashes=20),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What one seed did."""

    seed: int
    trace: str
    steps: int
    records: int
    crashes: int
    rebalances: int
    closed: int


class Simulation:
    """The loop under one seed: `run` returns a report, or raises the violation it found."""

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        self.seed = seed
        self.scheduler = scheduler = Scheduler(seed)
        self.log = Log(scheduler)
        self.store = Store(guarded=mutant.guarded)
        world = build(scheduler.random)
        self.actors = Actors(scheduler, self.log, world)
        truth = Truth(world, self.actors.orders)
        self.checks = Checks(self.store, truth, Oracle(world.rosters))
        self.log.watchers.append(self.checks.appended)
        self.store.before_commit.append(self.checks.committing)
        groups = [
            Group(name, topics, mutant.handlers.get(name, handler), mutant.flow, mutant.commit_first)
            for name, (topics, handler) in GROUPS.items()
        ]
        faults = scheduler.random.choice(ROUGHNESS)
        self.cluster = Cluster(scheduler, self.log, self.store, groups=groups, faults=faults)
        self.tickers = [Ticking(scheduler, self.log, self.store) for _ in range(2)]
        self.steps = 0

    def run(self) -> Report:
        """Run to quiescence and check what is left."""
        try:
            self.actors.begin()
            for ticking in self.tickers:
                ticking.begin()
            while not self._quiet():
                self.steps += 1
                within = self.steps < MOST_STEPS and self.scheduler.now_ms - START_MS < MOST_MS
                require(within, "the loop ends", "" if within else final.unclosed(self.checks))
            final.check(self.checks, self.log, self.actors)
        except Broken as broken:
            raise Violation(broken.invariant, f"{broken} [seed {self.seed}]") from broken
        finally:
            self.cluster.stop()
            for ticking in self.tickers:
                ticking.stop()
        return Report(
            self.seed, self.log.digest.hexdigest(), self.steps, self.log.appended, self.cluster.crashes,
            self.cluster.rebalances, len(self.store.all("directives")),
        )  # fmt: skip

    def _quiet(self) -> bool:
        """Take one step; return whether there was nothing left to do."""
        cluster = self.cluster
        steps: list[Callable[[], None]] = [partial(cluster.step, runnable) for runnable in cluster.runnable()]
        steps += [ticking.step for ticking in self.tickers if ticking.task]
        if steps:
            self.scheduler.random.choice(steps)()
            self.scheduler.advance()
            return False
        wake = self.cluster.next_wake()
        if wake is None and not self.scheduler.waiting and not self.store.due:
            return True
        self.scheduler.jump(wake)
        return False


def _commands() -> Handler:
    decider = Directives(source=SOURCE, limits=LIMITS, deadlines=DEADLINES)
    return Decide(decider, outcomes=contract.OUTCOMES_TOPIC, outcome_type=contract.OUTCOME, source=SOURCE)


GROUPS: Mapping[str, tuple[tuple[Topic, ...], Callable[[], Handler]]] = {
    "dispatch.commands": ((contract.COMMANDS_TOPIC,), _commands),
    "dispatch.sheets": (
        (contract.DESKS_TOPIC, contract.ACKS_TOPIC),
        lambda: Sheets(source=SOURCE, deadlines=DEADLINES),
    ),
    "dispatch.progress": ((contract.TALLIES_TOPIC,), lambda: ProgressRoll(source=SOURCE)),
    "dispatch.rosters": ((ROSTERS_TOPIC,), rosters.copies),
}
