"""One simulated round from one seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from services.screening import subscribers
from services.screening.domain.fever import Fever
from services.screening.domain.round import Terms
from services.screening.handlers.progress import CoverageRoll
from services.screening.handlers.rounds import Rounds
from services.screening.handlers.sheets import Sheets
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.topics import Topic
from shared.domain.dated import Dated
from shared.flow.decide import Decide
from shared.flow.handler import Handler
from shared.service import rosters
from tests.simulation.log import Log
from tests.simulation.replicas import Cluster, Faults, Group
from tests.simulation.rounds import final
from tests.simulation.rounds.actors import Actors
from tests.simulation.rounds.checks import Checks
from tests.simulation.rounds.mutants import HONEST, Mutant
from tests.simulation.rounds.ticking import Ticking
from tests.simulation.rounds.truth import FEVER, Truth
from tests.simulation.rounds.world import ZONE, build
from tests.simulation.scheduler import START_MS, Scheduler
from tests.simulation.storage import Store
from tests.simulation.violation import Broken, Violation, require

SOURCE = "screening"
MOST_STEPS = 60_000
MOST_MS = 2 * 3_600_000
LOOKS = 3
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
TERMS = Dated([(BEGAN, Terms(due=60, skew=300))])
FEVERS = Dated([(BEGAN, Fever(celsius=FEVER))])
ROUGHNESS = (
    Faults(crash=0, storage=0, publish=0, rebalances=2, crashes=0),
    Faults(crash=0.002, storage=0.02, publish=0.01, rebalances=12, crashes=8, stall=0.03),
    Faults(crash=0.006, storage=0.05, publish=0.03, rebalances=24, crashes=20, stall=0.05),
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
    rounds: int
    frozen: int
    covered: int
    alerts: int


class Simulation:
    """Screening under one seed: `run` returns a report, or raises the violation it found."""

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        self.seed = seed
        self.scheduler = scheduler = Scheduler(seed)
        self.log = Log(scheduler)
        self.store = Store(guarded=mutant.guarded)
        world = build(scheduler.random)
        self.actors = Actors(scheduler, self.log, world)
        self.checks = Checks(self.store, world, Truth(self.actors.opened))
        self.log.watchers.append(self.checks.appended)
        self.store.on_session.append(self.checks.began)
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
                require(within, "everything comes to rest", "")
            final.check(self.checks, self.log, self.actors)
        except Broken as broken:
            raise Violation(broken.invariant, f"{broken} [round, seed {self.seed}]") from broken
        finally:
            self.cluster.stop()
            for ticking in self.tickers:
                ticking.stop()
        return self._report()

    def _report(self) -> Report:
        desks = self.checks.oracle.desks.values()
        return Report(
            self.seed, self.log.digest.hexdigest(), self.steps, self.log.appended, self.cluster.crashes,
            self.cluster.rebalances, len(self.store.all("rounds")), len(self.checks.frozen),
            sum(len(desk.doors) for desk in desks), len(self.checks.alerts),
        )  # fmt: skip

    def _quiet(self) -> bool:
        """Take one step; return whether nothing was left to do, and the tickers looked and found nothing."""
        cluster = self.cluster
        steps: list[Callable[[], None]] = [partial(cluster.step, runnable) for runnable in cluster.runnable()]
        if steps:
            for ticking in self.tickers:
                ticking.idle = 0
        steps += [ticking.step for ticking in self.tickers if ticking.task]
        if steps:
            self.scheduler.random.choice(steps)()
            self.scheduler.advance()
            return False
        wake = cluster.next_wake()
        looked = min(ticking.idle for ticking in self.tickers) >= LOOKS
        if wake is None and not self.scheduler.waiting and not self.store.due and looked:
            return True
        self.scheduler.jump(wake)
        return False


def _commands() -> Handler:
    decider = Rounds(source=SOURCE, terms=TERMS)
    return Decide(decider, outcomes=contract.OUTCOMES_TOPIC, outcome_type=contract.OUTCOME, source=SOURCE)


GROUPS: Mapping[str, tuple[tuple[Topic, ...], Callable[[], Handler]]] = {
    "screening.commands": ((contract.COMMANDS_TOPIC,), _commands),
    "screening.sheets": (
        (contract.DESKS_TOPIC, contract.VISITS_TOPIC, contract.READINGS_TOPIC),
        lambda: Sheets(source=SOURCE, fever=FEVERS, zone=ZONE),
    ),
    "screening.progress": ((contract.TALLIES_TOPIC,), lambda: CoverageRoll(source=SOURCE)),
    "screening.rosters": ((registry.ROSTERS_TOPIC,), rosters.copies),
    "screening.households": ((registry.HOUSEHOLDS_TOPIC,), subscribers.households),
    "screening.charges": ((registry.CHARGES_TOPIC,), subscribers.charges),
}
