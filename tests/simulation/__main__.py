"""`python -m tests.simulation SEED` shows one seed's trace; `SEEDS=a:b` runs a range and says what broke."""

import os
import sys
import time

from tests.simulation.run import Simulation
from tests.simulation.violation import Violation


def say(line: object) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def one(seed: int) -> int:
    """Run one seed and print its trace."""
    simulation = Simulation(seed)
    simulation.log.trace = []
    try:
        say(simulation.run())
    except Violation as violation:
        say("\n".join(simulation.log.trace))
        say(violation)
        return 1
    return 0


def many(first: int, last: int) -> int:
    """Run a range of seeds and print each violation."""
    began, broken = time.perf_counter(), 0
    for seed in range(first, last):
        try:
            Simulation(seed).run()
        except Violation as violation:
            broken += 1
            say(violation)
    seconds = time.perf_counter() - began
    say(f"{last - first} seeds, {broken} broken, {(last - first) / seconds:.1f} seeds/s")
    return min(broken, 1)


if __name__ == "__main__":
    if "SEEDS" in os.environ:
        low, high = os.environ["SEEDS"].split(":")
        sys.exit(many(int(low), int(high)))
    sys.exit(one(int(sys.argv[1])))
