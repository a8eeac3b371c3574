"""`gridloop demo` as a person runs it, on a small street: it ends checked, also when it is disturbed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.demo.directive.summary import Summary as DirectiveSummary
from cli.demo.gate.summary import Summary as GateSummary
from cli.demo.round.script import FEVERS, UNREACHED
from cli.demo.round.summary import Summary as RoundSummary
from cli.stack.files import until
from cli.stack.paths import ROOT, jars_dir

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="the local stack needs Java"),
    pytest.mark.timeout(300),
]
POSTS = 90
SECONDS = 240
AGREES = "every count agrees with the independent one"
SUMMARIES = {"directive": DirectiveSummary, "round": RoundSummary, "gate": GateSummary}


@contextmanager
def demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command; everything it makes lies under the folder, so that what is left can be found."""
    command = [sys.executable, "-m", "cli", "demo", *words, "--posts", str(POSTS), "--speed", "4"]
    environment = {**os.environ, "TMPDIR": str(folder), "GRIDLOOP_JARS": str(jars_dir())}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def until_line(process: subprocess.Popen[str], text: str) -> str:
    """Read the output up to a line; whoever tests it must see it come."""
    seen = []
    assert process.stdout is not None
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return "".join(seen)
    pytest.fail(f"{text!r} did not come:\n{''.join(seen)}")


def left_of(folder: Path) -> list[str]:
    """Every process that was started under the folder, by its command line or by its environment."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            words = [*(process.info["cmdline"] or []), *process.environ().values()]
        except psutil.Error:
            continue
        is_demo = words[1:4] == ["-m", "cli", "demo"]
        if not is_demo and any(str(folder) in word for word in words):
            found.append(" ".join(process.info["cmdline"]))
    return found


def assert_nothing_left(folder: Path) -> None:
    assert until(lambda: not left_of(folder), seconds=20), left_of(folder)
    assert [path.name for path in folder.glob("gridloop-*")] == []


def service(folder: Path, module: str) -> psutil.Process:
    """Return the process of one service of the demonstration under this folder, or its broker's."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if module == "kafka":
            is_ours = "kafka.Kafka" in words and words[-1].startswith(str(folder))
        else:
            is_ours = words[-1:] == [f"services.{module}"] and str(folder) in process.environ().get(
                "GRIDLOOP_TOKEN_KEY", ""
            )
        if is_ours:
            return process
    pytest.fail(f"{module} is not running")


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["differences"] == []
    for act, summary in SUMMARIES.items():
        if act in report:
            assert report[act].keys() == set(summary.__dataclass_fields__)
            assert report[act]["differences"] == []
    return report


def assert_directive(told: dict[str, Any]) -> None:
    assert told["closed"] is True
    assert told["above_truth"] == 0
    assert told["samples"] > 0
    assert told["entries"] == POSTS + 2 == told["counts"]["done"] == told["counts"]["total"]
    assert sum(counts["total"] for counts in told["by_level"].values()) == told["entries"]
    assert sum(counts["total"] for counts in told["by_community"].values()) == told["entries"]
    # The vacant posts at the least were answered for.
    assert told["counts"]["answered_for"] >= told["vacant"] == 6
    assert set(told["reached"]) == {"50", "90", "100"}


def assert_round(told: dict[str, Any]) -> None:
    counts = told["counts"]
    assert told["closed"] is True
    assert told["above_truth"] == 0
    assert told["samples"] > 0
    assert counts["covered"] == counts["households"] - UNREACHED
    assert len(told["holes"]) == UNREACHED
    assert sum(each["households"] for each in told["by_community"].values()) == counts["households"]
    assert (counts["later"], counts["later_covered"], told["late"]) == (1, 1, 1)
    assert told["revisited"] > 0
    assert [alert["answered_for"] for alert in told["alerts"]] == [0] * (FEVERS - 1) + [1]
    assert all(alert["closed"] for alert in told["alerts"])


def assert_gate(told: dict[str, Any]) -> None:
    assert told["errors"] == 0
    assert told["decisions"] == told["crossings"] > 0
    assert told["outage"] > 0
    assert set(told["latency"]) == {"before", "without Kafka", "after"}
    assert told["codes"].keys() >= {
        "home", "movement", "revoked", "pass-invalid", "gate-closed", "claimed-address", "no-pass",
        "emergency", "seen-elsewhere", "late-return",
    }  # fmt: skip
    assert told["refusals"] == ["another-exit-open", "last-exit", "team-incomplete"]
    assert [alert["closed"] for alert in told["alerts"]] == [True]


@pytest.mark.req("S3-24", "S0-12", "S0-13", "S4-08", "S2-11", "S2-05", "S2-07", "S4-15", "F-09")
def test_all_three_acts_end_exact(tmp_path: Path) -> None:
    with demo(tmp_path, "--json", str(tmp_path / "report.json"), "--silent", "0.1") as process:
        output = until_line(process, AGREES)
        assert process.wait(SECONDS) == 0, output
    report = report_of(tmp_path)
    assert set(report) == {*SUMMARIES, "seconds", "restarts", "findings", "differences"}
    assert_directive(report["directive"])
    assert_round(report["round"])
    assert_gate(report["gate"])
    # Kafka itself, and nothing else, was started again.
    assert {name for name, restarts in report["restarts"].items() if restarts} <= {"kafka"}
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("act", "line", "module"),
    [
        ("directive", " done ", "dispatch"),
        ("directive", " done ", "registry"),
        ("directive", " done ", "kafka"),
        ("round", " covered ", "screening"),
        ("round", " covered ", "dispatch"),
        ("round", " covered ", "kafka"),
        ("gate", "before: ", "checkpoint"),
    ],
)
def test_a_killed_service_costs_time_but_no_answer(tmp_path: Path, act: str, line: str, module: str) -> None:
    with demo(tmp_path, act, "--json", str(tmp_path / "report.json")) as process:
        until_line(process, line)
        service(tmp_path, module).kill()
        output = until_line(process, AGREES)
        assert process.wait(SECONDS) == 0, output
    report = report_of(tmp_path)
    assert set(report) & set(SUMMARIES) == {act}
    assert report["restarts"][module] >= 1
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("act", "line"),
    [
        ("directive", "starting Kafka"),
        ("directive", "telling registry"),
        ("directive", "one order from"),
        ("round", " covered "),
        ("gate", "without Kafka: "),
    ],
)
def test_an_interrupt_at_any_moment_leaves_nothing_behind(tmp_path: Path, act: str, line: str) -> None:
    with demo(tmp_path, act) as process:
        until_line(process, line)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
    assert "interrupted" in output
    assert "Traceback" not in output
    assert_nothing_left(tmp_path)
