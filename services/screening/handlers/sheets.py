"""Group `screening.sheets`: openings, visits and readings become sheets; sheets become tallies and alerts."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Final

from services.screening.domain import fanout
from services.screening.domain import merging as rules
from services.screening.domain.denominator import part_of
from services.screening.domain.fever import Fever, hot
from services.screening.domain.merging import Ground
from services.screening.domain.sheet import Head, Sheet, head_id, own_part, sheet_id
from services.screening.handlers.ground import asks_desk, denominator_of, desk_of, heads_of, put_sheet
from services.screening.handlers.telling import Telling
from services.screening.store import (
    CHARGES,
    DENOMINATORS,
    DESKS,
    HEADS,
    HOUSEHOLDS,
    ROSTERS,
    SHEETS,
    Desk,
)
from shared.contracts.base import Model
from shared.contracts.envelope import Message
from shared.contracts.screening import Census, Opening, Reading, Visit
from shared.domain.dated import Dated
from shared.flow.documents import Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record
from shared.kernel.clock import utc_ms
from shared.kernel.codes import COMMUNITY_DIGITS

FREEZE_WEIGHT: Final = 400
"""A freeze reads and writes a desk's every household: ten are as much as a transaction should hold."""


class Sheets(Merge):
    """Freezes denominators, merges what is said at a desk, and counts."""

    def __init__(self, *, source: str, fever: Dated[Fever], zone: tzinfo) -> None:
        self._telling = Telling(source=source, fever=fever, zone=zone)
        self._fever = fever
        self._zone = zone

    # --- load ---

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load heads, then their denominators and sheets, and the copies a freeze or a stranger asks for."""
        records = [arrival for arrival in arrivals if isinstance(arrival, Record)]
        bodies = [record.body for record in records]
        await docs.load(DESKS, {desk_of(body) for body in bodies if asks_desk(body)})
        at_heads = [(id_, body) for body in bodies for id_ in heads_of(docs, body)]
        await docs.load(HEADS, {id_ for id_, _ in at_heads})
        await docs.load(DENOMINATORS, {id_ for id_, _ in at_heads})
        unfrozen = await self._load_for_freezes(docs, at_heads)
        await docs.load(SHEETS, {id_ for at_head in at_heads for id_ in _sheets_of(docs, *at_head)})
        asked = {
            body.household
            for id_, body in at_heads
            if isinstance(body, Visit) and (id_ in unfrozen or _is_stranger(docs, id_, body))
        }
        feverish = {
            record.body.household
            for record in records
            if isinstance(record.body, Visit | Reading)
            and any(hot(record.body, record.at, self._fever, self._zone))
        }
        await docs.load(HOUSEHOLDS, asked | feverish)

    async def _load_for_freezes(self, docs: Documents, at_heads: Sequence[tuple[str, Model]]) -> set[str]:
        """Load what freezing asks for; return the heads that this batch may freeze."""
        unfrozen: dict[str, str] = {}
        for id_, body in at_heads:
            head = docs.get(HEADS, id_)
            if isinstance(body, Opening | Census) and (head is None or head.waiting or head.terms is None):
                unfrozen[id_] = desk_of(body)
        await docs.load(ROSTERS, unfrozen.values())
        await docs.load(CHARGES, unfrozen.values())
        for desk in sorted(set(unfrozen.values())):
            if _may_be_complete(docs, desk):
                await docs.load_where(HOUSEHOLDS, "desk", desk)
        for id_, desk in unfrozen.items():
            if _may_be_complete(docs, desk):
                parts = {part_of(fact) for fact in docs.where(HOUSEHOLDS, "desk", desk)}
                await docs.load(SHEETS, {f"{id_}/{part}" for part in parts})
        return set(unfrozen)

    # --- rule ---

    def rule(self, docs: Documents, record: Record) -> None:
        """Merge one record into its head or sheet."""
        body = record.body
        match body:
            case Opening():
                self._open(docs, body)
            case Census():
                head = docs.get(HEADS, head_id(body.round, body.desk))
                if head is not None and head.waiting:
                    self._settle(docs, head)
            case Visit():
                self._visit(docs, body, record)
            case Reading():
                self._reading(docs, body, record)
            case _:
                pass

    def _open(self, docs: Documents, opening: Opening) -> None:
        id_ = head_id(opening.round.round, opening.to)
        head = docs.get(HEADS, id_) or Head(opening.round.round, opening.to)
        before = head.rank
        rules.merge_opening(head, opening)
        self._settle(docs, head)
        if before < head.rank and head.closed:
            # Every part says so itself: a batch that only repeats may read a head older than its sheets.
            for part in head.parts:
                put_sheet(docs, head, part)
        desk = docs.get(DESKS, opening.to) or Desk()
        if head.terms is not None and head.terms.days:
            live = desk.live - {head.round} if head.closed else desk.live | {head.round}
            if live != desk.live:
                docs.put(DESKS, opening.to, Desk(live))

    def _settle(self, docs: Documents, head: Head) -> None:
        """Take children and households into a waiting head as soon as their copies are complete."""
        roster = docs.get(ROSTERS, head.desk) if head.waiting else None
        if roster is not None:
            rules.take_children(head, roster)
        if head.terms is not None and rules.countable(head) and _may_be_complete(docs, head.desk):
            charges = docs.get(CHARGES, head.desk)
            households = docs.where(HOUSEHOLDS, "desk", head.desk)
            if rules.is_complete(head.desk, charges, len(households)):
                denominator, sheets = rules.take_households(head, head.terms, charges, households)
                docs.put(DENOMINATORS, head_id(head.round, head.desk), denominator)
                for part, sheet in sheets.items():
                    docs.put(SHEETS, sheet_id(head.round, head.desk, part), sheet)
                here = {fact.household: fact for fact in households}
                rules.merge_early(head, Ground(denominator, sheets.__getitem__, here.get, self._zone))
        docs.put(HEADS, head_id(head.round, head.desk), head)

    def _visit(self, docs: Documents, visit: Visit, record: Record) -> None:
        id_ = head_id(visit.round, visit.desk)
        head = docs.get(HEADS, id_) or Head(visit.round, visit.desk)
        part = rules.merge_visit(head, visit, self._ground(docs, head), id_=record.id, at=utc_ms(record.at))
        if part is None:
            docs.put(HEADS, id_, head)
        else:
            put_sheet(docs, head, part)

    def _reading(self, docs: Documents, reading: Reading, record: Record) -> None:
        for id_ in heads_of(docs, reading):
            head = docs.get(HEADS, id_)
            if head is None:
                continue
            part = rules.merge_reading(
                head, reading, self._ground(docs, head), id_=record.id, at=utc_ms(record.at)
            )
            if part is not None:
                put_sheet(docs, head, part)
            elif not head.frozen:
                docs.put(HEADS, id_, head)

    def _ground(self, docs: Documents, head: Head) -> Ground:
        def sheet(part: str) -> Sheet:
            found = docs.get(SHEETS, sheet_id(head.round, head.desk, part))
            if found is None:
                raise LookupError(part)
            return found

        return Ground(denominator_of(docs, head), sheet, lambda id_: docs.get(HOUSEHOLDS, id_), self._zone)

    # --- derive and mark ---

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish what the touched heads and sheets say now."""
        return self._telling.told(docs, arrivals)

    def weight(self, record: Arrival) -> int:
        """Count what may freeze a desk as many rows."""
        freezes = isinstance(record, Record) and isinstance(record.body, Opening | Census)
        return FREEZE_WEIGHT if freezes else 1

    def mark(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Note what `derive` sent, so that it is not sent at every later touch."""
        bodies = [arrival.body for arrival in arrivals if isinstance(arrival, Record)]
        for id_ in {id_ for body in bodies for id_ in heads_of(docs, body)}:
            head = docs.get(HEADS, id_)
            if head is not None and fanout.mark_sent(head):
                docs.put(HEADS, id_, head)


def _sheets_of(docs: Documents, id_: str, body: Model) -> list[str]:
    """Return the sheets of a frozen head that a record may change or count."""
    head = docs.get(HEADS, id_)
    denominator = denominator_of(docs, head) if head else None
    if head is None or denominator is None:
        return []
    if isinstance(body, Opening | Census):
        return [f"{id_}/{part}" for part in head.parts]
    place = denominator.place(body.household) if isinstance(body, Visit | Reading) else None
    # What is not on the denominator may be counted in the desk's own tally.
    part = place.part.part if place else own_part(head)
    return [] if part is None else [f"{id_}/{part}"]


def _is_stranger(docs: Documents, id_: str, visit: Visit) -> bool:
    head = docs.get(HEADS, id_)
    denominator = denominator_of(docs, head) if head else None
    return denominator is not None and denominator.place(visit.household) is None


def _may_be_complete(docs: Documents, desk: str) -> bool:
    """Return whether a count of the desk's households is worth while: its other copies are here."""
    counted = docs.get(CHARGES, desk) is not None or len(desk) != COMMUNITY_DIGITS
    return counted and docs.get(ROSTERS, desk) is not None
