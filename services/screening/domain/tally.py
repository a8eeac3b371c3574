"""What the sheets of a round come to: absolute counts by slot, and by name every hole and every revisit."""

from collections.abc import Iterator
from typing import NamedTuple

from services.screening.domain.denominator import NO_CARE_UNIT, Denominator, Part
from services.screening.domain.sheet import COVERED, NAMED, Head, Outcome, Sheet, unpacked
from shared.contracts.screening import CoverageCounts, CoverageTally, Round

_FOUND = {outcome: name for name, outcome in NAMED.items()}


class Hole(NamedTuple):
    """A household that is not covered in a slot; `last` is the time (ms) and means of the last attempt."""

    household: str
    unit: str
    charge: str | None
    slot: str
    found: str | None
    last: tuple[int, str] | None


class PersonHole(NamedTuple):
    """A person of whom nothing is known in a slot, with the household's last outcome (S2-11)."""

    person: str
    household: str
    unit: str
    charge: str | None
    slot: str
    found: str | None


def count(sheet: Sheet, part: Part, slots: tuple[str, ...]) -> dict[str, CoverageCounts]:
    """Return the counts of one part by slot; never more covered than there are."""
    households, persons = len(part.households), len(part.persons)
    cells: dict[str, CoverageCounts] = {}
    for number, slot in enumerate(slots):
        found = sheet.found[number * households : (number + 1) * households]
        seen = sheet.seen[number * persons : (number + 1) * persons]
        by_outcome = {outcome: found.count(outcome) for outcome in Outcome}
        cells[slot] = CoverageCounts.of(
            {
                "households": households,
                "covered": sum(many for outcome, many in by_outcome.items() if outcome >= COVERED),
                "screened": by_outcome[Outcome.SCREENED],
                "vacant": by_outcome[Outcome.VACANT],
                "moved_away": by_outcome[Outcome.MOVED_AWAY],
                "nobody_home": by_outcome[Outcome.NOBODY_HOME],
                "refused": by_outcome[Outcome.REFUSED],
                "in_care": part.in_care,
                "persons": persons,
                "persons_covered": persons - seen.count(0),
                "units": part.units,
                "watched": part.watched,
                "later": 0,
                "later_covered": 0,
            }
        )
    return cells


def part_tally(head: Head, terms: Round, sheet: Sheet, part: Part, v: int) -> CoverageTally:
    """Return what one care unit reports to its desk: counts only, it is no desk of its own."""
    return CoverageTally(
        round=head.round,
        desk=part.part,
        to=head.desk,
        covers="subtree",
        v=v,
        cells=count(sheet, part, terms.slots),
        desks=0,
        due=terms.due,
        status="closed" if sheet.closed else "open",
    )


def reports(head: Head) -> bool:
    """Return whether a desk has something to say: a desk that waits is missing, and not empty."""
    return head.terms is not None and head.children is not None and (head.frozen or head.closed)


def own_tally(head: Head, terms: Round, *, own: tuple[Sheet, Part] | None, v: int) -> CoverageTally:
    """Return what a desk reports of itself: what stands in no care unit, and what came later.

    `own` is the sheet of the households in no care unit, if there are any.
    """
    slots = terms.slots
    cells = count(*own, slots) if own is not None else {}
    later = _later(head)
    for slot, (came, covered) in later.items():
        cell = cells.get(slot, CoverageCounts())
        cells[slot] = cell.model_copy(update={"later": came, "later_covered": covered})
    return CoverageTally(
        round=head.round,
        desk=head.desk,
        to=head.desk,
        covers="own",
        parent=head.sender,
        v=v,
        cells=dict(sorted(cells.items())),
        children=(*(part for part in head.parts if part != NO_CARE_UNIT), *(head.children or ())),
        due=terms.due,
        status=terms.status,
    )


def _later(head: Head) -> dict[str, tuple[int, int]]:
    by_slot: dict[str, tuple[int, int]] = {}
    for (_, slot), later in head.later.items():
        came, covered = by_slot.get(slot, (0, 0))
        by_slot[slot] = came + 1, covered + (later.found >= COVERED)
    return by_slot


def holes(sheet: Sheet, denominator: Denominator, slots: tuple[str, ...]) -> Iterator[Hole]:
    """Yield every household × slot of a part that is not covered, slot by slot."""
    part = denominator.part(sheet.part)
    if part is None:
        return
    for number, slot in enumerate(slots):
        for place in denominator.places(part):
            cell = number * len(part.households) + place.row
            if sheet.found[cell] < COVERED:
                household = place.household
                yield Hole(
                    household.household,
                    household.unit,
                    household.charge,
                    slot,
                    _FOUND.get(Outcome(sheet.found[cell])),
                    unpacked(sheet.last[cell]),
                )


def person_holes(sheet: Sheet, denominator: Denominator, slots: tuple[str, ...]) -> Iterator[PersonHole]:
    """Yield every person × slot of a part of whom nothing is known: blank is not "no" (U-11)."""
    part = denominator.part(sheet.part)
    if part is None:
        return
    for number, slot in enumerate(slots):
        for place in denominator.places(part):
            household = place.household
            found = _FOUND.get(Outcome(sheet.found[number * len(part.households) + place.row]))
            first = number * len(part.persons) + place.first_person
            for offset, person in enumerate(household.members):
                if not sheet.seen[first + offset]:
                    yield PersonHole(
                        person, household.household, household.unit, household.charge, slot, found
                    )


def revisits(sheet: Sheet, denominator: Denominator, slots: tuple[str, ...]) -> list[Hole]:
    """Return where nobody was home or the visit was refused, oldest attempt first."""
    waiting = [hole for hole in holes(sheet, denominator, slots) if hole.last is not None]
    return sorted(waiting, key=lambda hole: (hole.last or (0, ""), hole.household))
