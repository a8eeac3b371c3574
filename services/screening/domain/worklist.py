"""What a post has to visit today: its own households first, then the others of its care unit."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from services.screening.domain.denominator import Denominator
from services.screening.domain.sheet import Sheet
from services.screening.domain.tally import Hole, holes, person_holes
from shared.contracts.screening import WHOLE_ROUND, Round


class Work(NamedTuple):
    """One household to visit: whether it is the post's own, and of whom nothing is known yet."""

    own: bool
    hole: Hole
    unasked: tuple[str, ...]


def current(round_: Round, today: date) -> str | None:
    """Return the slot that a visit of today counts in; None for a closed round or outside its window."""
    if round_.status == "closed":
        return None
    return next((slot for slot in round_.slots if slot in (WHOLE_ROUND, today.isoformat())), None)


def worklist(
    round_: Round,
    denominator: Denominator,
    sheets: Iterable[Sheet],
    *,
    today: date,
    post: str,
    within: Collection[str],
) -> list[Work]:
    """Return what is open today; `within` are the units that the post's own unit is or lies in.

    A post whose place lies in no care unit and that answers for no household has the whole desk before it.
    """
    slot = current(round_, today)
    mine = {
        part.part
        for part in denominator.parts
        if part.part in within or any(denominator.households[each].charge == post for each in part.households)
    }
    found = [
        work
        for sheet in sheets
        if sheet.part in mine or not mine
        for work in _open(sheet, denominator, round_.slots, slot, post)
    ]
    return sorted(found, key=_urgency)


def _open(
    sheet: Sheet, denominator: Denominator, slots: tuple[str, ...], slot: str | None, post: str
) -> list[Work]:
    unasked: dict[str, list[str]] = {}
    open_: dict[str, Hole] = {}
    for person in person_holes(sheet, denominator, slots):
        if person.slot == slot:
            unasked.setdefault(person.household, []).append(person.person)
            # The household may be covered although one of it was not asked; then it has no hole of its own.
            place = person.household, person.unit, person.charge, person.slot, person.found
            open_[person.household] = Hole(*place, last=None)
    open_ |= {hole.household: hole for hole in holes(sheet, denominator, slots) if hole.slot == slot}
    return [
        Work(hole.charge == post, hole, tuple(unasked.get(household, ())))
        for household, hole in open_.items()
    ]


def _urgency(work: Work) -> tuple[bool, bool, tuple[int, str], str, str]:
    """Order own before others', open homes before single members, and the oldest attempt (never) first."""
    hole = work.hole
    is_visited = hole.last is None and hole.found is not None
    return not work.own, is_visited, hole.last or (0, ""), hole.unit, hole.household
