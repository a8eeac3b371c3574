"""`gridloop demo` as a person runs it, on a small street: it ends checked, also when it is disturbed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.demo.directive.summary import Summary as DirectiveSummary
from cli.demo.gate.summary import Summary as GateSummary
from cli.demo.round.script import FEVERS, UNREACHED
from cli.demo.round.summary import Summary as RoundSummary
from cli.stack import health
from cli.stack.files import until
from cli.stack.paths import ROOT, RunDir, jars_dir
from cli.stack.plan import running_state

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="the local stack needs Java"),
    pytest.mark.timeout(300),
]
POSTS = 90
SECONDS = 240
AGREES = "every count agrees with the independent one"
SUMMARIES = {"directive": DirectiveSummary, "round": RoundSummary, "gate": GateSummary}
# What is said when an act is over and only compared.
OVER = "; comparing with"
EVERYTHING = {"registry", "dispatch", "screening", "checkpoint", "kafka", "mongo"}


@dataclass(frozen=True)
class Demo:
    """The running command, what it has said so far, and the stack it made for itself."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def until_said(self, text: str, since: int = 0) -> None:
        """Wait for a text in what is said after so many characters; whoever tests it must see it come."""

        def settled() -> bool:
            return text in self.output[since:] or self.process.poll() is not None

        until(settled, seconds=SECONDS)
        if text not in self.output[since:]:
            pytest.fail(f"{text!r} did not come:\n{self.output}")

    def kill(self, victim: str, *, until_ready: bool) -> None:
        """SIGKILL one child in the middle of an act, and see it started again."""
        run = RunDir(next(self.folder.glob("gridloop-*")))
        state = running_state(run)
        assert state is not None
        child = state.children[victim]
        assert child.process is not None
        child.process.send(signal.SIGKILL)
        assert child.process.wait_gone(seconds=5)
        assert OVER not in self.output, f"{victim} was killed too late:\n{self.output}"

        def is_back() -> bool:
            now = running_state(run)
            return now is not None and now.children[victim].restarts > child.restarts

        assert until(is_back, seconds=20), f"{victim} was not started again"
        if until_ready:
            health.wait_child(run, victim)


@contextmanager
def demo(folder: Path, *words: str, speed: float = 4, by_make: bool = False) -> Iterator[Demo]:
    """Start the command; everything it makes lies under the folder, so that what is left can be found."""
    options = [*words, "--posts", str(POSTS), "--speed", str(speed)]
    command = [sys.executable, "-m", "cli", "demo", *options]
    environment = {**os.environ, "TMPDIR": str(folder), "GRIDLOOP_JARS": str(jars_dir())}
    if by_make:
        command = ["make", "--no-print-directory", "demo"]
        environment["DEMO"] = " ".join(options)
    with (
        (folder / "output.txt").open("wb") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Demo(process, folder)
        finally:
            if process.poll() is None:
                # Make has children of its own.
                os.killpg(process.pid, signal.SIGKILL)


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
def test_all_three_acts_end_exact_as_readme_starts_them(tmp_path: Path) -> None:
    report_at = str(tmp_path / "report.json")
    with demo(tmp_path, "--json", report_at, "--silent", "0.1", by_make=True) as running:
        assert running.process.wait(SECONDS) == 0, running.output
        assert AGREES in running.output
    report = report_of(tmp_path)
    assert set(report) == {*SUMMARIES, "seconds", "restarts", "findings", "differences"}
    assert_directive(report["directive"])
    assert_round(report["round"])
    assert_gate(report["gate"])
    # Kafka itself, and nothing else, was started again.
    assert {name for name, restarts in report["restarts"].items() if restarts} <= {"kafka"}
    assert_nothing_left(tmp_path)


# Every line of progress is three seconds after the one before. Who is waited for must be ready again before
# the next is killed; the others come back beside that. A slow audience, so that the act is not over by then.
KILLS = {
    "directive": (
        0.5,
        [
            ("registry", " done ", False),
            ("screening", " done ", False),
            ("checkpoint", " done ", False),
            ("mongo", " done ", True),
            ("kafka", " done ", True),
            ("dispatch", " done ", True),
        ],
    ),
    "round": (
        0.4,
        [
            ("registry", " covered ", False),
            ("dispatch", " covered ", False),
            ("checkpoint", " covered ", False),
            ("mongo", " covered ", True),
            ("kafka", " covered ", True),
            ("screening", " covered ", True),
        ],
    ),
    # The act itself stops Kafka for a while, and whoever is killed then can only be ready afterwards.
    "gate": (
        2,
        [
            ("checkpoint", " before: ", True),
            ("registry", " answered, ", False),
            ("dispatch", " answered, ", False),
            ("screening", " answered, ", False),
            ("mongo", " answered, ", True),
            ("kafka", " after: ", False),
        ],
    ),
}


@pytest.mark.parametrize("act", KILLS)
def test_whatever_is_killed_in_an_act_costs_time_but_no_answer(tmp_path: Path, act: str) -> None:
    speed, kills = KILLS[act]
    with demo(tmp_path, act, "--json", str(tmp_path / "report.json"), speed=speed) as running:
        said = 0
        for victim, line, until_ready in kills:
            running.until_said(line, said)
            running.kill(victim, until_ready=until_ready)
            said = len(running.output)
        assert running.process.wait(SECONDS) == 0, running.output
        assert AGREES in running.output
    report = report_of(tmp_path)
    assert set(report) & set(SUMMARIES) == {act}
    assert {name for name, restarts in report["restarts"].items() if restarts} == EVERYTHING
    assert_nothing_left(tmp_path)


def test_a_run_that_is_given_up_is_ended_with_all_that_make_started(tmp_path: Path) -> None:
    with suppress(TimeoutError), demo(tmp_path, by_make=True) as running:
        running.until_said("telling registry")
        raise TimeoutError
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
    with demo(tmp_path, act) as running:
        running.until_said(line)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(SECONDS) == 130, running.output
    assert "interrupted" in running.output
    assert "Traceback" not in running.output
    assert_nothing_left(tmp_path)
