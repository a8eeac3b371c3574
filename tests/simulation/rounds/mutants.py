"""Planted faults of a round: each breaks one rule, and the checks must find it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from unittest import mock

from services.screening.domain import merging, tally
from services.screening.domain.denominator import Place
from services.screening.domain.fever import Fever
from services.screening.domain.merging import Ground
from services.screening.domain.sheet import NAMED, Head, Sheet
from services.screening.handlers import sheets, telling
from services.screening.handlers.progress import CoverageRoll
from services.screening.handlers.sheets import Sheets
from services.screening.store import DENOMINATORS, ROLLS
from shared.contracts.envelope import Message
from shared.contracts.screening import CoverageTally, Reading, Visit
from shared.domain.dated import Dated
from shared.domain.roll import Roll
from shared.flow.batch import Flow
from shared.flow.documents import Documents
from shared.flow.handler import Handler
from shared.flow.records import Arrival, Record
from tests.simulation.mutants import PublishFirst
from tests.simulation.rounds.truth import FEVER
from tests.simulation.rounds.world import ZONE

SOURCE = "screening"
FEVERS = Dated([(datetime(2020, 1, 1, tzinfo=UTC), Fever(celsius=FEVER))])


@dataclass(frozen=True, slots=True)
class Mutant:
    """What differs from the real thing."""

    name: str
    flow: type[Flow] = Flow
    guarded: bool = True
    commit_first: bool = False
    handlers: Mapping[str, Callable[[], Handler]] = field(default_factory=dict)


class Bent(Sheets):
    """The real handler with one of the rules it calls replaced."""

    def __init__(self, module: Any, name: str, rule: Callable[..., Any]) -> None:
        super().__init__(source=SOURCE, fever=FEVERS, zone=ZONE)
        self._bend = partial(mock.patch.object, module, name, rule)

    def rule(self, docs: Documents, record: Record) -> None:
        with self._bend():
            super().rule(docs, record)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        with self._bend():
            return list(super().derive(docs, arrivals))

    def mark(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        with self._bend():
            super().mark(docs, arrivals)


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


class LastTallyWins(CoverageRoll):
    """Takes tallies as they come: an old one from a zombie replaces a newer one."""

    def rule(self, docs: Documents, record: Record) -> None:
        body = record.body
        if not isinstance(body, CoverageTally):
            super().rule(docs, record)
            return
        id_ = f"{body.round}/{body.to}"
        roll = docs.get(ROLLS, id_) or Roll(body.round, body.to)
        if body.covers == "own":
            roll.own = body
        else:
            roll.below[body.desk] = body
        docs.put(ROLLS, id_, roll)


class ForgetsReadings(Sheets):
    """Drops a reading that comes while a desk still waits for its denominator."""

    def rule(self, docs: Documents, record: Record) -> None:
        if isinstance(record.body, Reading):
            waits = [id_ for id_ in sheets.heads_of(docs, record.body) if docs.get(DENOMINATORS, id_) is None]
            if waits:
                return
        super().rule(docs, record)


HONEST = Mutant("honest")


def _bent(name: str, module: Any, rule: str, by: Callable[..., Any]) -> Mutant:
    return Mutant(name, handlers={"screening.sheets": lambda: Bent(module, rule, by)})


def _other(name: str, handler: type[Sheets]) -> Mutant:
    make = partial(handler, source=SOURCE, fever=FEVERS, zone=ZONE)
    return Mutant(name, handlers={"screening.sheets": make})


MUTANTS = (
    _bent("freezes while the counts disagree", merging, "is_complete", lambda *_: True),
    _bent("visits added up", merging, "_count", _adds),
    _bent("the last visit wins", merging, "_count", _last_wins),
    _bent("late visits counted", merging, "merge_visit", _late_counts),
    _bent("early visits dropped", merging, "merge_early", _drops_early),
    _bent("later counted into households", telling, "own_tally", _later_in_households),
    _bent("the future believed", merging, "from_the_future", lambda *_: False),
    _bent("a desk that waits reports nothing to do", telling, "reports", lambda head: head.terms is not None),
    _bent("a close that the parts do not hear of", sheets, "put_sheet", lambda *_: None),
    _other("fan-out marked with its release", MarkFirst),
    _other("an alert for each measurement", AlertsByRecord),
    _other("readings before the freeze dropped", ForgetsReadings),
    Mutant("published before the commit", flow=PublishFirst),
    Mutant("offsets committed before the work", commit_first=True),
    Mutant("writes without guards", guarded=False),
    Mutant("last tally wins", handlers={"screening.progress": lambda: LastTallyWins(source=SOURCE)}),
)
