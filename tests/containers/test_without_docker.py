"""Where there is nothing to run containers with, one sentence says so."""

from pathlib import Path

import pytest

from tests.containers.__main__ import main

GONE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
ANSWERS_ONCE = f"""#!/bin/sh
[ "$1" = version ] && {{ echo 20.10; exit 0; }}
echo "{GONE}" >&2
exit 1
"""


def docker(folder: Path, script: str) -> None:
    program = folder / "docker"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_without_docker(
    monkeypatch: pytest.MonkeyPatch, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(path))
    assert main([]) == 1
    assert capsys.readouterr().err == "failed: no Docker daemon answers: there is no `docker` on PATH\n"


def test_without_a_daemon(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker(path, f"#!/bin/sh\necho '{GONE}' >&2\nexit 1\n")
    assert main([]) == 1
    assert capsys.readouterr().err == f"failed: no Docker daemon answers: {GONE}\n"


def test_a_daemon_that_has_gone_does_not_hide_what_failed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docker(path, ANSWERS_ONCE)
    assert main([]) == 1
    first, *others = [line for line in capsys.readouterr().err.splitlines() if line != GONE]
    assert first.startswith("failed: docker compose ")
    assert [line.partition(":")[0] for line in others] == [
        "what the containers said could not be kept",
        "what is left of project gridloop-check could not be taken down",
    ]
