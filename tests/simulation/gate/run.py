"""One simulated morning at some gates, from one seed."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from services.checkpoint.handlers import copies
from services.checkpoint.handlers.crossings import Crossings
from services.checkpoint.ticker import Ticker
from shared.contracts import checkpoint as contract
from shared.contracts import registry
from shared.kernel.clock import Clock
from tests.simulation.frame import HONEST, Groups, Mutant, Simulation
from tests.simulation.gate.checks import Checks
from tests.simulation.gate.mutants import GateMutant
from tests.simulation.gate.people import People
from tests.simulation.gate.process import Broker, Gate, Roughness
from tests.simulation.gate.world import RULES
from tests.simulation.replicas import Faults
from tests.simulation.scheduler import ZONE
from tests.simulation.ticking import Looks, Reads

if TYPE_CHECKING:
    from shared.messaging.producer import Producer

SOURCE = "checkpoint"
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


GROUPS: Groups = {
    "checkpoint.crossings": (
        (contract.CROSSINGS_TOPIC,),
        lambda: Crossings(source=SOURCE, rules=RULES, zone=ZONE),  # type: ignore[arg-type] # any tzinfo will do
    ),
    "checkpoint.households": ((registry.HOUSEHOLDS_TOPIC,), copies.households),
}


class GateSimulation(Simulation):
    """Gates under one seed."""

    name = "gate"
    groups = GROUPS
    every = (1, 9)
    checks: Checks

    def __init__(self, seed: int, mutant: Mutant = HONEST) -> None:
        super().__init__(seed, mutant)
        scheduler = self.scheduler
        faults, roughness = scheduler.random.choice((CALM, USUAL, ROUGH))
        self.broker = Broker(scheduler)
        self.folder = Path(tempfile.mkdtemp(prefix="gridloop-gates-", dir=IN_MEMORY))
        process = mutant if isinstance(mutant, GateMutant) else GateMutant(mutant.name)
        self.gates = [
            Gate(
                f"gate-{number}", scheduler, self.log, self.broker, self.folder, roughness,
                process.spool, process.drain, timedelta(seconds=scheduler.random.choice(SKEWS)),
            )
            for number in range(2)
        ]  # fmt: skip
        people = People(scheduler, self.log, self.gates)
        self.outages = roughness.outages
        self.start(people, Checks(self.store, people, self.gates), faults)

    def ticker(self, clock: Clock, producer: "Producer") -> Looks:
        """Return checkpoint's ticker."""
        reads = Reads(self.store)
        return Ticker(lambda: reads, lambda: producer, clock=clock, source=SOURCE, every=0)

    def begin(self) -> None:
        """Open the gates before anybody comes."""
        self.broker.begin(self.outages)
        for gate in self.gates:
            gate.begin()
        super().begin()

    def did(self) -> Mapping[str, int]:
        """Count crossings that were answered, alerts, and what befell the gates' own processes."""
        return {
            "answered": sum(len(gate.answered) for gate in self.gates),
            "alerts": len(self.checks.alerts),
            "gate crashes": sum(gate.crashes for gate in self.gates),
            "torn": sum(gate.torn for gate in self.gates),
        }

    def others(self) -> list[Callable[[], None]]:
        """Return the gates' next steps."""
        return [gate.step for gate in self.gates if gate.runnable]

    def at_rest(self) -> bool:
        """Whether no gate has anything left to write, answer or send."""
        return not any(gate.waits for gate in self.gates)

    def stop(self) -> None:
        """End the gates' processes too, and leave no file behind."""
        super().stop()
        for gate in self.gates:
            gate.stop()
        shutil.rmtree(self.folder)
