"""What openings, censuses, visits and readings at a desk add up to, in whatever order they arrive.

Merging is commutative, associative and idempotent: outcomes and times are joined by `max`, what was said of a
person by union, and what is listed is the earliest of all. Heads and sheets are changed in place.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Final, Literal

from services.screening.domain.denominator import Denominator, Place, freeze, inside
from services.screening.domain.sheet import (
    EARLY_MOST,
    LATER_MOST,
    NAMED,
    Early,
    Head,
    Later,
    Listed,
    Outcome,
    Seen,
    Sheet,
    Why,
    heat,
    packed,
)
from shared.contracts.registry import Charges, HouseholdFact, Roster
from shared.contracts.screening import Opening, PersonSeen, Reading, Round, Visit
from shared.kernel.clock import from_ms, local_day, utc_ms
from shared.kernel.codes import COMMUNITY_DIGITS

Sheets = Callable[[str], Sheet]
"""Gives the sheet of a part of the desk in hand."""

Copies = Callable[[str], HouseholdFact | None]
"""Gives the copy of a household's fact, where there is one."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a visit at a desk falls on: the denominator, if there is one, the sheets, and the city's zone."""

    denominator: Denominator | None
    sheets: Sheets
    copies: Copies
    zone: tzinfo


GONE: Final = (Outcome.VACANT, Outcome.MOVED_AWAY)


def merge_opening(head: Head, opening: Opening) -> None:
    """Take the round's terms if they have got further than what the head holds; closed is final."""
    if 1 + (opening.round.status == "closed") > head.rank:
        head.terms, head.sender = opening.round, opening.sender
    if head.closed and not head.frozen:
        # Nothing was ever counted here: whatever waited for the denominator has come too late.
        for early in head.early.values():
            if early.kind == "visit":
                _list(head, "late", Visit.model_validate_json(early.text), early.id)
        head.early = {}


def take_children(head: Head, roster: Roster) -> None:
    """Freeze the desks that the round goes on to, as soon as the roster is known."""
    if head.terms is not None and head.children is None:
        scope = head.terms.scope
        whole = scope.unit == scope.desk or head.desk != scope.desk
        head.children = tuple(sorted(child.desk for child in roster.children)) if whole else ()


def is_complete(desk: str, charges: Charges | None, households: int) -> bool:
    """Return whether a desk's household facts are as many as its charges record says.

    A community without that record is never complete: nothing may be frozen empty by accident. Above a
    community no household lives at the desk itself, unless a record says so.
    """
    if charges is None:
        return len(desk) != COMMUNITY_DIGITS
    return charges.households == households


def countable(head: Head) -> bool:
    """Return whether the denominator may be frozen now, if the households are complete."""
    return head.terms is not None and head.children is not None and not (head.frozen or head.closed)


def take_households(
    head: Head, terms: Round, charges: Charges | None, households: Iterable[HouseholdFact]
) -> tuple[Denominator, dict[str, Sheet]]:
    """Freeze the denominator with a sheet for each part, on which nothing was said yet."""
    denominator = freeze(terms, head.desk, charges.v if charges else 0, households)
    head.frozen = True
    head.parts = tuple(part.part for part in denominator.parts)
    slots = len(terms.slots)
    sheets = {part.part: Sheet.of(head.round, head.desk, part, slots) for part in denominator.parts}
    return denominator, sheets


def merge_early(head: Head, ground: Ground) -> None:
    """Merge what waited for the denominator, as if it arrived now."""
    waiting, head.early = head.early, {}
    for early in waiting.values():
        if early.kind == "visit":
            visit = Visit.model_validate_json(early.text)
            merge_visit(head, visit, ground, id_=early.id, at=early.at)
        else:
            reading = Reading.model_validate_json(early.text)
            merge_reading(head, reading, ground, id_=early.id, at=early.at)


def from_the_future(claimed: int, at: int, zone: tzinfo) -> bool:
    """Return whether a time lies on a later city day than the moment the broker saw it; both in ms."""
    return claimed > at and _day(claimed, zone) > _day(at, zone)


def merge_visit(head: Head, visit: Visit, ground: Ground, *, id_: str, at: int) -> str | None:
    """Merge one visit, seen by the broker at `at` (ms): it counts, waits, or is listed; never lost.

    Returns the part whose sheet it changed; None where it changed the head.
    """
    terms, denominator = head.terms, ground.denominator
    claimed = utc_ms(visit.at)
    # A claimed time is believed only up to the moment the broker saw it.
    believed = min(claimed, at)
    if from_the_future(claimed, at, ground.zone):
        _list(head, "future", visit, id_)
    elif head.closed:
        _list(head, "late", visit, id_)
    elif terms is None or denominator is None:
        _wait(head, visit, id_, at)
    else:
        slot = _slot(terms, believed, ground.zone)
        place = denominator.place(visit.household)
        if slot is None:
            _list(head, "outside-window", visit, id_)
        elif place is None:
            _merge_later(head, terms.slots[slot], visit, ground, id_=id_, believed=believed)
        else:
            _count(ground.sheets(place.part.part), place, slot, visit, packed(believed, visit.means))
            return place.part.part
    return None


