"""The handler of a tallies topic: the newest tally of each desk is kept, and sums go up and out."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from shared.contracts.base import Model
from shared.contracts.counting import AbsoluteTally
from shared.contracts.envelope import Message
from shared.domain.roll import Roll, merge_tally, tick
from shared.flow.documents import Body, Collection, Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record
from shared.kernel.clock import utc_ms

T = TypeVar("T", bound=AbsoluteTally)  # type: ignore[type-arg] # its counts are the service's own


def rolls_of(name: str, subject: str, tally: type[T]) -> Collection[Roll[T]]:
    """Return how rolls are stored; `subject` names the field that says what is counted.

    A tally is one text, for nobody asks the database what is in it.
    """

    def encode(roll: Roll[T]) -> Body:
        return {
            subject: roll.subject,
            "desk": roll.desk,
            "own": _text(roll.own) if roll.own else None,
            "below": [_text(each) for _, each in sorted(roll.below.items())],
            "next_due": roll.next_due,
            "overdue": roll.overdue,
        }

    def decode(body: Body) -> Roll[T]:
        below = [tally.model_validate_json(text) for text in body["below"]]
        return Roll(
            body[subject],
            body["desk"],
            tally.model_validate_json(body["own"]) if body["own"] else None,
            {each.desk: each for each in below},
            body["next_due"],
            body["overdue"],
        )

    def lookup(roll: Roll[T]) -> Body:
        if roll.own is None or roll.next_due is None:
            return {}
        version = roll.own.version
        return {subject: roll.subject, "desk": roll.desk, "version": version, "next_due": roll.next_due}

    return Collection(name, encode, decode, owned=True, lookup=lookup)


def _text(tally: Model) -> str:
    return tally.model_dump_json(exclude_defaults=True)


class RollUp(Merge, Generic[T]):
    """Keeps the newest tally of each desk; a service says what it publishes of a roll."""

    def __init__(self, rolls: Collection[Roll[T]], tally: type[T]) -> None:
        self._rolls = rolls
        self._tally = tally

    @abstractmethod
    def place(self, body: Any) -> tuple[str, str, datetime | None]:
        """Return what a tally or tick is about, the desk that receives it, and a tick's due time."""

    @abstractmethod
    def told(self, id_: str, roll: Roll[T], v: int, cause: Record) -> Iterator[Message]:
        """Yield what a touched roll says: progress, a tally to the desk above, and whatever follows."""

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load the roll of every receiving desk."""
        await docs.load(
            self._rolls, {self._id(arrival.body) for arrival in arrivals if isinstance(arrival, Record)}
        )

    def rule(self, docs: Documents, record: Record) -> None:
        """Merge one tally or tick.

        What changes nothing is not put: its version would rise, and one at every desk above it. `derive` says
        the stored roll again all the same.
        """
        body = record.body
        subject, desk, due = self.place(body)
        id_ = self._id(body)
        roll = docs.get(self._rolls, id_) or Roll(subject, desk)
        if isinstance(body, self._tally):
            changed = merge_tally(roll, body)
        else:
            changed = due is not None and tick(roll, utc_ms(due))
        if changed:
            docs.put(self._rolls, id_, roll)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish what each touched roll says now."""
        last = {self._id(arrival.body): arrival for arrival in arrivals if isinstance(arrival, Record)}
        for id_, record in last.items():
            roll = docs.get(self._rolls, id_)
            if roll is not None:
                yield from self.told(id_, roll, docs.version(self._rolls, id_), record)

    def _id(self, body: Any) -> str:
        subject, desk, _ = self.place(body)
        return f"{subject}/{desk}"
