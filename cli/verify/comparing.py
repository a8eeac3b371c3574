"""Each service's two sides brought together: what its log comes to, and what it has stored and published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from cli.verify import (
    checkpoint,
    checkpoint_stored,
    copies,
    dispatch,
    dispatch_stored,
    registry,
    registry_stored,
    screening,
    screening_stored,
)
from cli.verify.log import Log
from cli.verify.statements import Statements
from cli.verify.stored import Documents
from shared.contracts.topics import Topic

Sides = tuple[Statements, Statements]
"""What the log comes to, and what the service says."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to read of one service, how to compare it, and what is not compared."""

    topics: Sequence[Topic]
    collections: Sequence[str]
    sides: Callable[[Log, Documents, tzinfo], Sides]
    not_compared: Sequence[str]


def _registry(log: Log, documents: Documents, zone: tzinfo) -> Sides:
    stored = registry_stored.stored(documents) | registry_stored.publishable(documents)
    return registry.said(log, zone) | registry_stored.published(log), stored


def _dispatch(log: Log, documents: Documents, zone: tzinfo) -> Sides:
    del zone
    said = dispatch.said(log, dispatch_stored.late(documents)) | copies.said(log, dispatch.COPIES)
    stored = dispatch_stored.stored(documents) | copies.stored(documents, dispatch.COPIES)
    return _also_published(said, "progress of ", stored, dispatch.published(log))


def _screening(log: Log, documents: Documents, zone: tzinfo) -> Sides:
    said = screening.said(log, zone, screening_stored.hints(documents))
    return _also_published(said, "coverage of ", screening_stored.stored(documents), screening.published(log))


def _checkpoint(log: Log, documents: Documents, zone: tzinfo) -> Sides:
    return checkpoint.said(log, zone), checkpoint_stored.stored(documents)


def _also_published(said: Statements, start: str, stored: Statements, published: Statements) -> Sides:
    """Hold what is published of these places against the log too, under places of its own."""
    counted = {f"published {place}": value for place, value in said.items() if place.startswith(start)}
    return said | counted, stored | {f"published {place}": value for place, value in published.items()}


COMPARISONS: Final = {
    "registry": Comparison(
        registry.TOPICS, registry_stored.COLLECTIONS, _registry, registry.NOT_COMPARED
    ),
    "screening": Comparison(
        screening.TOPICS, screening_stored.COLLECTIONS, _screening, screening.NOT_COMPARED
    ),
    "checkpoint": Comparison(
        checkpoint.TOPICS, checkpoint_stored.COLLECTIONS, _checkpoint, checkpoint.NOT_COMPARED
    ),
    "dispatch": Comparison(
        dispatch.TOPICS, dispatch_stored.COLLECTIONS, _dispatch, dispatch.NOT_COMPARED
    ),
}  # fmt: skip
