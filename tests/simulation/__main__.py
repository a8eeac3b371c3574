"""`python -m tests.simulation [dispatch|round|gate] SEED` shows one seed's trace; `SEEDS=a:b` runs a range.

Without a name it is the dispatch loop. A range says what broke, and how fast it was.
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import Protocol

from tests.simulation.gate.run import Simulation as GateSimulation
from tests.simulation.log import Log
from tests.simulation.rounds.run import Simulation as RoundSimulation
from tests.simulation.run import Simulation as DispatchSimulation
from tests.simulation.violation import Violation


class Scenario(Protocol):
    """One simulation under one seed."""

    log: Log

    def run(self) -> object:
        """Return a report, or raise the violation that was found."""


class Kind(Protocol):
    """What makes a scenario of a seed."""

    def __call__(self, seed: int) -> Scenario:
        """Prepare a run."""


SCENARIOS: Mapping[str, Kind] = {
    "dispatch": DispatchSimulation,
    "round": RoundSimulation,
    "gate": GateSimulation,
}


def say(line: object) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def one(kind: Kind, seed: int) -> int:
    """Run one seed and print its trace."""
    simulation = kind(seed)
    simulation.log.trace = []
    try:
        say(simulation.run())
    except Violation as violation:
        say("\n".join(simulation.log.trace))
        say(violation)
        return 1
    return 0


def many(kind: Kind, first: int, last: int) -> int:
    """Run a range of seeds and print each violation."""
    began, broken = time.perf_counter(), 0
    for seed in range(first, last):
        try:
            kind(seed).run()
        except Violation as violation:
            broken += 1
            say(violation)
    seconds = time.perf_counter() - began
    say(f"{last - first} seeds, {broken} broken, {(last - first) / seconds:.1f} seeds/s")
    return min(broken, 1)


def main(arguments: list[str]) -> int:
    """Run what the arguments name."""
    kind = SCENARIOS[arguments.pop(0) if arguments and arguments[0] in SCENARIOS else "dispatch"]
    if "SEEDS" in os.environ:
        low, high = os.environ["SEEDS"].split(":")
        return many(kind, int(low), int(high))
    return one(kind, int(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
