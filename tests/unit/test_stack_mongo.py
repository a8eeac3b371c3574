"""Which MongoDB the local stack runs, and how."""

import sys
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.stack import mongo
from cli.stack.paths import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.create()
    return run


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_a_mongod_on_path_is_preferred(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mongod = program(tmp_path / "bin", "mongod")
    monkeypatch.setenv("PATH", str(mongod.parent))
    argv = mongo.member(run, 20_002).argv
    assert argv[0] == str(mongod)
    assert argv[argv.index("--bind_ip") + 1] == "127.0.0.1"
    assert argv[argv.index("--port") + 1] == "20002"
    # Transactions need a replica set, even of one.
    assert "--replSet" in argv
    assert Path(argv[argv.index("--dbpath") + 1]).is_dir()


def test_secantusdb_syncs_on_commit_and_ignores_settings_of_the_machine(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = program(tmp_path / "venv", "python")
    secantus = program(tmp_path / "venv", "secantusd-py")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(python))
    argv = mongo.member(run, 20_002).argv
    assert argv[0] == str(secantus)
    assert "--sync-on-commit" in argv
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert Path(argv[argv.index("--config") + 1]).read_text(encoding="utf-8") == ""


def test_without_either_the_user_is_told(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match="install mongod"):
        mongo.member(run, 20_002)
