"""The frozen denominator of one round at one desk: which households it must cover, and who lives there.

It is built once, from the household facts of that instant, and never changes (S4-08, F-12). Positions in it
are what the sheets' arrays count by.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from shared.contracts.registry import HouseholdFact
from shared.contracts.screening import FrozenHousehold, PartFrozen, Round
from shared.kernel.codes import desk_of

NO_CARE_UNIT: Final = ""
"""The part of households that belong to no care unit: its counts stand in the desk's own tally."""

PAGE_BYTES: Final = 600_000
_HOUSEHOLD_BYTES: Final = 300
_MEMBER_BYTES: Final = 70


class Household(NamedTuple):
    """One household as it was at the freeze: `charge` is its post on line main."""

    household: str
    unit: str
    charge: str | None
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The households of one care unit: their positions, those of their members, and what S3-04 counts."""

    part: str
    households: range
    persons: range
    in_care: int
    units: int
    watched: int


class Place(NamedTuple):
    """Where a household stands: its part, its row there, and the row of its first member."""

    part: Part
    row: int
    first_person: int
    household: Household


@dataclass(frozen=True, slots=True)
class Denominator:
    """All households of one desk in a round, by part, unit and id."""

    round: str
    desk: str
    charges_v: int
    households: tuple[Household, ...]
    parts: tuple[Part, ...]
    index: dict[str, int]
    first_persons: tuple[int, ...]
    part_of: tuple[int, ...]

    def place(self, household: str) -> Place | None:
        """Return where a household stands; None if it is not on the denominator."""
        position = self.index.get(household)
        if position is None:
            return None
        part = self.parts[self.part_of[position]]
        return Place(
            part,
            position - part.households.start,
            self.first_persons[position] - part.persons.start,
            self.households[position],
        )

    def places(self, part: Part) -> Iterator[Place]:
        """Yield the households of a part in the order of its rows."""
        for row, position in enumerate(part.households):
            first = self.first_persons[position] - part.persons.start
            yield Place(part, row, first, self.households[position])

    def part(self, code: str) -> Part | None:
        """Return a part by its care unit."""
        return next((part for part in self.parts if part.part == code), None)


def freeze(round_: Round, desk: str, charges_v: int, households: Iterable[HouseholdFact]) -> Denominator:
    """Take the households that live at this desk inside the round's scope."""
    by_part: dict[str, list[Household]] = {}
    for fact in households:
        if inside(round_, fact, desk):
            frozen = Household(fact.household, fact.unit, fact.charges.get("main"), fact.members)
            by_part.setdefault(part_of(fact), []).append(frozen)
    return build(round_.round, desk, charges_v, by_part.items())


def inside(round_: Round, household: HouseholdFact, desk: str) -> bool:
    """Return whether a household lives at this desk and in the scope: by path, never by prefix."""
    if household.desk != desk:
        return False
    scope = round_.scope
    return scope.unit == scope.desk or scope.unit in (household.unit, *household.within)


def part_of(household: HouseholdFact) -> str:
    """Return the care unit that a household is counted in; a desk is no part of itself."""
    care_unit = household.care_unit
    return NO_CARE_UNIT if care_unit is None or is_desk(care_unit) else care_unit


def is_desk(code: str) -> bool:
    """Return whether a code can be a desk, and so is no part of one."""
    return desk_of(code) == code


def build(
    round_: str, desk: str, charges_v: int, by_part: Iterable[tuple[str, Sequence[Household]]]
) -> Denominator:
    """Lay households out by position."""
    households: list[Household] = []
    first_persons: list[int] = []
    part_at: list[int] = []
    parts: list[Part] = []
    persons = 0
    for code, unsorted in sorted(by_part, key=lambda item: item[0]):
        members = sorted(unsorted, key=lambda each: (each.unit, each.household))
        start, first = len(households), persons
        for household in members:
            first_persons.append(persons)
            persons += len(household.members)
        households += members
        part_at += [len(parts)] * len(members)
        parts.append(_part(code, members, range(start, len(households)), range(first, persons)))
    index = {household.household: position for position, household in enumerate(households)}
    return Denominator(
        round_, desk, charges_v, tuple(households), tuple(parts), index, tuple(first_persons), tuple(part_at)
    )


def _part(code: str, members: Sequence[Household], rows: range, persons: range) -> Part:
    in_care = sum(household.charge is not None for household in members)
    units = [
        all(household.charge is not None for household in living)
        for _, living in groupby(members, key=lambda household: household.unit)
    ]
    return Part(code, rows, persons, in_care, len(units), sum(units))


def facts(denominator: Denominator) -> Iterator[PartFrozen]:
    """Yield the denominator as facts: one a part, in pages that each fit a message."""
    for part in denominator.parts:
        pages = list(_pages([denominator.households[position] for position in part.households]))
        for page, households in enumerate(pages):
            yield PartFrozen(
                round=denominator.round,
                desk=denominator.desk,
                part=part.part or denominator.desk,
                charges_v=denominator.charges_v,
                households=tuple(FrozenHousehold(**each._asdict()) for each in households),
                page=page,
                pages=len(pages),
            )


def _pages(households: Sequence[Household]) -> Iterator[list[Household]]:
    page: list[Household] = []
    size = 0
    for household in households:
        more = _HOUSEHOLD_BYTES + _MEMBER_BYTES * len(household.members)
        if page and size + more > PAGE_BYTES:
            yield page
            page, size = [], 0
        page.append(household)
        size += more
    if page:
        yield page
