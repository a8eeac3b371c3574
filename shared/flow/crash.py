"""Named crash points: a test kills the process between any two steps of a batch (B-06)."""

import os
import signal
from collections.abc import Callable
from typing import Final

STEPS: Final = ("loaded", "folded", "written", "committed", "published", "marked")


def never(_group: str, _step: str) -> None:
    """Do nothing: what every process runs with outside a test."""


def at(spec: str) -> Callable[[str, str], None]:
    """Return a crash point from `group:step[:n]`: SIGKILL to this process at the n-th time (default first).

    Raises ValueError for an unknown step, so that a misspelt test does not pass by never crashing.
    """
    if not spec:
        return never
    group, step, *times = spec.split(":")
    if step not in STEPS:
        raise ValueError(f"unknown crash point {step!r}, expected one of {', '.join(STEPS)}")
    left = int(times[0]) if times else 1

    def reached(at_group: str, at_step: str) -> None:
        nonlocal left
        if (at_group, at_step) == (group, step):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached
