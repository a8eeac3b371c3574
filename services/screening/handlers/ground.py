"""What the group `screening.sheets` finds in the documents of a batch: heads, denominators, sheets."""

from typing import TypeGuard

from services.screening.domain.denominator import Denominator, Part
from services.screening.domain.sheet import Head, Sheet, head_id, sheet_id
from services.screening.store import DENOMINATORS, DESKS, SHEETS
from shared.contracts.base import Model
from shared.contracts.screening import Census, Opening, Reading, Visit
from shared.flow.documents import Documents


def desk_of(body: Opening | Census | Visit | Reading) -> str:
    """Return the desk that a record is about."""
    return body.to if isinstance(body, Opening) else body.desk


def asks_desk(body: Model) -> TypeGuard[Opening | Reading]:
    """Return whether a record is about the rounds that are open at its desk.

    A reading from a gate is not: a pass's pseudonym is no member anywhere, and must not wait in one's place.
    """
    return isinstance(body, Opening) or (isinstance(body, Reading) and body.gate is None)


def heads_of(docs: Documents, body: Model) -> list[str]:
    """Return the heads a record is about; a reading is about every open round of its desk that has days."""
    match body:
        case Opening():
            return [head_id(body.round.round, body.to)]
        case Census() | Visit():
            return [head_id(body.round, body.desk)]
        case Reading(gate=None):
            desk = docs.get(DESKS, body.desk)
            return [head_id(round_, body.desk) for round_ in sorted(desk.live)] if desk else []
        case _:
            return []


def denominator_of(docs: Documents, head: Head) -> Denominator | None:
    """Return what a head has frozen."""
    return docs.get(DENOMINATORS, head_id(head.round, head.desk)) if head.frozen else None


def counted_of(docs: Documents, head: Head, code: str) -> tuple[Sheet, Part] | None:
    """Return a part's sheet with what it counts by."""
    denominator, sheet = denominator_of(docs, head), docs.get(SHEETS, sheet_id(head.round, head.desk, code))
    part = denominator.part(code) if denominator else None
    return (sheet, part) if sheet is not None and part is not None else None


def put_sheet(docs: Documents, head: Head, part: str) -> None:
    """Say that a part's sheet was changed in place; it takes over whether its head is closed."""
    id_ = sheet_id(head.round, head.desk, part)
    sheet = docs.get(SHEETS, id_)
    if sheet is not None:
        sheet.closed = head.closed
        docs.put(SHEETS, id_, sheet)
