"""`make bench` on a small city: both arms run for real, are exact at every unit, and are reported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(400)


def bench(report: Path, *, within: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "bench", "--quick", "--within", within, "--json", str(report)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    return done.returncode, json.loads(report.read_text())


def test_a_quick_run_is_exact_in_both_arms(tmp_path: Path) -> None:
    code, written = bench(tmp_path / "bench.json", within="60")

    assert code == 0
    assert [run["arm"] for run in written["runs"]] == ["gridloop", "raw"]
    assert all(run["figures"]["messages_per_answer"] >= 1 for run in written["runs"])
    assert written["conditions"]["posts"] == 2_000


def test_a_run_that_is_not_exact_in_time_is_void(tmp_path: Path) -> None:
    code, written = bench(tmp_path / "bench.json", within="0.01")

    assert code == 1
    assert all(run["figures"] is None and run["wrong"] for run in written["runs"])
