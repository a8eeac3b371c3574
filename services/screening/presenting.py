"""How rounds, coverage and what is still open are shown: plain JSON shapes, no decisions."""

from typing import Any

from services.screening.domain.denominator import is_desk
from services.screening.domain.sheet import Head, Outcome, unpacked
from services.screening.domain.tally import Hole, PersonHole
from services.screening.domain.worklist import Work
from shared.contracts.screening import Coverage, CoverageCounts, CoverageTally, Round
from shared.domain.roll import Roll
from shared.kernel.clock import from_ms

Json = dict[str, Any]


def round_json(round_: Round) -> Json:
    """Return a round as it was decided."""
    return round_.model_dump(mode="json", exclude_none=True)


def coverage_json(coverage: Coverage, roll: Roll[CoverageTally]) -> Json:
    """Return where a round stands at a desk, its parts, and the three reports of S3-04."""
    parts = [tally for code, tally in sorted(roll.current().items()) if not is_desk(code)]
    return {
        **coverage.model_dump(mode="json"),
        "parts": [_part(tally) for tally in parts],
        "reports": _reports(coverage.total, coverage.cells),
    }


def _part(tally: CoverageTally) -> Json:
    total = CoverageCounts.total_of(tally.cells.values())
    return {
        "part": tally.desk,
        "total": total.model_dump(),
        "cells": {slot: cell.model_dump() for slot, cell in tally.cells.items()},
        "reports": _reports(total, tally.cells),
    }


def _reports(total: CoverageCounts, cells: dict[str, CoverageCounts]) -> Json:
    """Return each place watched, each family in somebody's care, each household checked.

    The first two are of the denominator, which is the same in every slot; the last is of all slots together.
    """
    one = next(iter(cells.values()), CoverageCounts())
    return {
        "watched": _share(one.units, one.watched),
        "in_care": _share(one.households, one.in_care),
        "checked": _share(total.households, total.covered),
    }


def _share(of: int, have: int) -> Json:
    # Rounded down, so that 100 is said only of all; of nothing there is no share.
    return {"of": of, "have": have, "percent": have * 10_000 // of / 100 if of else None}


def hole_json(hole: Hole) -> Json:
    """Return a household that is not covered in a slot, with its last attempt."""
    at, means = hole.last or (None, None)
    return {
        **_place(hole),
        "found": hole.found,
        "at": None if at is None else from_ms(at).isoformat(),
        "means": means,
    }


def person_json(hole: PersonHole) -> Json:
    """Return a person of whom nothing is known in a slot."""
    return {"person": hole.person, **_place(hole), "found": hole.found}


def work_json(work: Work) -> Json:
    """Return a household to visit: whose it is, and of which members nothing is known yet."""
    return {**hole_json(work.hole), "own": work.own, "unasked": list(work.unasked)}


def _place(hole: Hole | PersonHole) -> Json:
    return {"household": hole.household, "unit": hole.unit, "charge": hole.charge, "slot": hole.slot}


def listed_json(head: Head) -> list[Json]:
    """Return the visits that are kept and never counted, and why."""
    return [
        {
            "id": listed.id,
            "why": listed.why,
            "household": listed.household,
            "found": listed.found,
            "at": from_ms(listed.at).isoformat(),
        }
        for listed in head.listed
    ]


def later_json(head: Head) -> list[Json]:
    """Return what was found at households that came after the denominator was frozen (S4-08)."""
    return [
        {"household": household, "slot": slot, "found": _name(later.found), "at": _when(later.last)}
        for (household, slot), later in sorted(head.later.items())
    ]


def _name(found: int) -> str:
    return Outcome(found).name.lower().replace("_", "-")


def _when(last: int) -> str | None:
    seen = unpacked(last)
    return None if seen is None else from_ms(seen[0]).isoformat()
