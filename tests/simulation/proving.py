"""How a simulation is put to the test: many seeds, the same seed again, and every planted fault."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.simulation.frame import Mutant, Simulation
from tests.simulation.violation import Violation

ROOT = Path(__file__).parents[2]
CHUNK = 20


def chunks(low: int, high: int) -> list[range]:
    """Cut a range of seeds into pieces that are a test each."""
    return [range(first, min(first + CHUNK, high)) for first in range(low, high, CHUNK)]


def hold(kind: type[Simulation], seeds: Iterable[int], *wanted: str) -> None:
    """Run the seeds: none may break an invariant, and what is wanted must have happened in one of them."""
    did: Counter[str] = Counter()
    for seed in seeds:
        report = kind(seed).run()
        did.update({**report.did, "crashes": report.crashes, "rebalances": report.rebalances})
    # A run that did nothing, or to which nothing was done, proves nothing.
    missing = [name for name in wanted if not did[name]]
    assert not missing, f"{missing} of {did}"


def replays(kind: type[Simulation], seed: int) -> None:
    """Run a seed three times, once in another process: each record, place and commit must be the same."""
    script = f"from {kind.__module__} import {kind.__name__} as S; print(S({seed}).run().trace)"
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    trace = kind(seed).run().trace
    assert kind(seed).run().trace == trace
    assert other.stdout.strip() == trace
    assert kind(seed + 1).run().trace != trace


def found(kind: type[Simulation], mutant: Mutant) -> None:
    """Run seeds until a check that the mutant names finds it; other checks may find it before, in others."""
    seen: Counter[str] = Counter()
    for seed in range(mutant.first, mutant.first + mutant.within):
        try:
            kind(seed, mutant).run()
        except Violation as violation:
            if violation.invariant in mutant.found_by:
                return
            seen[violation.invariant] += 1
    pytest.fail(f"{mutant.name}: none of {mutant.found_by} in {mutant.within} seeds, but {dict(seen)}")
