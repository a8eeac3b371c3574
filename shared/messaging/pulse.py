"""Has this process been asleep longer than its group session lasts? Then its partitions may be another's.

A frozen process (SIGSTOP, a suspended machine, a blocked loop) sends no heartbeat; what it had in hand must
not be published when it wakes (design §2, Publishing).
"""

import asyncio
import time
from collections.abc import Callable

EVERY_S = 0.5


class Pulse:
    """A beat on the event loop; `lapsed()` is true while the last one lies a session or more back."""

    def __init__(self, session_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._session_s = session_s
        self._monotonic = monotonic
        self._last = monotonic()
        self._slept = False

    def beat(self) -> None:
        """Note that the loop runs; a gap of a session or more is remembered until the next assignment."""
        self._slept = self._slept or self._monotonic() - self._last >= self._session_s
        self._last = self._monotonic()

    def lapsed(self) -> bool:
        """Return whether the group may have given this member's partitions away."""
        return self._slept or self._monotonic() - self._last >= self._session_s

    def assigned(self) -> None:
        """Start afresh: the group has just told this member what it owns."""
        self._slept = False
        self._last = self._monotonic()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(EVERY_S)
