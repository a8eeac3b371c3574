"""Planted faults of the dispatch loop: each breaks one rule of design §2 or §4, and its check must find it.

They prove that the checks can fail. `rules`, `counting` and `amending` bend a rule each where it is looked
up; here are those that replace a handler or lie in the flow.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from services.dispatch.domain import sheet as sheet_rules
from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from services.dispatch.store import ROLLS, SHEETS
from shared.contracts.dispatch import Answer, Counts, Tally
from shared.contracts.envelope import Message
from shared.domain.dated import Dated
from shared.flow.documents import Documents
from shared.flow.records import Arrival, Record
from tests.simulation.dispatch.amending import AMENDING
from tests.simulation.dispatch.counting import COUNTING
from tests.simulation.dispatch.rules import RULES
from tests.simulation.dispatch.world import DEADLINES
from tests.simulation.frame import Mutant
from tests.simulation.planted import shared_mutants


class MarksWithRelease(Sheets):
    """Marks fan-outs as sent in the transaction that releases them: a crash loses them."""

    def __init__(self, *, source: str, deadlines: Dated[DefaultDeadlines]) -> None:
        super().__init__(source=source, deadlines=deadlines)
        self._fresh: dict[object, bool] = {}

    def rule(self, docs: Documents, record: Record) -> None:
        self._fresh[record.origin] = True
        super().rule(docs, record)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        held = list(super().derive(docs, arrivals))
        fresh = [arrival for arrival in arrivals if self._fresh.pop(arrival.origin, None)]
        return held if fresh else [message for message in held if "tallies" in message.topic]


class AddsDeltas(ProgressRoll):
    """Adds every tally to what it holds instead of replacing it."""

    def rule(self, docs: Documents, record: Record) -> None:
        body = record.body
        if isinstance(body, Tally) and body.covers == "subtree":
            roll = docs.get(ROLLS, f"{body.directive}/{body.to}")
            known = roll.below.get(body.desk) if roll else None
            if known is not None and known.version == body.version:
                cells = {
                    name: Counts.total_of([known.cells[name], counts]) if name in known.cells else counts
                    for name, counts in body.cells.items()
                }
                body = body.model_copy(update={"cells": cells})
                record = Record(record.origin, record.id, record.type, body, record.at)
        super().rule(docs, record)


class DropsEarly(Sheets):
    """Forgets answers that come before their order."""

    def rule(self, docs: Documents, record: Record) -> None:
        if isinstance(record.body, Answer):
            sheet = docs.get(SHEETS, sheet_rules.sheet_id(record.body.directive, record.body.desk))
            if sheet is None or sheet.order is None:
                return
        super().rule(docs, record)


def _sheets(name: str, handler: type[Sheets], *found_by: str) -> Mutant:
    make = partial(handler, source="dispatch", deadlines=DEADLINES)
    return Mutant(name, found_by, handlers={"dispatch.sheets": make})


def _progress(name: str, handler: type[ProgressRoll], *found_by: str) -> Mutant:
    return Mutant(name, found_by, handlers={"dispatch.progress": partial(handler, source="dispatch")})


MUTANTS = (
    *shared_mutants(
        {
            "replayed records applied again": ("uncounted answers are listed",),
            "published before the commit": (
                "a tally is the count of its sheet",
                "what goes up is what was added",
                "one version, one content",
            ),
            "marked before the broker has acknowledged": (
                "the close reaches every desk",
                "everybody addressed is told, and nobody else",
                "every loop closes",
            ),
            "the place in the log in a transaction of its own": (
                "no sheet from nowhere",
                "each entry is what its answers say",
            ),
            "only what was written just now is published": (
                "each command has its outcome",
                "the last progress is complete",
            ),
            "strays dropped": (
                "a record on the wrong partition is moved",
                "each command has its outcome",
            ),
            "bad data passed over": ("dead letters are exactly the bad records",),
            "offsets committed before the work": (
                "each record is applied once",
                "no answer is lost",
            ),
            "writes without guards": (
                "a position never goes back",
                "each record is applied once",
            ),
            "lookups left behind": ("a sheet is found by what it says",),
            "a command decided again": ("one outcome a command",),
        }
    ),
    _sheets(
        "fan-out marked with its release",
        MarksWithRelease,
        "everybody addressed is told, and nobody else",
        "every loop closes",
        "the close reaches every desk",
    ),
    _sheets(
        "early answers dropped",
        DropsEarly,
        "each entry is what its answers say",
        "every sheet is stored",
        "waiting answers are kept",
    ),
    _progress(
        "tallies added up",
        AddsDeltas,
        "progress is the sum of the newest tallies",
        "no count above the truth",
    ),
    *RULES,
    *COUNTING,
    *AMENDING,
)
