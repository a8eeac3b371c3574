"""Is the process alive, and is it ready? Loops tick, tasks are watched, conditions are named.

Not alive: restart it (a loop stopped, a task ended). Not ready: leave it alone, send it no requests.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

DEFAULT_WITHIN_S = 30.0

Report = dict[str, object]


class Watched(Protocol):
    """Anything that runs until it is done: an asyncio task or future."""

    def done(self) -> bool: ...


@dataclass(slots=True)
class _Loop:
    within: float
    last: float


class Health:
    def __init__(
        self, *, waits_for: Iterable[str] = (), monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Start unready for each condition in `waits_for`, so that nothing is ready by being forgotten."""
        self._monotonic = monotonic
        self._loops: dict[str, _Loop] = {}
        self._tasks: dict[str, Watched] = {}
        self._unready: dict[str, str] = dict.fromkeys(waits_for, "starting")
        self._conditions: set[str] = set(self._unready)

    def expect(self, loop: str, *, within: float = DEFAULT_WITHIN_S) -> None:
        """Name a loop that must tick; a loop that never starts is found as well."""
        self._loops[loop] = _Loop(within, self._monotonic())

    def tick(self, loop: str) -> None:
        if loop not in self._loops:
            self.expect(loop)
        self._loops[loop].last = self._monotonic()

    def watch(self, name: str, task: Watched) -> None:
        """Take the end of a task that should never end for the end of the process."""
        self._tasks[name] = task

    def unwatch(self, name: str) -> None:
        """Forget a loop or task that ends on purpose."""
        self._tasks.pop(name, None)
        self._loops.pop(name, None)

    def set_ready(self, condition: str, ready: bool, why: str = "") -> None:  # noqa: FBT001 (reads as a fact)
        self._conditions.add(condition)
        if ready:
            self._unready.pop(condition, None)
        else:
            self._unready[condition] = why or "not ready"

    def failures(self) -> dict[str, str]:
        now = self._monotonic()
        late = {
            name: f"no tick for {now - loop.last:.0f} s"
            for name, loop in self._loops.items()
            if now - loop.last > loop.within
        }
        ended = {name: "ended" for name, task in self._tasks.items() if task.done()}
        return late | ended

    def alive(self) -> bool:
        return not self.failures()

    def ready(self) -> bool:
        return not self._unready and self.alive()

    def liveness(self) -> Report:
        """Give the body of /healthz."""
        failures = self.failures()
        return {
            "alive": not failures,
            "loops": sorted(self._loops.keys() | self._tasks),
            "failures": failures,
        }

    def readiness(self) -> Report:
        """Give the body of /readyz."""
        waiting = self._unready | self.failures()
        return {"ready": not waiting, "conditions": sorted(self._conditions), "waiting_for": waiting}
