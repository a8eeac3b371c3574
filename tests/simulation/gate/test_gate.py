"""What a gate answered is kept and merged once, through power cuts and outages, and the checks can fail."""

import pytest

from tests.simulation.gate.mutants import MUTANTS, Mutant
from tests.simulation.gate.run import Simulation
from tests.simulation.violation import Violation

SEEDS = 100
CHUNK = 20
MUTANT_SEEDS = 100


def _run_all(mutant: Mutant) -> None:
    for seed in range(MUTANT_SEEDS):
        Simulation(seed, mutant).run()


@pytest.mark.req("S1-09", "F-09", "U-25", "B-02", "B-06")
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    reports = [Simulation(seed).run() for seed in range(first, first + CHUNK)]

    # A run that did nothing, or to which nothing was done, proves nothing.
    assert sum(report.answered for report in reports) > CHUNK
    assert sum(report.alerts for report in reports) > 0
    assert sum(report.crashes for report in reports) > 0
    assert sum(report.torn for report in reports) > 0


@pytest.mark.req("B-06")
def test_a_seed_replays_exactly() -> None:
    assert Simulation(2).run().trace == Simulation(2).run().trace
    assert Simulation(2).run().trace != Simulation(3).run().trace


@pytest.mark.req("B-06")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    with pytest.raises(Violation):
        _run_all(mutant)
