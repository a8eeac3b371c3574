"""The second half of the seeds, in a file of its own so that both cores have one; and what all must reach."""

from collections import Counter

import pytest

from shared.flow.crash import STEPS
from tests.simulation.dispatch.run import BEFALLS, DispatchSimulation
from tests.simulation.proving import chunks, hold


@pytest.mark.req("F-03", "F-04", "B-06", "S3-03", "U-22")
@pytest.mark.parametrize("seeds", chunks(120, 240), ids=str)
def test_no_seed_breaks_an_invariant(seeds: range) -> None:
    hold(DispatchSimulation, seeds, *BEFALLS)


@pytest.mark.req("B-06")
def test_every_crash_point_is_reached_and_everything_that_can_befall_an_order_does() -> None:
    killed: Counter[str] = Counter()
    did: Counter[str] = Counter()
    for seed in range(240, 280):
        report = DispatchSimulation(seed).run()
        killed.update(report.killed)
        did.update(report.did)

    assert set(killed) == set(STEPS)
    assert all(did.values()), did
