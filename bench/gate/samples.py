"""Phases of a row of questions, and what their raw samples say."""

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

OK: Final = 200
MS: Final = 1000


class Phase(NamedTuple):
    """So many questions a second, for so long."""

    name: str
    rate: int
    seconds: float

    @property
    def questions(self) -> int:
        """How many are asked."""
        return int(self.rate * self.seconds)


def phases_of(phases: Sequence[Phase]) -> Iterator[tuple[float, Phase]]:
    """Yield each phase with the second in which it begins."""
    begun = 0.0
    for phase in phases:
        yield begun, phase
        begun += phase.seconds


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of all do not exceed; 0 of none."""
    ordered = sorted(samples)
    # 0.99 × 100 is a hair more than 99 in binary.
    place = math.ceil(len(ordered) * share - 1e-9) - 1
    return ordered[max(place, 0)] if ordered else 0.0


def summary(latency: Sequence[float], late: Sequence[float], status: Sequence[int]) -> dict[str, float]:
    """Return a phase in numbers, times in ms; errors are what was not answered 200, and in no percentile."""
    answered = [seconds for seconds, each in zip(latency, status, strict=True) if each == OK]
    return {
        "questions": len(status),
        "errors": sum(each != OK for each in status),
        "p50_ms": percentile(answered, 0.50) * MS,
        "p99_ms": percentile(answered, 0.99) * MS,
        "max_ms": max(answered, default=0.0) * MS,
        "late_p99_ms": percentile(late, 0.99) * MS,
    }
