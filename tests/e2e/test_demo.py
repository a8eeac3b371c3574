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

from cli.demo.summary import Summary
from cli.stack.files import until
from cli.stack.paths import ROOT, jars_dir

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="the local stack needs Java"),
    pytest.mark.timeout(300),
]
POSTS = 90
SECONDS = 120


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command; everything it makes lies under the folder, so that what is left can be found."""
    command = [sys.executable, "-m", "cli", "demo", "--posts", str(POSTS), "--speed", "4", *options]
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
    """Return the process of one service of the demonstration under this folder."""
    for process in psutil.process_iter(["cmdline"]):
        is_service = (process.info["cmdline"] or [])[-1:] == [f"services.{module}"]
        if is_service and str(folder) in process.environ().get("GRIDLOOP_TOKEN_KEY", ""):
            return process
    pytest.fail(f"{module} is not running")


def assert_exact(report: dict[str, Any]) -> None:
    assert report["differences"] == []
    assert report["closed"] is True
    assert report["above_truth"] == 0
    assert report["samples"] > 0
    assert report["entries"] == POSTS + 2 == report["counts"]["done"] == report["counts"]["total"]
    assert sum(counts["total"] for counts in report["by_level"].values()) == report["entries"]
    assert sum(counts["total"] for counts in report["by_community"].values()) == report["entries"]
    # The vacant posts at the least were answered for.
    assert report["counts"]["answered_for"] >= report["vacant"] == 6
    assert set(report["reached"]) == {"50", "90", "100"}


@pytest.mark.req("S3-24", "S0-12", "S0-13")
def test_the_loop_closes_and_every_count_agrees(tmp_path: Path) -> None:
    with demo(tmp_path, "--json", str(tmp_path / "report.json"), "--silent", "0.1") as process:
        output = until_line(process, "every count agrees with the independent one")
        assert process.wait(SECONDS) == 0, output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert_exact(report)
    assert report.keys() == {field.name for field in Summary.__dataclass_fields__.values()}
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("module", ["dispatch", "registry"])
def test_a_killed_service_costs_time_but_no_answer(tmp_path: Path, module: str) -> None:
    with demo(tmp_path, "--json", str(tmp_path / "report.json")) as process:
        until_line(process, " done ")
        service(tmp_path, module).kill()
        output = until_line(process, "every count agrees with the independent one")
        assert process.wait(SECONDS) == 0, output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert_exact(report)
    assert report["restarts"][module] >= 1
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("line", ["starting Kafka", "telling registry", "one order from"])
def test_an_interrupt_at_any_moment_leaves_nothing_behind(tmp_path: Path, line: str) -> None:
    with demo(tmp_path) as process:
        until_line(process, line)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
    assert "interrupted" in output
    assert "Traceback" not in output
    assert_nothing_left(tmp_path)
