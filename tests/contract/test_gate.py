"""The gate on the real contracts: nothing breaks, and a model that is really changed does not get through."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import build_app
from cli.contracts import artefacts, command, gate
from cli.errors import UserError
from cli.stack.paths import ROOT
from shared.contracts.catalog import TOPICS
from shared.contracts.dispatch import ANSWER, RELAY, TICK, Answer, Epoch
from shared.contracts.topics import Topic


class NeedsChannel(Answer):
    """An answer as somebody might change it: every partner's answers would be dead letters."""

    channel: str


class WithChannel(Answer):
    """The same, as it may be done."""

    channel: str = ""
    epoch: Epoch = 0


def with_answer(model: type[Answer]) -> list[Topic]:
    """Return all topics, with another model for answers."""
    return [
        replace(topic, models={**topic.models, ANSWER: model}) if ANSWER in topic.models else topic
        for topic in TOPICS
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a work tree of its own with the committed files; of services, nothing is exported there."""
    artefacts.write(artefacts.of_messages(TOPICS), tmp_path)
    for function in (artefacts.stale, artefacts.write, gate.in_folder):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    monkeypatch.setattr(gate.at_commit, "__defaults__", (tmp_path,))
    monkeypatch.setattr(artefacts, "of_services", dict)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, topics: Sequence[Topic], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(command, "TOPICS", topics)
    done = CliRunner().invoke(build_app(), ["contracts", *arguments])
    if isinstance(done.exception, UserError):
        return 1, f"{done.output}{done.exception}"
    return done.exit_code, done.output


def test_nothing_breaks_what_the_committed_files_promise() -> None:
    breaking = [str(change) for change in gate.changes(TOPICS, gate.in_folder(ROOT)) if change.breaking]
    assert breaking == [], "a breaking change is a new type or topic beside the old one"


@pytest.mark.usefixtures("folder")
def test_contracts_that_did_not_change_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, TOPICS, "check") == (0, "")


def test_a_model_that_demands_more_does_not_get_through(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised = (folder / artefacts.schema_file(ANSWER)).read_text(encoding="utf-8")
    code, said = run(monkeypatch, with_answer(NeedsChannel), "check")
    assert (code, said.splitlines()[0]) == (1, f"breaking: {ANSWER}.channel: new required field")

    code, said = run(monkeypatch, with_answer(NeedsChannel), "export")
    assert code == 1
    assert "nothing was written" in said
    assert (folder / artefacts.schema_file(ANSWER)).read_text(encoding="utf-8") == promised

    assert run(monkeypatch, with_answer(NeedsChannel), "export", "--breaking")[0] == 0
    assert run(monkeypatch, with_answer(NeedsChannel), "check") == (0, "")


def test_a_compatible_change_is_shown_and_exported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Added(Answer):
        channel: str = ""

    code, said = run(monkeypatch, with_answer(Added), "check")
    assert code == 1, "stale files"
    assert f"compatible: {ANSWER}.channel: new optional field" in said
    assert f"stale: {artefacts.schema_file(ANSWER)}" in said
    assert run(monkeypatch, with_answer(Added), "export")[0] == 0
    assert '"channel"' in (folder / artefacts.schema_file(ANSWER)).read_text(encoding="utf-8")
    assert run(monkeypatch, with_answer(Added), "check") == (0, "")


def test_an_answer_is_read_by_others_so_it_may_not_be_wider(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.is_dir()
    code, said = run(monkeypatch, with_answer(WithChannel), "check")
    assert code == 1
    assert f"breaking: {ANSWER}.epoch: is optional now" in said


def test_a_break_that_was_exported_is_seen_against_an_older_commit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("add", ".")
    git("commit", "--message=what was promised")
    assert run(monkeypatch, with_answer(NeedsChannel), "export", "--breaking")[0] == 0
    assert run(monkeypatch, with_answer(NeedsChannel), "check") == (0, "")
    code, said = run(monkeypatch, with_answer(NeedsChannel), "check", "--against", "main")
    assert (code, said.splitlines()) == (1, [f"breaking: {ANSWER}.channel: new required field"])
    code, said = run(monkeypatch, TOPICS, "check", "--against", "nowhere")
    assert (code, "knows no commit 'nowhere'" in said) == (1, True)


def test_only_what_its_owner_alone_reads_may_grow_wider() -> None:
    assert gate.owner_reads(TOPICS, RELAY)
    assert gate.owner_reads(TOPICS, "gridloop.registry.changes.v1")
    assert not gate.owner_reads(TOPICS, ANSWER)
    assert not gate.owner_reads(TOPICS, TICK), "it is internal on one topic only"
