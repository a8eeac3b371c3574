"""`python -m tests.simulation FIRST:LAST [NAME…]` runs a range of seeds; `SEED NAME` shows one seed's trace.

Names are dispatch, rounds and gate; a range without one is run over all three. Each seed that breaks an
invariant is one line that says how to replay it; then the exit code is 1.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from tests.simulation.dispatch.run import DispatchSimulation
from tests.simulation.frame import Report, Simulation
from tests.simulation.gate.run import GateSimulation
from tests.simulation.rounds.run import RoundSimulation
from tests.simulation.violation import Violation

SIMULATIONS: Mapping[str, type[Simulation]] = {
    kind.name: kind for kind in (DispatchSimulation, RoundSimulation, GateSimulation)
}
AT_ONCE = 25


def say(line: object) -> None:
    """Write a line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def one(name: str, seed: int) -> int:
    """Run one seed and print its trace, however it ends."""
    simulation = SIMULATIONS[name](seed)
    simulation.log.trace = []
    ended: Report | Violation
    try:
        ended = simulation.run()
    except Violation as violation:
        ended = violation
    finally:
        say("\n".join(simulation.log.trace))
    say(ended)
    return int(isinstance(ended, Violation))


def broken(name: str, seeds: Sequence[int]) -> list[str]:
    """Return a line for each of these seeds that breaks an invariant, or ends in an error."""
    logging.disable(logging.CRITICAL)
    found = []
    for seed in seeds:
        try:
            SIMULATIONS[name](seed).run()
        except Violation as violation:
            told = _first_line(violation)
        except Exception as error:  # noqa: BLE001 - whatever it was, the other seeds are run and it is told
            told = f"{type(error).__name__}: {_first_line(error)} [{name}, seed {seed}]"
        else:
            continue
        found.append(f"{told}; replay: .venv/bin/python -m tests.simulation {seed} {name}")
    return found


def many(names: Sequence[str], seeds: range) -> int:
    """Run a range of seeds on all cores, and print each that breaks something."""
    began, failed = time.perf_counter(), 0
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        work = [(name, piece) for piece in _pieces(seeds) for name in names]
        for lines in processes.map(broken, *zip(*work, strict=True)):
            failed += len(lines)
            for line in lines:
                say(line)
    seconds = time.perf_counter() - began
    ran = len(seeds) * len(names)
    say(f"{ran} seeds ({', '.join(names)}), {failed} broken, {seconds:.0f} s, {ran / seconds:.1f} seeds/s")
    return min(failed, 1)


def _pieces(seeds: range) -> Iterator[list[int]]:
    left = iter(seeds)
    while piece := list(islice(left, AT_ONCE)):
        yield piece


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:400]


def _seeds(text: str) -> range | int:
    if ":" not in text:
        return int(text)
    first, last = map(int, text.split(":"))
    if first >= last:
        raise ValueError(text)
    return range(first, last)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", type=_seeds, help="a seed, or a range FIRST:LAST without its last")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SIMULATIONS))
    said = parser.parse_args(arguments)
    unknown = set(said.names) - set(SIMULATIONS)
    if unknown:
        parser.error(f"no simulation is called {', '.join(sorted(unknown))}")
    if isinstance(said.seeds, range):
        return many(said.names or list(SIMULATIONS), said.seeds)
    return max(one(name, said.seeds) for name in said.names or ["dispatch"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
