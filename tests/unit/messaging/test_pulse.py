"""The pulse: a process that slept longer than its group session does not publish what it had in hand."""

import asyncio

import pytest

from shared.messaging.pulse import EVERY_S, Pulse


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def pulse(watch: Stopwatch) -> Pulse:
    return Pulse(10.0, watch)


def test_a_beating_process_has_not_lapsed(pulse: Pulse, watch: Stopwatch) -> None:
    for _ in range(100):
        watch.seconds += 9.9
        assert not pulse.lapsed()
        pulse.beat()
    assert not pulse.lapsed()


def test_a_process_lapses_as_soon_as_a_session_has_passed(pulse: Pulse, watch: Stopwatch) -> None:
    watch.seconds += 10.0
    assert pulse.lapsed()


def test_a_beat_after_a_long_sleep_does_not_make_it_undone(pulse: Pulse, watch: Stopwatch) -> None:
    watch.seconds += 11.0
    pulse.beat()
    assert pulse.lapsed()
    watch.seconds += 0.5
    pulse.beat()
    assert pulse.lapsed()


def test_a_new_assignment_starts_afresh(pulse: Pulse, watch: Stopwatch) -> None:
    watch.seconds += 11.0
    pulse.beat()
    pulse.assigned()
    assert not pulse.lapsed()
    watch.seconds += 9.9
    assert not pulse.lapsed()


async def test_it_beats_until_it_is_cancelled(watch: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[float] = []
    enough = 3

    async def pause(seconds: float) -> None:
        beats.append(seconds)
        watch.seconds += seconds
        if len(beats) == enough:
            raise asyncio.CancelledError

    monkeypatch.setattr("shared.messaging.pulse.asyncio.sleep", pause)
    pulse = Pulse(EVERY_S * enough, watch)
    with pytest.raises(asyncio.CancelledError):
        await pulse.run()
    assert beats == [EVERY_S] * enough
    assert not pulse.lapsed()
