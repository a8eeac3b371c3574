"""What a topic is: declared once, beside its models, and everything else is derived from the card.

A key's *routing part* is its bytes before the first `/`; our partitioner hashes that with murmur2, so all
records of one community (K), desk or directive share a partition (design §5).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from shared.contracts.base import Model

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic card: who writes it, who reads it, how it is keyed and how long it is kept."""

    name: str
    key: str
    kind: Literal["commands", "facts"]
    models: Mapping[str, type[Model]]
    producers: tuple[str, ...]
    groups: tuple[str, ...] = ()
    compacted: bool = False
    retention: timedelta = WEEK
    internal: bool = False
    routing: Callable[[Any], str] | None = None
    """The routing part that a body's key must have; a record that says otherwise is bad data."""

    def dead_letters(self, group: str) -> str:
        """Return the dead-letter topic of one of this topic's consumer groups."""
        return f"{self.name}.dlq.{group}"


def message_type(service: str, name: str) -> str:
    """Return the CloudEvents type of a message, e.g. `gridloop.dispatch.answer.v1`."""
    return f"gridloop.{service}.{name}.v1"
