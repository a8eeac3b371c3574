"""A bulk of changes to one desk: decided row by row, compiled once, saved and published together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any

from services.registry import publishing, settling
from services.registry.domain import attachments, households, posts, summaries, units
from services.registry.domain.desk import Desk, holds
from services.registry.domain.households import Counted
from services.registry.domain.refused import Refused
from services.registry.domain.scheme import Schemes, qualified_posts
from services.registry.store import CHARGES, DESKS, FINDINGS, HOUSEHOLDS, ROSTERS
from shared.contracts.base import Model
from shared.contracts.envelope import Message
from shared.contracts.outcomes import Event, Outcome
from shared.contracts.registry import (
    OUTCOME,
    OUTCOMES_TOPIC,
    Appoint,
    AttachScheme,
    Changes,
    EndAppointment,
    PutHousehold,
    PutPost,
    PutUnit,
    Recompile,
    SummariseChild,
)
from shared.flow.decide import OUTCOMES, Accepted, Decide, Rejected
from shared.flow.documents import Documents
from shared.flow.records import Arrival, Record
from shared.kernel.clock import local_day
from shared.kernel.codes import InvalidCode, desk_of, desk_of_post

SERVICE = "registry"
SOURCE = "/gridloop/registry"
RECOMPILED = "recompiled"
_MOVING = 100
"""Rows that a record counts for which may bring all households of its desk into the transaction."""


def _apply_recompiled(desk: Desk, data: dict[str, Any]) -> None:
    """Note that units are told up to this day; settling the record does the rest."""
    desk.units_told_on = max(filter(None, (desk.units_told_on, date.fromisoformat(data["on"]))))


APPLY: Mapping[str, Callable[[Desk, dict[str, Any]], None]] = {
    units.UNIT_PUT: units.apply_unit_put,
    posts.POST_PUT: posts.apply_post_put,
    posts.SUPERIOR_SET: posts.apply_superior_set,
    posts.APPOINTED: posts.apply_appointed,
    posts.APPOINTMENT_ENDED: posts.apply_appointment_ended,
    attachments.SCHEME_ATTACHED: attachments.apply_scheme_attached,
    summaries.CHILD_SUMMARISED: summaries.apply_child_summarised,
    summaries.CHILD_HEARD: summaries.apply_child_heard,
    RECOMPILED: _apply_recompiled,
}


def key_of(row: Model) -> str:
    """Return the desk (K) that a row is decided at."""
    match row:
        case PutPost() | Appoint() | EndAppointment():
            return desk_of_post(row.post)
        case PutUnit():
            return desk_of(row.code)
        case AttachScheme() | PutHousehold() | SummariseChild() | Recompile():
            return desk_of(row.unit)
    raise TypeError(type(row).__name__)


class RegistryDecider:
    """Decides changes of one desk; only documents of that desk are read (design §2)."""

    def __init__(self, schemes: Schemes, zone: tzinfo, *, source: str = SOURCE) -> None:
        self._schemes = schemes
        self._types = qualified_posts(schemes)
        self._zone = zone
        self._source = source

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        """Load the desks that the records name, and the households of their rows."""
        keys = {_key(record) for record in records}
        await docs.load(DESKS, keys)
        await docs.load(ROSTERS, keys)
        await docs.load(CHARGES, keys)
        await docs.load(FINDINGS, keys)
        rows = [row for record in records for row in self.rows(record)]
        housing = [row for row in rows if isinstance(row, PutHousehold)]
        await docs.load(HOUSEHOLDS, [row.household for row in housing])
        moving = {_key(record) for record in records if self._may_move(docs, record)}
        for key in sorted(moving):
            await docs.load_where(HOUSEHOLDS, "desk", key)
        # A household's fact names its care unit, which is a matter of the schemes attached above its desk.
        told = ({key_of(row) for row in housing} & keys) | moving
        desks = [docs.get(DESKS, key) or Desk(key) for key in told]
        await docs.load(DESKS, {code for desk in desks for code in publishing.desks_above(desk, rows)})

    def rows(self, record: Record) -> Sequence[Model]:
        """Return the rows of a bulk."""
        return record.body.rows if isinstance(record.body, Changes) else ()

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        """Accept a row with its events, or say why not.

        Who may change a desk is asked where a token is shown (`Edge.refuse_outsider`) and not again: it may
        be by a post above, on which no refusal can rest here, and a system that imports holds no post.
        """
        key = _key(record)
        try:
            if key_of(row) != key:
                return Rejected("wrong-desk", f"a row of {key_of(row)} in a record of {key}")
            if isinstance(row, SummariseChild | Recompile) and record.actor != SERVICE:
                return Rejected("internal-command", f"{row.do} is the registry's own")
            desk = docs.get(DESKS, key) or Desk(key)
            if isinstance(row, PutHousehold):
                known, today = docs.get(HOUSEHOLDS, row.household), self._day(desk, record)
                return Accepted(households.put_household(desk, known, row, self._types, today))
            if isinstance(row, Recompile):
                return Accepted(self._recompile(desk, row, record))
            if isinstance(row, PutUnit):
                return Accepted(self._put_unit(desk, row, self._day(desk, record)))
            return Accepted(self.events(desk, row))
        except (Refused, InvalidCode) as refused:
            return Rejected(refused.code, refused.detail)

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        """Make an event true in the desk, or in a household and the counts of its desk."""
        key = _key(record)
        if event.type == households.HOUSEHOLD_PUT:
            id_ = event.data["household"]
            counted = docs.get(CHARGES, key) or Counted()
            known = docs.get(HOUSEHOLDS, id_)
            docs.put(HOUSEHOLDS, id_, households.apply_household_put(key, known, counted, event.data))
            docs.put(CHARGES, key, counted)
            return
        desk = docs.get(DESKS, key) or Desk(key)
        APPLY[event.type](desk, event.data)
        docs.put(DESKS, key, desk)

    def settle(self, docs: Documents, record: Record, outcome: Outcome) -> None:
        """Compile the touched desk once for the whole record, and look at its findings afresh."""
        changed = publishing.Touched.by(outcome)
        if not changed:
            return
        key = _key(record)
        desk = docs.get(DESKS, key) or Desk(key)
        day = self._day(desk, record, changed.days)
        if changed.structure:
            settling.compile_and_keep(docs, desk, day, self._types, self._schemes)
        settling.look_at_households(docs, key, day)

    def tell_households(self, docs: Documents, record: Record, outcome: Outcome) -> None:
        """Give the households of units that lie elsewhere now a version, for copies to take the fact again.

        They are themselves as they were: rebuilding their state has nothing to do here.
        """
        moved, key = publishing.Touched.by(outcome).moved, _key(record)
        desk = docs.get(DESKS, key) or Desk(key)
        for household in publishing.households_in(docs, desk, moved) if moved else ():
            docs.put(HOUSEHOLDS, household.id, household)

    def derive(self, docs: Documents, decided: Sequence[tuple[Record, Outcome]]) -> Iterable[Message]:
        """Publish the stored state of what the records touched, once for each desk."""
        touched: dict[str, _Touching] = {}
        for record, outcome in decided:
            each = touched.setdefault(_key(record), _Touching())
            each.what |= publishing.Touched.by(outcome)
            each.at = max(filter(None, (each.at, outcome.at)))
        for key, each in sorted(touched.items()):
            if each.what and each.at:
                yield from publishing.facts(
                    docs, key, each.what, at=each.at, source=self._source, schemes=self._schemes
                )

    def events(self, desk: Desk, row: Model) -> tuple[Event, ...]:
        """Return the events of a row that concerns nothing but its desk, or raise `Refused`."""
        match row:
            case PutUnit():
                return units.put_unit(desk, row)
            case AttachScheme():
                return attachments.attach_scheme(desk, row, self._schemes)
            case PutPost():
                return posts.put_post(desk, row, self._types)
            case Appoint():
                return posts.appoint(desk, row)
            case EndAppointment():
                return posts.end_appointment(desk, row)
            case SummariseChild():
                return summaries.summarise_child(desk, row)
        raise TypeError(type(row).__name__)

    def _put_unit(self, desk: Desk, row: PutUnit, day: date) -> tuple[Event, ...]:
        """Put a unit, and name what lies elsewhere from today on because of it."""
        before = desk.place(row.code, day)
        events = units.put_unit(desk, row)
        if not events:
            return ()
        state = units.place_from(events[0].data)
        after = state if holds(state, day) else before if state.valid_from > day else None
        moved = sorted(units.moved(row.code, before, after))
        return tuple(
            event.model_copy(update={"data": {**event.data, "moved": moved}}) if moved else event
            for event in events
        )

    def _may_move(self, docs: Documents, record: Record) -> bool:
        """Say whether households of a desk may lie elsewhere after a record: then all of them are needed."""
        known = docs.get(OUTCOMES, record.id)
        if known is not None:
            return bool(publishing.Touched.by(known).moved)
        desk = docs.get(DESKS, _key(record)) or Desk(_key(record))
        for row in self.rows(record):
            match row:
                case PutUnit():
                    if row.code in desk.units or row.covers or row.areas or row.path or row.kind:
                        return True
                case Recompile():
                    if desk.units_changing(desk.units_told_on, date.max):
                        return True
        return False

    def _recompile(self, desk: Desk, row: Recompile, record: Record) -> tuple[Event, ...]:
        """Take the ticker's day, and name the units whose facts changed since the last one."""
        if (row.on - local_day(record.at, self._zone)).days > 1:
            raise Refused("not-yet-valid", f"{row.on} is after today")
        day = self._day(desk, record, [row.on])
        changing = desk.units_changing(desk.units_told_on, day)
        data: dict[str, Any] = {"on": day.isoformat(), "units": changing}
        told = desk.units_told_on or date.min
        states = ((code, desk.place(code, told), desk.place(code, day)) for code in changing)
        moved = sorted(set[str]().union(*(units.moved(*each) for each in states)))
        return (Event(type=RECOMPILED, data={**data, "moved": moved} if moved else data),)

    def _day(self, desk: Desk, record: Record, named: Iterable[date] = ()) -> date:
        # A desk's days never run backwards, whatever two brokers' clocks say around midnight.
        return max([local_day(record.at, self._zone), *named, *filter(None, [desk.compiled_on])])


