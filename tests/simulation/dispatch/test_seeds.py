"""The loop holds under crashes, duplicates, reordering and zombies: the first half of the seeds."""

import pytest

from tests.simulation.dispatch.run import BEFALLS, DispatchSimulation
from tests.simulation.proving import chunks, hold, replays


@pytest.mark.req("F-03", "F-04", "B-06", "S3-03", "U-22")
@pytest.mark.parametrize("seeds", chunks(0, 120), ids=str)
def test_no_seed_breaks_an_invariant(seeds: range) -> None:
    hold(DispatchSimulation, seeds, *BEFALLS)


@pytest.mark.req("B-06")
def test_a_seed_replays_exactly() -> None:
    replays(DispatchSimulation, 3)
