"""What registry tells: facts read from the stored documents, under ids that follow from their versions."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime

from services.registry.domain.desk import Desk, Place, default_path
from services.registry.domain.households import HOUSEHOLD_PUT, Counted, Household, care_unit
from services.registry.domain.on_day import OnDay
from services.registry.domain.scheme import Schemes
from services.registry.domain.summaries import CHILD_HEARD, summaries
from services.registry.store import CHARGES, DESKS, FINDINGS, HOUSEHOLDS, ROSTERS, Findings
from shared.contracts import registry as contract
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.outcomes import Outcome
from shared.contracts.topics import Topic
from shared.flow.documents import Documents
from shared.kernel.codes import desk_of
from shared.kernel.ids import derived_id

_UNITS = frozenset({"unit-put", "recompiled"})
_NOT_STRUCTURE = frozenset({HOUSEHOLD_PUT, CHILD_HEARD})


@dataclass(frozen=True, slots=True)
class Touched:
    """What accepted rows touched, read from their stored events: it is the same at every delivery."""

    structure: bool = False
    units: frozenset[str] = frozenset()
    households: frozenset[str] = frozenset()
    days: frozenset[date] = frozenset()
    moved: frozenset[str] = frozenset()
    """Units that lie elsewhere than before: the households in them are told again."""

    @classmethod
    def by(cls, outcome: Outcome) -> "Touched":
        events = [event for result in outcome.results for event in result.events]
        named = [event.data for event in events if event.type in _UNITS]
        return cls(
            structure=any(event.type not in _NOT_STRUCTURE for event in events),
            units=frozenset(code for data in named for code in data.get("units", [data.get("code")])),
            households=frozenset(e.data["household"] for e in events if e.type == HOUSEHOLD_PUT),
            days=frozenset(date.fromisoformat(data["on"]) for data in named if "on" in data),
            moved=frozenset(code for data in named for code in data.get("moved", ())),
        )

    def __or__(self, other: "Touched") -> "Touched":
        return Touched(
            self.structure or other.structure,
            self.units | other.units,
            self.households | other.households,
            self.days | other.days,
            self.moved | other.moved,
        )

    def __bool__(self) -> bool:
        return self.structure or bool(self.households)


def facts(
    docs: Documents, key: str, touched: Touched, *, at: datetime, source: str, schemes: Schemes
) -> Iterator[Message]:
    """Yield the stored state of what was touched at one desk, and what the desk above must hear."""

    def fact(topic: Topic, type_: str, subject: str, body: Model, *cause: str | int) -> Message:
        return message(topic, type_, subject, body, Context(derived_id(*cause), source, at, "registry"))

    desk = docs.get(DESKS, key) or Desk(key)
    v = docs.version(DESKS, key)
    for code in sorted(touched.units):
        unit = unit_fact(desk, code, v)
        yield fact(contract.UNITS_TOPIC, contract.UNIT, code, unit, "unit", code, v)
    roster = docs.get(ROSTERS, key)
    if roster is not None and touched.structure:
        v = docs.version(ROSTERS, key)
        stored = roster.model_copy(update={"v": v})
        yield fact(contract.ROSTERS_TOPIC, contract.ROSTER, key, stored, "roster", key, v)
    counted = docs.get(CHARGES, key)
    if touched.households or (counted is None and touched.structure):
        # A desk without households says so: whoever must cover them all knows that nothing is missing.
        v = docs.version(CHARGES, key)
        charges = charges_fact(key, counted or Counted(), v)
        yield fact(contract.CHARGES_TOPIC, contract.CHARGES, key, charges, "charges", key, v)
    moved = households_in(docs, desk, touched.moved) if touched.moved else ()
    ids = touched.households | {each.id for each in moved}
    for household in household_facts(docs, desk, ids, schemes) if ids else ():
        id_, v = household.household, household.v
        yield fact(contract.HOUSEHOLDS_TOPIC, contract.HOUSEHOLD, id_, household, "household", id_, v)
    for id_, found in sorted((docs.get(FINDINGS, key) or Findings()).items.items()):
        subject, cause = f"{key}/{id_}", ("finding", id_, found.finding.v)
        yield fact(contract.FINDINGS_TOPIC, contract.FINDING, subject, found.finding, *cause)
    if roster is not None and desk.compiled_on is not None:
        # Three documents make a summary; the sum of their versions rises with each of them.
        v = docs.version(DESKS, key) + docs.version(ROSTERS, key) + docs.version(CHARGES, key)
        for row in summaries(desk, roster, counted or Counted(), v=v, day=desk.compiled_on):
            body = contract.Changes(rows=(row,))
            yield fact(contract.COMMANDS_TOPIC, contract.CHANGES, row.unit, body, "summary", key, row.unit, v)


def unit_fact(desk: Desk, code: str, v: int) -> contract.UnitFact:
    """Return a unit as it stands; one that is still to come as it will begin, an ended one as it ended."""
    states = desk.units[code]
    begun = [state for state in states if desk.compiled_on and state.valid_from <= desk.compiled_on]
    place: Place = begun[-1] if begun else states[0]
    return contract.UnitFact(
        code=code, v=v, kind=place.kind, name=place.name, path=place.path, areas=place.areas,
        covers=place.covers, residential=place.residential,
        valid_from=place.valid_from, valid_to=place.valid_to,
    )  # fmt: skip


def charges_fact(key: str, counted: Counted, v: int) -> contract.Charges:
    return contract.Charges(
        desk=key, v=v, households=counted.households, members=counted.members,
        uncharged=sum(counted.uncharged.values()), by_post=dict(sorted(counted.by_post.items())),
    )  # fmt: skip


def household_facts(
    docs: Documents, desk: Desk, ids: Iterable[str], schemes: Schemes
) -> Iterator[contract.HouseholdFact]:
    """Yield households of a desk as they stand, placed as the desk's units are on the day it was compiled."""
    here = OnDay(desk, desk.compiled_on or date.max)
    above = {desk_of(code) for code in here.path} | {desk.code}
    attachments = [
        each for code in sorted(above) if (known := docs.get(DESKS, code)) for each in known.attachments
    ]
    for id_ in sorted(ids):
        household = docs.get(HOUSEHOLDS, id_)
        if household is None:
            raise LookupError(id_)
        now = household.now
        yield contract.HouseholdFact(
            household=id_, v=docs.version(HOUSEHOLDS, id_), desk=household.desk, unit=now.unit,
            within=here.inside(now.unit), care_unit=care_unit(now, here, attachments, schemes),
            members=now.members, charges=dict(now.charges),
        )  # fmt: skip


def households_in(docs: Documents, desk: Desk, units: AbstractSet[str]) -> list[Household]:
    """Return the households of a desk that lie in some of its units."""
    here = OnDay(desk, desk.compiled_on or date.max)
    # Many households share a floor, and few floors are all of a desk's.
    all_, lies = docs.where(HOUSEHOLDS, "desk", desk.code), dict[str, bool]()
    for unit in {each.now.unit for each in all_}:
        lies[unit] = not units.isdisjoint(here.upwards(unit))
    return [each for each in all_ if lies[each.now.unit]]


def desks_above(desk: Desk, rows: Iterable[Model]) -> set[str]:
    """Return every desk that may lie above one, now or once these rows are applied."""
    paths = [default_path(desk.code), *(state.path for state in desk.units.get(desk.code, ()))]
    paths += [row.path or () for row in rows if isinstance(row, contract.PutUnit) and row.code == desk.code]
    return {desk_of(code) for path in paths for code in path}
