"""The loop holds under crashes, duplicates, reordering and zombies, and the checks can fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.run import Simulation
from tests.simulation.violation import Violation

SEEDS = 200
CHUNK = 10
MUTANT_SEEDS = range(24, 184)
SCRIPT = "from tests.simulation.run import Simulation; print(Simulation({seed}).run().trace)"


def _run_all(mutant: Mutant) -> None:
    for seed in MUTANT_SEEDS:
        Simulation(seed, mutant).run()


@pytest.mark.req("F-03", "F-04", "B-06", "S3-03", "U-22")
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    reports = [Simulation(seed).run() for seed in range(first, first + CHUNK)]

    # A run that did nothing, or to which nothing was done, proves nothing.
    assert sum(report.closed for report in reports) > 0
    assert sum(report.crashes for report in reports) > 0


@pytest.mark.req("B-06")
def test_a_seed_replays_exactly_in_another_process() -> None:
    seed = 3
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    again = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(seed=seed)],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert again.stdout.strip() == Simulation(seed).run().trace
    assert Simulation(seed).run().trace != Simulation(seed + 1).run().trace


@pytest.mark.req("B-06")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    with pytest.raises(Violation):
        _run_all(mutant)
