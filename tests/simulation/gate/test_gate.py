"""What a gate answered is kept and merged once, through power cuts and outages, and the checks can fail."""

import pytest

from tests.simulation.frame import Mutant
from tests.simulation.gate.mutants import MUTANTS
from tests.simulation.gate.run import GateSimulation
from tests.simulation.proving import chunks, found, hold, replays


@pytest.mark.req("S1-09", "F-09", "U-25", "B-02", "B-06")
@pytest.mark.parametrize("seeds", chunks(0, 120), ids=str)
def test_no_seed_breaks_an_invariant(seeds: range) -> None:
    hold(GateSimulation, seeds, "answered", "alerts", "crashes", "gate crashes", "torn")


@pytest.mark.req("B-06")
def test_a_seed_replays_exactly() -> None:
    replays(GateSimulation, 2)


@pytest.mark.req("B-06")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    found(GateSimulation, mutant)
