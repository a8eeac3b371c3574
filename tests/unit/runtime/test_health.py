"""Liveness and readiness, with time in the test's hands."""

from shared.runtime.health import Health


class HandClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class FakeTask:
    ended = False

    def done(self) -> bool:
        return self.ended


def test_a_loop_that_stops_ticking_is_found() -> None:
    clock = HandClock()
    health = Health(monotonic=clock)
    health.expect("ticker", within=5)
    clock.seconds = 5
    assert health.alive()
    clock.seconds = 5.1
    assert not health.alive()
    assert health.liveness()["failures"] == {"ticker": "no tick for 5 s"}
    health.tick("ticker")
    assert health.alive()


def test_a_loop_that_never_ticked_is_found() -> None:
    clock = HandClock()
    health = Health(monotonic=clock)
    health.expect("ticker", within=5)
    clock.seconds = 60
    assert not health.alive()


def test_a_tick_makes_a_loop_known() -> None:
    clock = HandClock()
    health = Health(monotonic=clock)
    health.tick("poll")
    clock.seconds = 31
    assert not health.alive()
    health.unwatch("poll")
    assert health.alive()


def test_the_end_of_a_watched_task_is_the_end() -> None:
    health = Health()
    task = FakeTask()
    health.watch("sender", task)
    assert health.alive()
    task.ended = True
    assert health.liveness() == {"alive": False, "loops": ["sender"], "failures": {"sender": "ended"}}
    assert not health.ready()


def test_ready_when_each_condition_is() -> None:
    health = Health(waits_for=("consumer", "views"))
    assert health.readiness()["waiting_for"] == {"consumer": "starting", "views": "starting"}
    health.set_ready("consumer", True)
    assert not health.ready()
    health.set_ready("views", True)
    assert health.ready()
    health.set_ready("views", False, "retrying")
    assert health.readiness() == {
        "ready": False,
        "conditions": ["consumer", "views"],
        "waiting_for": {"views": "retrying"},
    }
    assert health.alive()
