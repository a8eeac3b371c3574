"""What a service supplies for one consumer group."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from shared.contracts.envelope import Message
from shared.flow.documents import Documents
from shared.flow.records import Record, Unreadable


class Handler(Protocol):
    """Load, rule, derive and mark. Only `Flow` calls them, and only in this order."""

    async def load(self, docs: Documents, arrivals: Sequence[Record | Unreadable]) -> None:
        """Bring into `docs` every document that the rule or the derivation of these arrivals will read."""

    def rule(self, docs: Documents, record: Record) -> None:
        """Fold one record into the documents in hand. Pure; an exception here means a bad record."""

    def refuse(self, docs: Documents, unreadable: Unreadable) -> None:
        """Note that a record cannot be read (commands: as a `malformed` outcome)."""

    def derive(self, docs: Documents, arrivals: Sequence[Record | Unreadable]) -> Iterable[Message]:
        """Return what stored documents and these arrivals say to publish, each time they are seen."""

    def mark(self, docs: Documents, arrivals: Sequence[Record | Unreadable]) -> None:
        """Note in the documents which fan-outs `derive` sent; called after the broker acknowledged them."""

    def weight(self, record: Record | Unreadable) -> int:
        """Return how many rows a record is; a poll is cut into transactions of bounded weight."""
