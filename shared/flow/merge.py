"""Facts that only accumulate: folding them in any order, any number of times, gives the same document."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from shared.contracts.base import Model
from shared.contracts.envelope import Message
from shared.flow.documents import Collection, Documents
from shared.flow.records import Arrival, Record, Unreadable

M = TypeVar("M", bound=Model)


class Merge:
    """The parts of a merging `Handler` that are the same for all: no outcomes, no marks, one row a record."""

    def refuse(self, docs: Documents, unreadable: Unreadable) -> None:
        """Do nothing more than the dead letter: nobody waits for an answer to a fact."""

    def mark(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Mark nothing, unless the handler fans out."""

    def weight(self, record: Arrival) -> int:  # noqa: ARG002 - the protocol's parameter
        """Count each fact as one row."""
        return 1


class KeepNewest(Merge, Generic[M]):
    """A copy of another service's compacted facts: the highest version is kept, lower ones change nothing."""

    def __init__(
        self,
        model: type[M],
        copies: Collection[M],
        *,
        id_of: Callable[[M], str],
        version_of: Callable[[M], int],
    ) -> None:
        self._model = model
        self._copies = copies
        self._id_of = id_of
        self._version_of = version_of

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load the stored copy of each fact's subject."""
        facts = (arrival.body for arrival in arrivals if isinstance(arrival, Record))
        await docs.load(self._copies, [self._id_of(fact) for fact in facts if isinstance(fact, self._model)])

    def rule(self, docs: Documents, record: Record) -> None:
        """Keep the fact if it is newer than the copy."""
        fact = record.body
        if not isinstance(fact, self._model):
            return
        known = docs.get(self._copies, self._id_of(fact))
        if known is None or self._version_of(fact) > self._version_of(known):
            docs.put(self._copies, self._id_of(fact), fact)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish nothing: a copy is nobody else's news."""
        del docs, arrivals
        return ()
