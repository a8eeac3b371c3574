"""One order, or two, from one seed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.dispatch.domain.directive import Limits
from services.dispatch.handlers.directives import Directives
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from services.dispatch.ticker import Ticker
from shared.contracts import dispatch as contract
from shared.contracts.registry import ROSTERS_TOPIC
from shared.flow.decide import Decide
from shared.flow.handler import Handler
from shared.kernel.clock import Clock
from shared.service import rosters
from tests.simulation.dispatch.actors import Actors
from tests.simulation.dispatch.final import LoopChecks, unclosed
from tests.simulation.dispatch.oracle import Oracle
from tests.simulation.dispatch.ticking import DispatchReads
from tests.simulation.dispatch.truth import Truth
from tests.simulation.dispatch.world import DEADLINES, build
from tests.simulation.frame import HONEST, Groups, Mutant, Simulation
from tests.simulation.replicas import Faults
from tests.simulation.ticking import Looks

if TYPE_CHECKING:
    from shared.messaging.producer import Producer

SOURCE = "dispatch"
LIMITS = Limits(audience=10_000, open_directives=100)
BEFALLS = ("closed", "amended", "cancelled", "escalations", "late", "crashes", "rewound")
"""What every chunk of seeds must have met at least once."""
ROUGHNESS = (
    Faults(crash=0, storage=0, publish=0, rebalances=2, crashes=0),
    Faults(
        crash=0.002, storage=0.02, publish=0.01, rebalances=8, crashes=8, rewinds=1, stall=0.03, slow=0.03
    ),
    Faults(
        crash=0.006, storage=0.05, publish=0.03, rebalances=16, crashes=20, rewinds=2, stall=0.05, slow=0.06
    ),
)


def _commands() -> Handler:
    decider = Directives(source=SOURCE, limits=LIMITS, deadlines=DEADLINES)
    return Decide(decider, outcomes=contract.OUTCOMES_TOPIC, outcome_type=contract.OUTCOME, source=SOURCE)


GROUPS: Groups = {
    "dispatch.commands": ((contract.COMMANDS_TOPIC,), _commands),
    "dispatch.sheets": (
        (contract.DESKS_TOPIC, contract.ACKS_TOPIC),
        lambda: Sheets(source=SOURCE, deadlines=DEADLINES),
    ),
    "dispatch.progress": ((contract.TALLIES_TOPIC,), lambda: ProgressRoll(source=SOURCE)),
    "dispatch.rosters": ((ROSTERS_TOPIC,), rosters.copies),
}


class DispatchSimulation(Simulation):
    """The loop under one seed."""

    name = "dispatch"
    groups = GROUPS
    checks: LoopChecks
    looks = 3
    """Every other look compares rosters, so this is at least one comparison."""

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        super().__init__(seed, mutant)
        world = build(self.scheduler.random)
        actors = Actors(self.scheduler, self.log, world)
        checks = LoopChecks(self.store, Truth(world, actors.orders), Oracle(world.rosters))
        self.start(actors, checks, self.scheduler.random.choice(ROUGHNESS))

    def ticker(self, clock: Clock, producer: "Producer") -> Looks:
        """Return dispatch's ticker."""
        reads: Any = DispatchReads(self.store)  # both what it queries and its copies of rosters
        return Ticker(
            lambda: reads,
            lambda: reads,
            lambda: producer,
            clock=clock,
            source=SOURCE,
            every=0,
            compare_every=2,
        )

    def did(self) -> Mapping[str, int]:
        """Count loops closed, versions told, and what befell them."""
        stored = self.store.all("directives")
        sheets = self.checks.oracle.sheets.values()
        return {
            "closed": len(stored),
            "amended": sum(body["order"]["version"] > 1 + _cancels(body) for body in stored),
            "asked again": sum(body["order"]["epoch"] > 0 for body in stored),
            "cancelled": sum(map(_cancels, stored)),
            "extended": sum(bool(body["order"]["extensions"]) for body in stored),
            "unfilled": sum(sheet.order is not None and sheet.seats is None for sheet in sheets),
            "superseded": sum(list(sheet.listed.values()).count("superseded") for sheet in sheets),
            "late": sum(list(sheet.listed.values()).count("late") for sheet in sheets),
            "rewound": self.cluster.rewound,
            **self.checks.seen,
        }

    def unfinished(self) -> str:
        """Name what is still open."""
        return unclosed(self.checks)


def _cancels(body: Mapping[str, Mapping[str, object]]) -> bool:
    return body["order"]["effect"] == "cancel"
