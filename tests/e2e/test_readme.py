"""What README shows is run as it shows it: `make demo` by test_demo; `make test` is this very run."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(
    r"^make ([a-z]+)", "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)), re.MULTILINE
)


def make(target: str, run_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GRIDLOOP_RUN_DIR": str(run_dir)}
    # The jars are shared by all run folders; what is fetched once is not fetched again.
    environment.setdefault("GRIDLOOP_JARS", str(ROOT / ".run" / "jars"))
    return subprocess.run(
        ["make", "--no-print-directory", target], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip


def test_readme_shows_its_two_commands() -> None:
    assert SHOWN == ["demo", "test"]


@pytest.mark.timeout(250)
def test_up_and_down_are_a_pair(tmp_path: Path) -> None:
    try:
        assert make("up", tmp_path).returncode == 0
    finally:
        down = make("down", tmp_path)
    assert down.returncode == 0
    # What make shows of its recipe has the word in it too.
    assert down.stdout.splitlines()[-1] == "down"
