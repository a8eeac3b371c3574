"""The checks can fail: each rule of the flow and of the loop, broken on purpose, is found by its check."""

import pytest

from tests.simulation.dispatch.mutants import MUTANTS
from tests.simulation.dispatch.run import DispatchSimulation
from tests.simulation.frame import Mutant
from tests.simulation.proving import found


@pytest.mark.req("B-06")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    found(DispatchSimulation, mutant)
