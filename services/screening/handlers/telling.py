"""What the sheets of a batch say: alerts, frozen denominators, openings below, and absolute tallies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from services.screening.domain import fanout
from services.screening.domain.denominator import NO_CARE_UNIT, facts
from services.screening.domain.fever import Fever, alert, hot
from services.screening.domain.sheet import Head, head_id, own_part, sheet_id
from services.screening.domain.tally import own_tally, part_tally, reports
from services.screening.handlers.ground import counted_of, denominator_of, heads_of
from services.screening.store import HEADS, HOUSEHOLDS, SHEETS
from shared.contracts import screening as contract
from shared.contracts.base import Model
from shared.contracts.envelope import Message, message
from shared.contracts.screening import Census, Opening, Reading, Visit
from shared.contracts.topics import Topic
from shared.domain.dated import Dated
from shared.flow.documents import Documents
from shared.flow.records import Arrival, Record
from shared.kernel.ids import derived_id


@dataclass(slots=True)
class _Touched:
    """What the records of a batch have said of one head: which parts, whether itself, and the last record."""

    cause: Record
    parts: set[str] = field(default_factory=set)
    itself: bool = False


class Telling:
    """Derives messages from stored heads and sheets, and from the records that touched them."""

    def __init__(self, *, source: str, fever: Dated[Fever], zone: tzinfo) -> None:
        self._source = source
        self._fever = fever
        self._zone = zone

    def told(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterator[Message]:
        """Publish alerts, one tally a touched part or desk, and whatever those desks have not sent yet."""
        touched: dict[str, _Touched] = {}
        for arrival in arrivals:
            if not isinstance(arrival, Record):
                continue
            if isinstance(arrival.body, Visit | Reading):
                yield from self._alerts(docs, arrival.body, arrival)
            for id_ in heads_of(docs, arrival.body):
                _touch(docs, touched, id_, arrival)
        for id_, touch in touched.items():
            head = docs.get(HEADS, id_)
            if head is not None:
                yield from self._of_head(docs, head, touch)

    def _alerts(self, docs: Documents, said: Visit | Reading, cause: Record) -> Iterator[Message]:
        for found in hot(said, cause.at, self._fever, self._zone):
            raised = alert(said, found, docs.get(HOUSEHOLDS, said.household), self._zone)
            yield self._message(
                contract.ALERTS_TOPIC, contract.ALERT, raised.desk, raised, cause, raised.alert
            )

    def _of_head(self, docs: Documents, head: Head, touch: _Touched) -> Iterator[Message]:
        id_, cause, denominator = head_id(head.round, head.desk), touch.cause, denominator_of(docs, head)
        for fact in facts(denominator) if denominator and fanout.unpublished(head) else ():
            key = f"{id_}/{fact.part}" + (f"/{fact.page}" if fact.page else "")
            yield self._message(
                contract.PROGRESS_TOPIC, contract.FROZEN, key, fact, cause, derived_id("part-frozen", key)
            )
        for opening in fanout.openings(head):
            name = derived_id("opening", head.round, opening.to, head.rank)
            yield self._message(contract.DESKS_TOPIC, contract.OPENING, opening.to, opening, cause, name)
        if not reports(head):
            return
        # The parts first: whoever adds them up has heard them all when the desk says which to expect.
        for part in sorted(touch.parts - {NO_CARE_UNIT}):
            yield from self._part(docs, head, part, cause)
        if touch.itself or NO_CARE_UNIT in touch.parts:
            yield from self._own(docs, head, cause)

    def _part(self, docs: Documents, head: Head, part: str, cause: Record) -> Iterator[Message]:
        id_, counted = sheet_id(head.round, head.desk, part), counted_of(docs, head, part)
        if counted is not None and head.terms is not None:
            tally = part_tally(head, head.terms, *counted, docs.version(SHEETS, id_))
            yield self._tally(tally, cause, id_)

    def _own(self, docs: Documents, head: Head, cause: Record) -> Iterator[Message]:
        id_, part = head_id(head.round, head.desk), own_part(head)
        v = docs.version(HEADS, id_)
        counted = None
        if part is not None:
            # Two documents make this tally; the sum of their versions rises with each of them.
            v += docs.version(SHEETS, sheet_id(head.round, head.desk, part))
            counted = counted_of(docs, head, part)
        if head.terms is not None:
            yield self._tally(own_tally(head, head.terms, own=counted, v=v), cause, id_)

    def _tally(self, tally: contract.CoverageTally, cause: Record, of: str) -> Message:
        key = f"{tally.to}/{tally.round}"
        name = derived_id("tally", of, tally.v)
        return self._message(contract.TALLIES_TOPIC, contract.TALLY, key, tally, cause, name)

    def _message(self, topic: Topic, type_: str, key: str, body: Model, cause: Record, id_: str) -> Message:
        context = cause.causing(id_, source=self._source)
        return message(topic, type_, key, body, context)


def _touch(docs: Documents, touched: dict[str, _Touched], id_: str, record: Record) -> None:
    head = docs.get(HEADS, id_)
    if head is None:
        return
    touch = touched.setdefault(id_, _Touched(record))
    touch.cause = record
    body, denominator = record.body, denominator_of(docs, head)
    if isinstance(body, Opening | Census):
        touch.itself = True
        touch.parts |= set(head.parts)
    elif isinstance(body, Visit | Reading) and denominator is not None:
        place = denominator.place(body.household)
        if place is not None:
            touch.parts.add(place.part.part)
        else:
            touch.itself = touch.itself or isinstance(body, Visit)
