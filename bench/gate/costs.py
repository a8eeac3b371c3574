"""What a gate costs beside its latency: memory of what it knows by heart, and a pass it never saw."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import psutil

from bench.gate.place import Place
from bench.gate.samples import percentile
from bench.meter import MEGABYTE
from services.checkpoint.keys import KeySet, SigningKey
from services.checkpoint.pass_text import read, text_of

UNSEEN: Final = 2_000
STEADY_S: Final = 3.0
LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Costs:
    """Memory in MB of 10⁶ bytes, verification in µs."""

    rss_empty_mb: float
    rss_full_mb: float
    projection_mb: float
    verify_p50_us: float
    verify_p99_us: float


def verification(place: Place, keys: KeySet, key: SigningKey) -> tuple[float, float]:
    """Return median and 99th percentile (µs) of verifying passes that no cache has seen."""
    taken = []
    for pass_ in place.passes[:UNSEEN]:
        text = text_of(pass_, key)
        began = time.perf_counter()
        presented = read(text, keys)
        taken.append((time.perf_counter() - began) * 1e6)
        if presented is None or presented.pass_id != pass_.pass_id:
            raise RuntimeError("a good pass was not read")
    return percentile(taken, 0.5), percentile(taken, 0.99)


async def steady_rss(process: psutil.Process) -> float:
    """Return the resident memory (MB) once it has not grown for a while."""
    size, since = process.memory_info().rss, time.monotonic()
    while time.monotonic() - since < STEADY_S:
        await asyncio.sleep(LOOK_S)
        if (now := process.memory_info().rss) > size + MEGABYTE:
            size, since = now, time.monotonic()
    return process.memory_info().rss / MEGABYTE
