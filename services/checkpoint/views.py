"""What the gate knows by heart: gates, passes, households and who holds a post, compact, in memory.

Filled by a follower from the beginning of the topics. 57,125 passes and as many residents take well under
100 MB: equal texts are one object, and nothing is kept that no decision asks for.
"""

from dataclasses import dataclass
from typing import NamedTuple

from shared.contracts.checkpoint import GateFact, PassFact, PassStatus
from shared.contracts.registry import HouseholdFact, Roster
from shared.flow.records import Record
from shared.kernel.clock import utc_ms
from shared.kernel.codes import COMMUNITY_DIGITS, desk_of


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate. `areas`: where its passes hold; `manned_by`: the persons of its team."""

    v: int
    desk: str
    area: str
    areas: tuple[str, ...]
    open: bool
    duty: str
    emergency_until_ms: int
    manned_by: frozenset[str]


class PassView(NamedTuple):
    """What of a pass does not stand in its text."""

    v: int
    status: PassStatus
    household: str


class HomeView(NamedTuple):
    """Where a household lives, and who answers for it first."""

    v: int
    charge: str | None
    desk: str
    within: tuple[str, ...]


class Views:
    """The gate's data; the newest version of each fact wins, whatever order they come in."""

    def __init__(self) -> None:
        self.gates: dict[str, GateView] = {}
        self.passes: dict[str, PassView] = {}
        self.homes: dict[str, HomeView] = {}
        self._exits: dict[str, str] = {}
        # By the unit a household lives at: where it is. By each unit around one: where those inside it are.
        self._units: dict[str, tuple[str, ...]] = {}
        self._around: dict[str, set[str]] = {}
        self._above: dict[str, tuple[str, ...]] = {}
        self._holders: dict[str, str] = {}
        self._rosters: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._texts: dict[str, str] = {}
        self._paths: dict[tuple[str, ...], tuple[str, ...]] = {}

    def apply(self, record: Record) -> None:
        """Take in one fact."""
        body = record.body
        if isinstance(body, GateFact):
            self._gate(body)
        elif isinstance(body, PassFact):
            self._pass(body)
        elif isinstance(body, HouseholdFact):
            self._home(body)
        elif isinstance(body, Roster):
            self._roster(body)

    def open_gate(self, area: str) -> str | None:
        """Return the one exit of an area, where it is known (F-07)."""
        return self._exits.get(area)

    def mans(self, person: str, gate: GateView) -> bool:
        """Return whether somebody answers for a gate now: the holder of its duty post, or its team."""
        return person in gate.manned_by or self._holders.get(gate.duty) == person

    def lives_in(self, household: str, areas: tuple[str, ...]) -> bool | None:
        """Return whether a household lives inside one of some areas; None where it cannot be known."""
        home = self.homes.get(household)
        if home is None:
            return None
        return any(area in home.within for area in areas) or self._desk_in(home.desk, areas)

    def place_in(self, unit: str, areas: tuple[str, ...]) -> bool | None:
        """Return whether who lives in a unit may live in one of some areas; None where it cannot be known.

        A unit may be wider than an area, or an overlay's that covers a part of it: its households say so.
        """
        at, around = self._units.get(unit, ()), self._around.get(unit, ())
        if any(area in at or area in around or unit in self._units.get(area, ()) for area in areas):
            return True
        desk = desk_of(unit)
        above = self._desk_in(desk, areas)
        if above is not False:
            return above
        desks = {desk_of(area) for area in areas}
        if unit in desks or (
            _is_above_communities(unit) and any(self._may_hold(unit, each) for each in desks)
        ):
            return None
        # A unit that no household is known of may be anywhere in its community.
        return None if desk in desks and not (at or around) else False

    def _may_hold(self, unit: str, desk: str) -> bool:
        above = self._above.get(desk, ())
        return unit in above or not above

    def _desk_in(self, desk: str, areas: tuple[str, ...]) -> bool | None:
        """Return whether a desk is inside one of some areas; what lies above it is in its roster."""
        above = self._above.get(desk, ())
        if any(area == desk or area in above for area in areas):
            return True
        unknown = not above and any(_is_above_communities(area) for area in areas)
        return None if unknown else False

    def _gate(self, fact: GateFact) -> None:
        known = self.gates.get(fact.gate)
        if known is not None and known.v >= fact.v:
            return
        self.gates[fact.gate] = GateView(
            v=fact.v,
            desk=fact.desk,
            area=fact.area,
            areas=(fact.area, *(fact.between or ())),
            open=fact.open,
            duty=fact.duty,
            emergency_until_ms=utc_ms(fact.emergency.until) if fact.emergency else 0,
            manned_by=frozenset(member.person for member in fact.team.members) if fact.team else frozenset(),
        )
        if fact.open and fact.purpose == "gate":
            self._exits[fact.area] = fact.gate
        elif self._exits.get(fact.area) == fact.gate:
            del self._exits[fact.area]

    def _pass(self, fact: PassFact) -> None:
        known = self.passes.get(fact.pass_id)
        if known is None or known.v < fact.v:
            self.passes[fact.pass_id] = PassView(fact.v, fact.status, self._one(fact.household))

    def _home(self, fact: HouseholdFact) -> None:
        known = self.homes.get(fact.household)
        if known is not None and known.v >= fact.v:
            return
        charge = fact.charges.get("main")
        # The unit itself is in `within` already, unless the household lives at the desk's own code.
        within = self._path(fact.within if fact.unit in fact.within else (*fact.within, fact.unit))
        desk = self._one(fact.desk)
        self.homes[self._one(fact.household)] = HomeView(
            fact.v, self._one(charge) if charge else None, desk, within
        )
        self._units[self._one(fact.unit)] = within
        # Overlays stand behind the units they cover, so what is beside a unit counts like what is before it.
        # What a household has moved away from stays: at worst somebody is referred who could be refused.
        around = [unit for unit in within if unit != fact.unit]
        for unit in around:
            self._around.setdefault(unit, set()).update(around)

    def _roster(self, roster: Roster) -> None:
        v, posts = self._rosters.get(roster.desk, (-1, ()))
        if v >= roster.v:
            return
        for post in posts:
            self._holders.pop(post, None)
        held = {seat.post: self._one(seat.holder) for seat in roster.seats if seat.holder}
        self._holders.update(held)
        self._rosters[roster.desk] = roster.v, tuple(held)
        self._above[self._one(roster.desk)] = self._path(roster.path)

    def _one(self, text: str) -> str:
        return self._texts.setdefault(text, text)

    def _path(self, codes: tuple[str, ...]) -> tuple[str, ...]:
        known = self._paths.get(codes)
        if known is None:
            known = tuple(self._one(code) for code in codes)
            self._paths[known] = known
        return known


def _is_above_communities(area: str) -> bool:
    return area == desk_of(area) and len(area) != COMMUNITY_DIGITS
