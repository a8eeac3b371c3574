"""A round holds under crashes, duplicates, reordering and zombies, and the checks can fail."""

import pytest

from tests.simulation.rounds.mutants import MUTANTS, Mutant
from tests.simulation.rounds.run import Simulation
from tests.simulation.violation import Violation

SEEDS = 120
CHUNK = 20
MUTANT_SEEDS = 120


def _run_all(mutant: Mutant) -> None:
    for seed in range(MUTANT_SEEDS):
        Simulation(seed, mutant).run()


@pytest.mark.req("S2-11", "S3-04", "S4-08", "F-12", "B-06", "U-11")
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    reports = [Simulation(seed).run() for seed in range(first, first + CHUNK)]

    # A run that did nothing, or to which nothing was done, proves nothing.
    assert sum(report.frozen for report in reports) > CHUNK
    assert sum(report.covered for report in reports) > CHUNK
    assert sum(report.alerts for report in reports) > 0
    assert sum(report.crashes for report in reports) > 0


def test_a_repeated_batch_that_reads_a_head_older_than_its_sheets_says_nothing_new() -> None:
    """The seed that found a tally open and closed under one version: nothing guards what only repeats."""
    assert Simulation(2028).run().frozen > 0


@pytest.mark.req("B-06")
def test_a_seed_replays_exactly() -> None:
    assert Simulation(2).run().trace == Simulation(2).run().trace
    assert Simulation(2).run().trace != Simulation(3).run().trace


@pytest.mark.req("B-06")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    with pytest.raises(Violation):
        _run_all(mutant)
