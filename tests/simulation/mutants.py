"""Planted faults: each leaves out one rule, and the checks must find it. They prove that checks can fail."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.dispatch.domain import sheet as sheet_rules
from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from services.dispatch.store import ROLLS, SHEETS
from shared.contracts.dispatch import Answer, Counts, Tally
from shared.contracts.envelope import Message
from shared.domain.dated import Dated
from shared.domain.roll import Roll
from shared.flow.batch import POSITIONS, Flow, Position, position_id
from shared.flow.documents import Documents
from shared.flow.handler import Handler
from shared.flow.records import Arrival, Record
from tests.simulation.world import DEADLINES


@dataclass(frozen=True, slots=True)
class Mutant:
    """What differs from the real thing."""

    name: str
    flow: type[Flow] = Flow
    guarded: bool = True
    commit_first: bool = False
    handlers: Mapping[str, Callable[[], Handler]] = field(default_factory=dict)


class AppliesAgain(Flow):
    """Keeps its place, and applies what lies before it all the same."""

    def _fold(self, docs: Documents, arrivals: Sequence[Arrival]) -> int:
        for arrival in arrivals:
            place = position_id(self._group, arrival.origin.partition)
            position = docs.get(POSITIONS, place) or Position()
            before = arrival.origin.offset < position.next.get(arrival.origin.topic, 0)
            if before and isinstance(arrival, Record) and self._at_home(arrival.origin):
                self._handler.rule(docs, arrival)
        return super()._fold(docs, arrivals)


class PublishFirst(Flow):
    """Tells the world before the transaction: what is told may never come true."""

    async def _apply(self, arrivals: Sequence[Arrival]) -> int:
        async with self._storage.session() as session:
            docs = Documents(session, self._cache)
            await self._take_over(docs, session, {arrival.origin.partition for arrival in arrivals})
            await self._handler.load(docs, arrivals)
            fresh = self._fold(docs, arrivals)
            home = self._home(arrivals)
            await self._publish([*self._handler.derive(docs, home), *self._aside(arrivals)])
            await self._write(docs, session.commit)
            self._handler.mark(docs, home)
            await self._write(docs, session.commit)
        return fresh


class MarkFirst(Sheets):
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


class LastTallyWins(ProgressRoll):
    """Takes tallies as they come: an old one from a zombie replaces a newer one."""

    def rule(self, docs: Documents, record: Record) -> None:
        body = record.body
        if not isinstance(body, Tally):
            super().rule(docs, record)
            return
        id_ = f"{body.directive}/{body.to}"
        roll = docs.get(ROLLS, id_) or Roll(body.directive, body.to)
        if body.covers == "own":
            roll.own = body
        else:
            roll.below[body.desk] = body
        docs.put(ROLLS, id_, roll)


class DropsEarly(Sheets):
    """Forgets answers that come before their order."""

    def rule(self, docs: Documents, record: Record) -> None:
        if isinstance(record.body, Answer):
            sheet = docs.get(SHEETS, sheet_rules.sheet_id(record.body.directive, record.body.desk))
            if sheet is None or sheet.order is None:
                return
        super().rule(docs, record)


HONEST = Mutant("honest")


def _sheets(handler: type[Sheets]) -> Mapping[str, Callable[[], Handler]]:
    return {"dispatch.sheets": lambda: handler(source="dispatch", deadlines=DEADLINES)}


def _progress(handler: type[ProgressRoll]) -> Mapping[str, Callable[[], Handler]]:
    return {"dispatch.progress": lambda: handler(source="dispatch")}


MUTANTS = (
    Mutant("replayed records applied again", flow=AppliesAgain),
    Mutant("published before the commit", flow=PublishFirst),
    Mutant("offsets committed before the work", commit_first=True),
    Mutant("writes without guards", guarded=False),
    Mutant("fan-out marked with its release", handlers=_sheets(MarkFirst)),
    Mutant("early answers dropped", handlers=_sheets(DropsEarly)),
    Mutant("tallies added up", handlers=_progress(AddsDeltas)),
    Mutant("last tally wins", handlers=_progress(LastTallyWins)),
)