class RegistryCommands(Decide):
    """The handler of registry.commands.v1: decisions as everywhere, then one compilation a record."""

    def __init__(self, decider: RegistryDecider, *, source: str = SOURCE) -> None:
        super().__init__(decider, outcomes=OUTCOMES_TOPIC, outcome_type=OUTCOME, source=source)
        self._registry = decider

    def rule(self, docs: Documents, record: Record) -> None:
        """Decide the rows and settle the desk; a record decided before changes nothing."""
        if docs.get(OUTCOMES, record.id) is not None:
            return
        super().rule(docs, record)
        outcome = docs.get(OUTCOMES, record.id)
        if outcome is not None:
            self._registry.settle(docs, record, outcome)
            self._registry.tell_households(docs, record, outcome)

    def weight(self, record: Arrival) -> int:
        """Count rows; where units change, households may have to be told again, hundreds at each desk."""
        rows = self._registry.rows(record) if isinstance(record, Record) else ()
        moves = any(isinstance(row, PutUnit | Recompile) for row in rows)
        return max(super().weight(record), _MOVING if moves else 1)


@dataclass(slots=True)
class _Touching:
    what: publishing.Touched = field(default_factory=publishing.Touched)
    at: datetime | None = None


def _key(record: Record) -> str:
    return record.key.partition("/")[0]
