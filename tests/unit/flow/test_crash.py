"""Crash points: named in the environment of a test process, and never misspelt in silence."""

import os
import signal

import pytest

from shared.flow import crash


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    kills: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, sent: kills.append((pid, sent)))
    return kills


def test_without_a_specification_nothing_ever_happens(killed: list[tuple[int, int]]) -> None:
    assert crash.at("") is crash.never
    for step in crash.STEPS:
        crash.at("")("dispatch.sheets", step)
    assert killed == []


@pytest.mark.parametrize("step", crash.STEPS)
@pytest.mark.req("B-06")
def test_the_process_is_killed_at_its_step(step: str, killed: list[tuple[int, int]]) -> None:
    reached = crash.at(f"dispatch.sheets:{step}")
    for other in (each for each in crash.STEPS if each != step):
        reached("dispatch.sheets", other)
    reached("dispatch.progress", step)
    assert killed == []
    reached("dispatch.sheets", step)
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_it_may_wait_for_the_third_time_and_kills_once(killed: list[tuple[int, int]]) -> None:
    reached = crash.at("dispatch.sheets:committed:3")
    kills = []
    for _ in range(5):
        reached("dispatch.sheets", "committed")
        kills.append(len(killed))
    assert kills == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    "spec", ["dispatch.sheets", "dispatch.sheets:comitted", "dispatch.sheets:loaded:soon", ":"]
)
def test_a_misspelt_specification_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        crash.at(spec)
