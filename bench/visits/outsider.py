"""Everybody outside screening: opens the round, visits, reads coverage, and counts for itself."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench.batches import Batches
from bench.visits.town import CITY
from bench.watch import Watch
from shared.contracts import screening as contract
from shared.contracts.screening import CoverageCounts


class Outsider:
    """One client for one round."""

    def __init__(self, servers: str, round_: str, partitions: int) -> None:
        self._round = round_
        self.batches = Batches(servers, partitions)
        topics = (contract.PROGRESS_TOPIC.name, contract.OUTCOMES_TOPIC.name)
        self._watch = Watch(servers, topics, partitions, self._see)
        self.until = self._watch.until
        self.coverage: dict[str, bytes] = {}
        self.at_city: dict[str, Any] = {}
        self.most_at_city: Counter[str] = Counter()
        self.refusals: list[str] = []

    async def start(self) -> None:
        """Watch coverage from its present end."""
        await self.batches.start()
        await self._watch.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._watch.stop()
        await self.batches.stop()

    def _see(self, record: Any) -> None:
        if record.topic == contract.OUTCOMES_TOPIC.name:
            self.refusals += refused(record.value)
            return
        round_, _, desk = record.key.decode().partition("/")
        # The frozen denominators of parts stand under longer keys.
        if round_ != self._round or "/" in desk:
            return
        self.coverage[desk] = record.value
        if desk == CITY:
            self.at_city = json.loads(record.value)
            self.most_at_city |= Counter(counts(self.at_city))


def refused(outcome: bytes) -> list[str]:
    """Return why a command was not done; empty where it was."""
    results = json.loads(outcome).get("results", ())
    return [f"{each.get('code')}: {each.get('detail')}" for each in results if not each.get("accepted")]


def counts(shown: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts of a coverage that is shown; what is left out is nought."""
    return CoverageCounts.model_validate(shown["total"]).model_dump()


def is_frozen(shown: Mapping[str, Any], truth: Counter[str]) -> bool:
    """Return whether a desk and all below it have their denominators, and the right ones."""
    if not shown or shown["missing"]:
        return False
    there = counts(shown)
    return (there["households"], there["persons"]) == (truth["households"], truth["persons"])


def is_exact(shown: Mapping[str, Any], truth: Counter[str]) -> bool:
    """Return whether a coverage says exactly that every household is screened and every person seen."""
    if not is_frozen(shown, truth):
        return False
    there = counts(shown)
    households = there["covered"], there["screened"], there["in_care"]
    return households == (truth["households"],) * 3 and there["persons_covered"] == truth["persons"]


def differences(coverage: Mapping[str, bytes], truth: Mapping[str, Counter[str]]) -> list[str]:
    """Return every desk whose newest coverage is not the truth."""
    wrong = []
    for desk, wanted in truth.items():
        if desk not in coverage:
            wrong.append(f"{desk}: no coverage")
        elif not is_exact(shown := json.loads(coverage[desk]), wanted):
            wrong.append(f"{desk}: {counts(shown)}, truth {dict(wanted)}, missing {shown['missing']}")
    return wrong


def overcounts(most: Counter[str], truth: Counter[str]) -> list[str]:
    """Return what was ever shown above the truth: no count may exceed it at any sample."""
    bounds = {name: truth["persons" if name.startswith("persons") else "households"] for name in most}
    return [f"{name}: {most[name]}, truth {most_}" for name, most_ in bounds.items() if most[name] > most_]
