"""Virtual time and who runs next. Everything random in a simulation comes from the one generator here."""

import heapq
import random
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta, timezone
from types import coroutine

from shared.kernel.ids import new_ulid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_MS = 1_767_225_600_000
START = EPOCH + timedelta(milliseconds=START_MS)
ZONE = timezone(timedelta(hours=23, minutes=58))
"""A simulation starts at midnight UTC: in the city its first day ends two minutes later."""


@coroutine
def pause() -> Generator[None, None, None]:
    """Let others run: a crash, a rebalance or any other step may happen here."""
    yield


@coroutine
def sleep(seconds: float) -> Generator[float, None, None]:
    """Do not run again before this much virtual time has passed."""
    yield seconds


class Scheduler:
    """The clock, a heap of timers, and the seed's choices."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_ms = START_MS
        # How fast processing is against people: a slow seed piles answers up, a fast one drains them.
        self.pace_ms = self.random.choice((5, 40, 120, 400))
        self._timers: list[tuple[int, int, bool, Callable[[], None]]] = []
        self._numbered = 0
        self._foreground = 0

    @property
    def now(self) -> datetime:
        """The present instant."""
        return EPOCH + timedelta(milliseconds=self.now_ms)

    @property
    def waiting(self) -> int:
        """How many timers besides background ones are still to come."""
        return self._foreground

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return self.random.random() < probability

    def ulid(self) -> str:
        """Mint an id as an edge would."""
        return new_ulid(self.now, self.random.randbytes(10))

    def at(self, seconds: float, action: Callable[[], None], *, background: bool = False) -> None:
        """Run an action this much later; a background one does not keep the simulation going."""
        self._numbered += 1
        self._foreground += not background
        when = self.now_ms + int(seconds * 1000)
        heapq.heappush(self._timers, (when, self._numbered, background, action))

    def advance(self) -> None:
        """Let a step's time pass and run what has become due."""
        self.now_ms += self.random.randrange(self.pace_ms)
        self.fire()

    def fire(self) -> None:
        """Run every action that is due."""
        while self._timers and self._timers[0][0] <= self.now_ms:
            _, _, background, action = heapq.heappop(self._timers)
            self._foreground -= not background
            action()

    def jump(self, wake_ms: int | None) -> None:
        """Go to the next timer, or to when a sleeper wakes: nobody has anything to do before."""
        timer = self._timers[0][0]
        self.now_ms = max(self.now_ms, timer if wake_ms is None else min(timer, wake_ms))
        self.fire()