def merge_reading(head: Head, reading: Reading, ground: Ground, *, id_: str, at: int) -> str | None:
    """Merge one reading into a round with days: it covers that member on that day, and no household.

    Returns the part whose sheet it changed. A pseudonym from a gate is no member and covers nobody.
    """
    terms, denominator = head.terms, ground.denominator
    claimed = utc_ms(reading.at)
    if terms is None or not terms.days or head.closed or from_the_future(claimed, at, ground.zone):
        return None
    if denominator is None:
        _wait(head, reading, id_, at)
        return None
    slot = _slot(terms, min(claimed, at), ground.zone)
    place = denominator.place(reading.household)
    if slot is None or place is None or reading.person not in place.household.members:
        return None
    seen = PersonSeen(person=reading.person, temperature=reading.temperature)
    _see(ground.sheets(place.part.part), place, slot, seen, packed(min(claimed, at), reading.means))
    return place.part.part


def _day(at: int, zone: tzinfo) -> date:
    return local_day(from_ms(at), zone)


def _slot(terms: Round, at: int, zone: tzinfo) -> int | None:
    """Return the position of the slot of a time (ms): its city day, or the whole round (M-07)."""
    if not terms.days:
        return 0
    day = _day(at, zone)
    return terms.days.index(day) if day in terms.days else None


def _count(sheet: Sheet, place: Place, slot: int, visit: Visit, time: int) -> None:
    cell = slot * len(place.part.households) + place.row
    found = NAMED[visit.found]
    sheet.found[cell] = max(sheet.found[cell], found)
    sheet.last[cell] = max(sheet.last[cell], time)
    if found in GONE:
        start = slot * len(place.part.persons) + place.first_person
        for person in range(start, start + len(place.household.members)):
            # It stays, whatever is found later, so that no count ever falls.
            sheet.seen[person] |= Seen.AWAY
            sheet.confirmed[person] = max(sheet.confirmed[person], time)
    for member in visit.members:
        if not member.is_blank and member.person in place.household.members:
            _see(sheet, place, slot, member, time)


def _see(sheet: Sheet, place: Place, slot: int, person: PersonSeen, time: int) -> None:
    row = place.first_person + place.household.members.index(person.person)
    cell = slot * len(place.part.persons) + row
    said = 0
    if person.temperature is not None:
        said = Seen.MEASURED
        sheet.heat[cell] = max(sheet.heat[cell], heat(person.temperature))
    for question, answer in person.answers.items():
        said |= (Seen.YES if answer else Seen.NO)[question]
    sheet.seen[cell] |= said
    sheet.confirmed[cell] = max(sheet.confirmed[cell], time)


def _merge_later(head: Head, slot: str, visit: Visit, ground: Ground, *, id_: str, believed: int) -> None:
    """Count a household that came after the freeze apart; one that does not live here is a stranger."""
    copy, key = ground.copies(visit.household), (visit.household, slot)
    if copy is None or head.terms is None or not inside(head.terms, copy, head.desk):
        _list(head, "stranger", visit, id_)
    elif key not in head.later and len(head.later) >= LATER_MOST:
        _list(head, "overflow", visit, id_)
    else:
        known, time = head.later.get(key, Later(0, 0)), packed(believed, visit.means)
        head.later[key] = Later(max(known.found, NAMED[visit.found]), max(known.last, time))


def _wait(head: Head, said: Visit | Reading, id_: str, at: int) -> None:
    # What claims a time before the broker's says the same whenever it comes: sent again, it waits once.
    at = min(at, utc_ms(said.at))
    if (id_, at) in head.early:
        return
    kind: Literal["visit", "reading"] = "visit" if isinstance(said, Visit) else "reading"
    if len(head.early) < EARLY_MOST:
        head.early[id_, at] = Early(id_, at, kind, said.model_dump_json(exclude_none=True))
    elif isinstance(said, Visit):
        _list(head, "overflow", said, id_)


def _list(head: Head, why: Why, visit: Visit, id_: str) -> None:
    head.note(Listed(utc_ms(visit.at), id_, why, visit.household, visit.found))
