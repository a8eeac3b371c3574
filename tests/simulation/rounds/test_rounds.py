"""A round holds under crashes, duplicates, reordering and zombies, and the checks can fail."""

import pytest

from tests.simulation.frame import Mutant
from tests.simulation.proving import chunks, found, hold, replays
from tests.simulation.rounds.mutants import MUTANTS
from tests.simulation.rounds.run import RoundSimulation


@pytest.mark.req("S2-11", "S3-04", "S4-08", "F-12", "B-06", "U-11")
@pytest.mark.parametrize("seeds", chunks(0, 140), ids=str)
def test_no_seed_breaks_an_invariant(seeds: range) -> None:
    hold(RoundSimulation, seeds, "frozen", "covered", "alerts", "crashes")


def test_a_repeated_batch_that_reads_a_head_older_than_its_sheets_says_nothing_new() -> None:
    """The seed that found a tally open and closed under one version: nothing guards what only repeats."""
    assert RoundSimulation(2028).run().did["frozen"] > 0


@pytest.mark.req("B-06")
def test_a_seed_replays_exactly() -> None:
    replays(RoundSimulation, 2)


@pytest.mark.req("B-06")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    found(RoundSimulation, mutant)
