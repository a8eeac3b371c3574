"""Everybody outside the pipeline: gives the order, reads deliveries, answers, and counts for itself.

Both arms meet the same outsider.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.batches import Batches
from bench.watch import Watch


@dataclass(frozen=True, slots=True)
class Topics:
    """Where an arm takes answers and where it says what it delivered and counted."""

    answers: str
    deliveries: str
    progress: str


class Outsider:
    """One client for one run of one arm."""

    def __init__(self, servers: str, topics: Topics, *, city: str, partitions: int) -> None:
        self._topics = topics
        self._city = city
        self.batches = Batches(servers, partitions)
        self._watch = Watch(servers, (topics.deliveries, topics.progress), partitions, self._see)
        self.until = self._watch.until
        self.delivered: set[str] = set()
        self.progress: dict[str, bytes] = {}
        self.seen_at_city: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Watch both topics from their present ends."""
        await self.batches.start()
        await self._watch.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._watch.stop()
        await self.batches.stop()

    def _see(self, record: Any) -> None:
        if record.topic == self._topics.deliveries:
            self.delivered.update(entry["addressee"] for entry in json.loads(record.value)["entries"])
            return
        key = record.key.decode()
        if "/frozen/" in key:
            return
        self.progress[key] = record.value
        if key.endswith(f"/{self._city}"):
            self.seen_at_city.append(json.loads(record.value))


def is_exact(shown: Mapping[str, Any], truth: Counter[str]) -> bool:
    """Return whether a progress says exactly that every post of each level is there and done."""
    cells = {cell: (counts["total"], counts["done"]) for cell, counts in shown["cells"].items()}
    whole = shown["total"]["total"], shown["total"]["done"]
    return (
        cells == {level: (posts, posts) for level, posts in truth.items()}
        and whole == (truth.total(), truth.total())
        and bool(shown["all_reported"])
    )


def differences(
    directive: str, progress: Mapping[str, bytes], truth: Mapping[str, Counter[str]]
) -> list[str]:
    """Return every unit whose newest progress is not the truth."""
    wrong = []
    for desk, posts in truth.items():
        value = progress.get(f"{directive}/{desk}")
        if value is None:
            wrong.append(f"{desk}: no progress")
        elif not is_exact(json.loads(value), posts):
            wrong.append(f"{desk}: {json.loads(value)['total']}, truth {posts.total()}")
    return wrong


def overcounts(seen: Sequence[Mapping[str, Any]], truth: Counter[str]) -> list[str]:
    """Return the samples that claimed more than there is: no count may ever exceed the truth."""
    return [
        f"sample {number}: {sample['total']}, truth {truth.total()}"
        for number, sample in enumerate(seen)
        if max(sample["total"]["total"], sample["total"]["done"]) > truth.total()
    ]
