"""After an assignment the last records are read again, unless nobody can have published before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.flow.records import Arrival
from shared.messaging.consumer import SESSION_S, Assignment
from shared.messaging.pulse import Pulse

PLACES = (TopicPartition("facts", 0), TopicPartition("facts", 1))
END, LATELY = 100, 40


@dataclass
class Owner:
    """A flow that is the first one of some partitions."""

    first: frozenset[int] = frozenset()

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        raise AssertionError(arrivals)

    def reassigned(self) -> None:
        """Forget nothing."""

    def is_first(self, partition: int) -> bool:
        return partition in self.first


@dataclass
class Client:
    """What `step_back` asks of a consumer that stands at the end of two partitions."""

    sought: list[tuple[TopicPartition, int]] = field(default_factory=list)

    def assignment(self) -> Iterable[TopicPartition]:
        return PLACES

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Any]:
        return {place: SimpleNamespace(offset=LATELY) for place in times}

    async def position(self, _place: TopicPartition) -> int:
        return END

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.sought.append((place, offset))


@pytest.mark.parametrize("first", [frozenset[int](), frozenset({0}), frozenset({0, 1})])
async def test_only_what_somebody_had_before_is_read_again(first: frozenset[int]) -> None:
    owner, client, now = Owner(), Client(), [0.0]
    assignment = Assignment(owner, Pulse(SESSION_S), monotonic=lambda: now[0])
    assignment.client = lambda: client
    await assignment.on_partitions_assigned(PLACES)
    await assignment.step_back()
    assert client.sought == [(place, LATELY) for place in PLACES], "at once, before anything is known"
    client.sought.clear()
    owner.first = first
    await assignment.step_back()
    assert client.sought == [], "not before a session has passed"
    now[0] = SESSION_S
    await assignment.step_back()
    assert client.sought == [(place, LATELY) for place in PLACES if place.partition not in first]
    client.sought.clear()
    now[0] = 2 * SESSION_S
    await assignment.step_back()
    assert client.sought == [], "twice an assignment, and no more"
