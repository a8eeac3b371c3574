"""One simulated round from one seed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.screening import subscribers
from services.screening.domain.round import Terms
from services.screening.handlers.progress import CoverageRoll
from services.screening.handlers.rounds import Rounds
from services.screening.handlers.sheets import Sheets
from services.screening.ticker import Ticker
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.domain.dated import Dated
from shared.flow.decide import Decide
from shared.flow.handler import Handler
from shared.kernel.clock import Clock
from shared.service import rosters
from tests.simulation.frame import HONEST, Groups, Mutant, Simulation
from tests.simulation.replicas import Faults
from tests.simulation.rounds.actors import Actors
from tests.simulation.rounds.final import RoundChecks
from tests.simulation.rounds.ticking import RoundReads
from tests.simulation.rounds.truth import Truth
from tests.simulation.rounds.world import BEGAN, FEVERS, SOURCE, build
from tests.simulation.scheduler import ZONE
from tests.simulation.ticking import Looks

if TYPE_CHECKING:
    from shared.messaging.producer import Producer

TERMS = Dated([(BEGAN, Terms(due=60, skew=300))])
ROUGHNESS = (
    Faults(crash=0, storage=0, publish=0, rebalances=2, crashes=0),
    Faults(crash=0.002, storage=0.02, publish=0.01, rebalances=12, crashes=8, stall=0.03),
    Faults(crash=0.006, storage=0.05, publish=0.03, rebalances=24, crashes=20, stall=0.05),
)


def _commands() -> Handler:
    decider = Rounds(source=SOURCE, terms=TERMS)
    return Decide(decider, outcomes=contract.OUTCOMES_TOPIC, outcome_type=contract.OUTCOME, source=SOURCE)


GROUPS: Groups = {
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


class RoundSimulation(Simulation):
    """Screening under one seed."""

    name = "rounds"
    groups = GROUPS
    checks: RoundChecks
    looks = 3

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        super().__init__(seed, mutant)
        world = build(self.scheduler.random)
        actors = Actors(self.scheduler, self.log, world)
        checks = RoundChecks(self.store, world, Truth(actors.opened))
        self.start(actors, checks, self.scheduler.random.choice(ROUGHNESS))

    def ticker(self, clock: Clock, producer: "Producer") -> Looks:
        """Return screening's ticker."""
        reads: Any = RoundReads(self.store)  # both what it queries and its copies of rosters
        return Ticker(lambda: reads, lambda: reads, lambda: producer, clock=clock, source=SOURCE, every=0)

    def did(self) -> Mapping[str, int]:
        """Count rounds, frozen desks, doors with an answer, and alerts."""
        desks = self.checks.oracle.desks.values()
        return {
            "rounds": len(self.store.all("rounds")),
            "frozen": len(self.checks.frozen),
            "covered": sum(len(desk.doors) for desk in desks),
            "alerts": len(self.checks.alerts),
        }
