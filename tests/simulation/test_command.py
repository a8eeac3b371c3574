"""`python -m tests.simulation` says which seeds broke something and how to replay them, and fails."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulation import __main__ as command
from tests.simulation.frame import Mutant
from tests.simulation.gate.mutants import MUTANTS
from tests.simulation.gate.run import GateSimulation
from tests.simulation.proving import ROOT

DISORDERLY = next(mutant for mutant in MUTANTS if mutant.name == "drains the newest first")


class OutOfOrder(GateSimulation):
    """A gate with a fault in it."""

    def __init__(self, seed: int, mutant: Mutant = DISORDERLY) -> None:
        super().__init__(seed, mutant)


class Failing(GateSimulation):
    """A simulation that ends in an error."""

    def did(self) -> Mapping[str, int]:
        """Count what cannot be counted."""
        raise LookupError(self.seed)


def test_each_broken_seed_is_one_line_that_replays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "SIMULATIONS", {"gate": OutOfOrder})
    monkeypatch.setattr(command, "ProcessPoolExecutor", lambda _: ThreadPoolExecutor(1))

    status = command.main(["0:3", "gate"])

    *lines, summary = capsys.readouterr().out.splitlines()
    assert status == 1
    assert summary.startswith(f"3 seeds (gate), {len(lines)} broken")
    seeds = [line.rpartition("python -m tests.simulation ")[2] for line in lines]
    assert seeds
    assert set(seeds) <= {"0 gate", "1 gate", "2 gate"}
    assert all(line.startswith("the order of a key is kept") for line in lines)
    assert command.main([seeds[0][0], "gate"]) == 1


def test_a_seed_that_ends_in_an_error_is_told_and_shows_its_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "SIMULATIONS", {"gate": Failing})
    told = command.broken("gate", [3])

    with pytest.raises(LookupError):
        command.main(["3", "gate"])

    assert told == ["LookupError: 3 [gate, seed 3]; replay: .venv/bin/python -m tests.simulation 3 gate"]
    assert "gate start gate-0" in capsys.readouterr().out


def test_seeds_that_hold_succeed() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "0:4", "gate"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("4 seeds (gate), 0 broken")
