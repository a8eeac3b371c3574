"""Continuous integration does not end well where it cannot run the tests that need servers."""

import subprocess
from pathlib import Path
from shutil import which

import pytest

from cli.stack.paths import ROOT

PROGRAMS = ("javac", "mvn", "node", "npm", "make")


def ran(folder: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Run it where these programs are all there is; each says only that it was called."""
    for name in ("bash", "dirname", "id"):
        (folder / name).symlink_to(which(name) or name)
    for name in programs:
        program = folder / name
        program.write_text(f'#!{which("sh")}\necho {name} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    command = [str(folder / "bash"), str(ROOT / ".ci" / "run")]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


def test_everything_is_run_where_everything_is_there(tmp_path: Path) -> None:
    done = ran(tmp_path, *PROGRAMS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "make check\nmake test\n", "")


@pytest.mark.parametrize(("missing", "named"), [("javac", "JDK"), ("mvn", "Maven")])
def test_without_what_the_servers_need_nothing_is_run(tmp_path: Path, missing: str, named: str) -> None:
    done = ran(tmp_path, *(name for name in PROGRAMS if name != missing))
    assert (done.returncode, done.stdout) == (1, "")
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_node_its_partner_alone_is_left_out(tmp_path: Path) -> None:
    done = ran(tmp_path, "javac", "mvn", "make")
    assert done.stdout == "make check\nmake test\n"
    assert "Node partner" in done.stderr
