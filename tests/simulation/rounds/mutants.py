"""Planted faults of a round: each breaks one rule, and the checks must find it."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from unittest import mock

from services.screening.domain import merging, tally
from services.screening.domain.denominator import Place
from services.screening.domain.merging import Ground
from services.screening.domain.sheet import NAMED, Head, Sheet
from services.screening.handlers import sheets, telling
from services.screening.handlers.sheets import Sheets
from services.screening.store import DENOMINATORS
from shared.contracts.envelope import Message
from shared.contracts.screening import CoverageTally, Reading, Visit
from shared.flow.documents import Documents
from shared.flow.records import Arrival, Record
from shared.service import rollup
from tests.simulation.frame import Mutant
from tests.simulation.planted import bent, last_tally_wins, shared_mutants
from tests.simulation.rounds.world import FEVERS, SOURCE
from tests.simulation.scheduler import ZONE


def _adds(sheet: Sheet, place: Place, slot: int, visit: Visit, at: int) -> None:
    """Let each visit raise what was found by its own height."""
    del at
    cell = slot * len(place.part.households) + place.row
    sheet.found[cell] = min(max(NAMED.values()), sheet.found[cell] + NAMED[visit.found])


def _last_wins(sheet: Sheet, place: Place, slot: int, visit: Visit, at: int) -> None:
    """Keep what the visit that came last found."""
    del at
    sheet.found[slot * len(place.part.households) + place.row] = NAMED[visit.found]


_merge_visit = merging.merge_visit
_merge_early = merging.merge_early
_own_tally = tally.own_tally
_see = merging._see


def _late_counts(head: Head, visit: Visit, ground: Ground, **said: Any) -> str | None:
    terms = head.terms
    if terms is not None:
        head.terms = terms.model_copy(update={"status": "open"})
    part = _merge_visit(head, visit, ground, **said)
    head.terms = terms
    return part


def _drops_early(head: Head, ground: Ground) -> None:
    head.early = {}
    _merge_early(head, ground)


def _later_in_households(head: Head, terms: Any, **counted: Any) -> CoverageTally:
    told = _own_tally(head, terms, **counted)
    cells = {
        slot: cell.model_copy(update={"households": cell.households + cell.later})
        for slot, cell in told.cells.items()
    }
    return told.model_copy(update={"cells": cells})


class MarkFirst(Sheets):
    """Notes an opening as sent in the transaction that releases it: a crash loses it."""

    def rule(self, docs: Documents, record: Record) -> None:
        super().rule(docs, record)
        self._fresh = [*getattr(self, "_fresh", []), record.origin]

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        held = list(super().derive(docs, arrivals))
        fresh, self._fresh = set(getattr(self, "_fresh", [])), []
        new = any(arrival.origin in fresh for arrival in arrivals)
        return held if new else [each for each in held if not each.topic.endswith("desks.v1")]


class AlertsByRecord(Sheets):
    """Names an alert by the record that raised it: two measurements are two alerts."""

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        real = telling.alert
        count = iter(range(1_000))

        def renamed(*said: Any) -> Any:
            made = real(*said)
            return made.model_copy(update={"alert": f"{made.alert[:-2]}{next(count):02}"})

        with mock.patch.object(telling, "alert", renamed):
            return list(super().derive(docs, arrivals))


class ForgetsReadings(Sheets):
    """Drops a reading that comes while a desk still waits for its denominator."""

    def rule(self, docs: Documents, record: Record) -> None:
        if isinstance(record.body, Reading):
            waits = [id_ for id_ in sheets.heads_of(docs, record.body) if docs.get(DENOMINATORS, id_) is None]
            if waits:
                return
        super().rule(docs, record)


def _other(name: str, handler: type[Sheets], *found_by: str, first: int = 0) -> Mutant:
    make = partial(handler, source=SOURCE, fever=FEVERS, zone=ZONE)
    return Mutant(name, found_by, handlers={"screening.sheets": make}, first=first, within=120)


_bent = partial(bent, within=120)

MUTANTS = (
    _bent(
        "freezes while the counts disagree",
        merging,
        "is_complete",
        lambda *_: True,
        "frozen only as registry counts",
    ),
    _bent(
        "visits added up",
        merging,
        "_count",
        _adds,
        "no count above the truth",
        "every person not covered has a name",
        "every open door has its name",
    ),
    _bent(
        "the last visit wins",
        merging,
        "_count",
        _last_wins,
        "every person not covered has a name",
        "every open door has its name",
    ),
    _bent("late visits counted", merging, "merge_visit", _late_counts, "what does not count is listed"),
    _bent(
        "early visits dropped",
        merging,
        "merge_early",
        _drops_early,
        "every open door has its name",
        "who came later is counted apart",
        "what does not count is listed",
    ),
    _bent(
        "later counted into households",
        telling,
        "own_tally",
        _later_in_households,
        "no count above the truth",
    ),
    _bent(
        "the future believed",
        merging,
        "from_the_future",
        lambda *_: False,
        "what does not count is listed",
        "no count above the truth",
    ),
    _bent(
        "a desk that waits reports nothing to do",
        telling,
        "reports",
        lambda head: head.terms is not None,
        "no desk is passed over",
    ),
    _bent(
        "a close that the parts do not hear of",
        sheets,
        "put_sheet",
        lambda *_: None,
        "one version, one content",
    ),
    _other("fan-out marked with its release", MarkFirst, "a round and its close reach every desk"),
    _other("an alert for each measurement", AlertsByRecord, "no alert without a fever"),
    _other(
        "readings before the freeze dropped",
        ForgetsReadings,
        "every person not covered has a name",
        first=190,
    ),
    _bent(
        "last tally wins",
        rollup,
        "merge_tally",
        last_tally_wins,
        "one version, one content",
        "coverage equals brute force",
        "no count falls",
        "closed is said when all are",
        first=200,
    ),
    *shared_mutants(
        {
            "strays dropped": ("a record on the wrong partition is moved",),
            "published before the commit": (
                "one version, one content",
                "no alert without a fever",
                "the fact is what was frozen",
            ),
            "offsets committed before the work": ("each record is applied once",),
            "writes without guards": (
                "a position never goes back",
                "each record is applied once",
            ),
        }
    ),
)
