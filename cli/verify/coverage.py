"""One round at one desk: its denominator, and what the visits and readings on the log come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from itertools import groupby
from typing import Any, Final

from cli.verify.log import MET_MS
from shared.contracts.registry import HouseholdFact
from shared.contracts.screening import WHOLE_ROUND, CoverageCounts, Reading, Round, Visit
from shared.kernel.clock import from_ms, local_day, utc_ms

OPEN: Final = "open"
ORDER: Final[tuple[str, ...]] = (
    OPEN, "nobody-home", "refused", "vacant", "moved-away", "screened",
)  # fmt: skip
"""What a visit found, the later the stronger; from `vacant` on a household is covered (S4-08)."""

WHOLE: Final = "the round"
"""What the one slot of a round without days is called."""

COVERED: Final = ("vacant", "moved-away", "screened")


@dataclass(frozen=True, slots=True)
class Hints:
    """What the database says of records that met another topic's: ids listed as late, persons known, later.

    `late` and `later` are by (round, desk), `known` by (round, desk, household, slot).
    """

    late: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    known: Mapping[tuple[str, str, str, str], frozenset[str]] = field(default_factory=dict)
    later: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Household:
    """A household of the denominator; by slot what was found and of whom something is known."""

    unit: str
    charge: str | None
    members: tuple[str, ...]
    found: dict[str, str] = field(default_factory=dict)
    known: dict[str, set[str]] = field(default_factory=dict)

    def find(self, slot: str, found: str) -> None:
        """Keep the stronger of two findings; of an empty home nobody is left to ask."""
        self.found[slot] = stronger(self.found.get(slot), found)
        if found in ("vacant", "moved-away"):
            self.know(slot, *self.members)

    def know(self, slot: str, *persons: str) -> None:
        self.known.setdefault(slot, set()).update(set(persons) & set(self.members))

    def statement(self, slot: str) -> dict[str, Any]:
        """Return what is compared of it in one slot."""
        return {"found": self.found.get(slot, OPEN), "known": sorted(self.known.get(slot, ()))}


@dataclass(slots=True)
class Part:
    """The households of one care unit."""

    households: dict[str, Household] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """A round at one desk; times in ms by the broker's clock."""

    round: Round
    zone: tzinfo
    opened_at: int
    closed_at: int | None = None
    reports: bool = False
    parts: dict[str, Part] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    later: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def slots(self) -> tuple[str, ...]:
        return self.round.slots

    def household(self, id_: str) -> Household | None:
        """Return a household of the denominator."""
        return next((part.households[id_] for part in self.parts.values() if id_ in part.households), None)

    def visited(
        self, visit: Visit, id_: str, at: int, lives: tuple[int, HouseholdFact] | None, hints: Hints
    ) -> None:
        """Take in a visit that came `at`; `lives`: since when its household is known, and where."""
        slot = self._slot(utc_ms(visit.at), at)
        place = (visit.round, visit.desk)
        if slot is None or (not self.parts and self.closed_at is not None):
            return
        if self._is_late(at, id_ in hints.late.get(place, ())):
            return
        household = self.household(visit.household)
        if household is None:
            self._came_later(visit, slot, at, lives, hints.later.get(place, frozenset()))
            return
        household.find(slot, visit.found)
        household.know(slot, *(seen.person for seen in visit.members if not seen.is_blank))

    def measured(self, reading: Reading, at: int, hints: Hints) -> None:
        """Take in a reading: it covers that member on that day, where the round has days."""
        slot, household = self._slot(utc_ms(reading.at), at), self.household(reading.household)
        if not self.round.days or slot is None or household is None:
            return
        place = (self.round.round, reading.desk, reading.household, slot)
        counted = reading.person in hints.known.get(place, ())
        if at < self.opened_at - MET_MS or (at < self.opened_at + MET_MS and not counted):
            return  # nobody had opened the round here
        if not self._is_late(at, not counted):
            household.know(slot, reading.person)

    def _is_late(self, at: int, as_stored: bool) -> bool:  # noqa: FBT001 - the database's word, where asked
        if self.closed_at is None or at < self.closed_at - MET_MS:
            return False
        return at > self.closed_at + MET_MS or as_stored

    def _slot(self, claimed: int, at: int) -> str | None:
        """Return the slot of a claimed time, believed up to the broker's; None outside the round's days."""
        if claimed > at and self._day(claimed) > self._day(at):
            return None
        if not self.round.days:
            return WHOLE_ROUND
        day = self._day(min(claimed, at))
        return day.isoformat() if day in self.round.days else None

    def _day(self, at: int) -> date:
        return local_day(from_ms(at), self.zone)

    def _came_later(
        self,
        visit: Visit,
        slot: str,
        at: int,
        lives: tuple[int, HouseholdFact] | None,
        as_stored: frozenset[str],
    ) -> None:
        """Count a household apart that lives here and was not on the denominator."""
        if lives is None or not self._is_inside(lives[1], visit.desk):
            return
        known_since = lives[0]
        if at < known_since - MET_MS or (at < known_since + MET_MS and visit.household not in as_stored):
            return  # it was a stranger then
        key = (visit.household, slot)
        self.later[key] = stronger(self.later.get(key), visit.found)

    def _is_inside(self, fact: HouseholdFact, desk: str) -> bool:
        scope = self.round.scope
        inside = scope.unit == scope.desk or scope.unit in (fact.unit, *fact.within)
        return fact.desk == desk and inside


def stronger(one: str | None, other: str) -> str:
    """Return the finding that holds where two visits differ."""
    return other if one is None else max(one, other, key=ORDER.index)


def nought() -> dict[str, int]:
    """Return every count there is, at nought."""
    return dict.fromkeys(CoverageCounts.model_fields, 0)


def counts_of(desk: Desk) -> dict[str, int]:
    """Return a desk's own counts over all its parts and slots."""
    total = nought()
    for slot in desk.slots:
        for part in desk.parts.values():
            _add_part(total, part, slot)
    for found in desk.later.values():
        total["later"] += 1
        total["later_covered"] += found in COVERED
    return total


def _add_part(total: dict[str, int], part: Part, slot: str) -> None:
    households = part.households.values()
    for household in households:
        found = household.found.get(slot)
        total["households"] += 1
        total["covered"] += found in COVERED
        total["in_care"] += household.charge is not None
        total["persons"] += len(household.members)
        total["persons_covered"] += len(household.known.get(slot, ()))
        if found is not None:
            total[found.replace("-", "_")] += 1
    by_unit = groupby(sorted(households, key=lambda each: each.unit), key=lambda each: each.unit)
    for _, living in by_unit:
        total["units"] += 1
        total["watched"] += all(household.charge is not None for household in living)
