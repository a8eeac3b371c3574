"""Commands: each may be refused, and each has exactly one stored outcome, however often it is sent."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.contracts.base import MESSAGE_ID, Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.outcomes import Event, Outcome, Result
from shared.contracts.topics import Topic
from shared.flow.documents import Collection, Documents
from shared.flow.records import Arrival, Record, Unreadable
from shared.kernel.ids import derived_id

OUTCOMES: Collection[Outcome] = Collection(
    "outcomes",
    encode=lambda outcome: outcome.model_dump(mode="json", exclude={"command"}),
    decode=lambda body: Outcome.model_validate({**body, "command": body["_id"]}),
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The events that make the command true; `based_on` names other services' facts that were read."""

    events: tuple[Event, ...]
    based_on: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why not, as a stable code for programs and a sentence for people."""

    code: str
    detail: str
    based_on: Mapping[str, int] = field(default_factory=dict)


class Decider(Protocol):
    """What a service supplies for its commands. A refusal rests only on documents of the command's own K."""

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        """Bring in what deciding, applying and deriving read."""

    def rows(self, record: Record) -> Sequence[Model]:
        """Return the commands in this record: the rows of a bulk record, or the one there is."""

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        """Decide one row. Pure: the documents, the row, its actor and `record.at` are all it knows."""

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        """Make an accepted event true in the documents; a rebuild replays these and decides nothing."""

    def derive(self, docs: Documents, decided: Sequence[tuple[Record, Outcome]]) -> Iterable[Message]:
        """Return the facts and further messages that follow from the stored documents and outcomes."""


def body_digest(value: bytes | None) -> str:
    """Return the digest that tells a resent command from another one under the same id."""
    return hashlib.sha256(value or b"").hexdigest()


class Decide:
    """The `Handler` of a command topic: outcomes around a service's `Decider`."""

    def __init__(self, decider: Decider, *, outcomes: Topic, outcome_type: str, source: str) -> None:
        self._decider = decider
        self._topic = outcomes
        self._type = outcome_type
        self._source = source

    @property
    def decider(self) -> Decider:
        """What decides here; a rebuild has it apply events, and never decide."""
        return self._decider

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load outcomes before documents (design §2 step 1)."""
        await docs.load(OUTCOMES, (arrival.id for arrival in arrivals if arrival.id))
        await self._decider.load(docs, [arrival for arrival in arrivals if isinstance(arrival, Record)])

    def rule(self, docs: Documents, record: Record) -> None:
        """Decide the record's rows in order, each seeing what the one before it changed."""
        if docs.get(OUTCOMES, record.id) is not None:
            return
        results: list[Result] = []
        based_on: dict[str, int] = {}
        for row in self._decider.rows(record):
            decision = self._decider.decide(docs, row, record)
            based_on.update(decision.based_on)
            if isinstance(decision, Rejected):
                results.append(Result(accepted=False, code=decision.code, detail=decision.detail))
                continue
            for event in decision.events:
                self._decider.apply(docs, event, record)
            results.append(Result(accepted=True, events=decision.events))
        outcome = Outcome(
            command=record.id,
            actor=record.actor,
            body=body_digest(record.origin.value),
            at=record.at,
            results=tuple(results),
            based_on=based_on,
        )
        docs.put(OUTCOMES, record.id, outcome)

    def refuse(self, docs: Documents, unreadable: Unreadable) -> None:
        """Answer a malformed command, where its id can be read, so that its sender does not wait for ever."""
        # An outcome under a text that is no id could not be stored, and the batch would come again for ever.
        if not MESSAGE_ID.match(unreadable.id) or docs.get(OUTCOMES, unreadable.id) is not None:
            return
        outcome = Outcome(
            command=unreadable.id,
            status="malformed",
            actor=unreadable.actor,
            body=body_digest(unreadable.origin.value),
            at=unreadable.at,
            results=(Result(accepted=False, code="malformed", detail=unreadable.detail),),
        )
        docs.put(OUTCOMES, unreadable.id, outcome)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish every arrival's stored outcome, and what the service derives from the stored documents."""
        decided: list[tuple[Record, Outcome]] = []
        for arrival in arrivals:
            outcome = docs.get(OUTCOMES, arrival.id) if arrival.id else None
            if outcome is None:
                continue
            yield self._outcome(arrival, outcome)
            if isinstance(arrival, Record) and outcome.status == "decided":
                decided.append((arrival, outcome))
        yield from self._decider.derive(docs, decided)

    def mark(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Mark nothing: what a command sends follows from its outcome and is sent again with it."""

    def weight(self, record: Arrival) -> int:
        """Count rows: a transaction holds at most a thousand."""
        return len(self._decider.rows(record)) if isinstance(record, Record) else 1

    def _outcome(self, arrival: Arrival, outcome: Outcome) -> Message:
        routing = arrival.origin.key.decode("utf-8", "backslashreplace").partition("/")[0]
        context = Context(
            id=derived_id("outcome", outcome.command),
            source=self._source,
            at=outcome.at,
            actor=outcome.actor,
            traceparent=arrival.traceparent if isinstance(arrival, Record) else "",
        )
        return message(self._topic, self._type, f"{routing}/{outcome.command}", outcome, context)
