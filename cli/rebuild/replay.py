"""The handler of an outcomes topic: events of what was accepted are applied, and nothing is decided."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from shared.contracts.envelope import Message
from shared.contracts.outcomes import Event, Outcome
from shared.flow.decide import OUTCOMES, Decider
from shared.flow.documents import Collection, Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record

Needs = Callable[[Event, str], Iterator[tuple[Collection[Any], str]]]
"""Which documents applying an event reads, by the routing part of its command's key."""

Settle = Callable[[Documents, Record, Outcome], None]


class Replay(Merge):
    """Applies each command's outcome once, in the order of its key."""

    def __init__(self, decider: Decider, needs: Needs, settle: Settle | None = None) -> None:
        self._decider = decider
        self._needs = needs
        self._settle = settle

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load outcomes, and what their events are about."""
        wanted: dict[str, tuple[Collection[Any], set[str]]] = {}
        for record in arrivals:
            if isinstance(record, Record) and isinstance(record.body, Outcome):
                outcome = record.body
                await docs.load(OUTCOMES, [outcome.command])
                for event in _events(outcome):
                    for collection, id_ in self._needs(event, record.key.partition("/")[0]):
                        wanted.setdefault(collection.name, (collection, set()))[1].add(id_)
        for collection, ids in wanted.values():
            await docs.load(collection, ids)

    def rule(self, docs: Documents, record: Record) -> None:
        """Apply an outcome; one that was said before changes nothing."""
        outcome = record.body
        if not isinstance(outcome, Outcome) or docs.get(OUTCOMES, outcome.command) is not None:
            return
        command = replace(record, id=outcome.command, at=outcome.at, actor=outcome.actor)
        for event in _events(outcome):
            self._decider.apply(docs, event, command)
        docs.put(OUTCOMES, outcome.command, outcome)
        if self._settle is not None:
            self._settle(docs, command, outcome)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish nothing."""
        del docs, arrivals
        return ()


def _events(outcome: Outcome) -> list[Event]:
    return [event for result in outcome.results for event in result.events]
