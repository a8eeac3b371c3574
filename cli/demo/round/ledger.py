"""The count the visitors keep themselves, household by household: nothing of screening's own counting.

As in the act of the directive it stands on two feet: `handed` grows before a visit leaves the visitors'
hands, so at no moment may the service have counted more; `kept` holds what somebody has acknowledged, and in
the end must be counted exactly.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cli.demo.places import grid_of
from cli.demo.world import World
from shared.contracts.registry import PutHousehold
from shared.contracts.screening import Found, PersonSeen
from shared.kernel.codes import desk_of

# What two visitors found of one door: the later in this list holds.
_HOLDS: tuple[Found, ...] = ("nobody-home", "refused", "vacant", "moved-away", "screened")
_COLUMN = {
    "screened": "screened", "vacant": "vacant", "moved-away": "moved_away",
    "nobody-home": "nobody_home", "refused": "refused",
}  # fmt: skip
_COVERS = {"screened", "vacant", "moved-away"}
FOUND_COLUMNS = ("covered", *_COLUMN.values())
COUNTED = ("households", *FOUND_COLUMNS, "persons", "persons_covered", "later", "later_covered")


@dataclass(slots=True)
class Known:
    """What is known of one household."""

    found: Found | None = None
    persons: set[str] = field(default_factory=set)

    def columns(self) -> set[str]:
        """Return the columns in which the household is counted."""
        if self.found is None:
            return set()
        return {_COLUMN[self.found]} | ({"covered"} if self.found in _COVERS else set())

    def add(self, home: PutHousehold, found: Found, seen: Iterable[PersonSeen]) -> None:
        if self.found is None or _HOLDS.index(found) > _HOLDS.index(self.found):
            self.found = found
        # A name with nothing behind it is nobody seen; where nobody lives there is nobody to be seen.
        self.persons |= {each.person for each in seen if each.temperature is not None or each.answers}
        self.persons |= set(home.members) if found in {"vacant", "moved-away"} else set()


class Ledger:
    """What was found, door by door; and, as an upper bound for the observer, running sums of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.homes = {home.household: home for home in world.households}
        self._by_desk: dict[str, list[PutHousehold]] = defaultdict(list)
        for home in world.households:
            self._by_desk[desk_of(home.unit)].append(home)
        self._handed: dict[str, Known] = defaultdict(Known)
        self._kept: dict[str, Known] = defaultdict(Known)
        self._bound: dict[tuple[str, str], int] = defaultdict(int)
        self._shown: dict[str, set[str]] = defaultdict(set)
        self._later: dict[str, PutHousehold] = {}
        self._is_closed = False
        self.visits = 0
        self.rejected: list[str] = []
        for desk, homes in self._by_desk.items():
            self._bound[desk, "households"] = len(homes)
            self._bound[desk, "persons"] = sum(len(home.members) for home in homes)

    def close(self) -> None:
        """From now on whatever is handed over comes too late, and must count nothing."""
        self._is_closed = True

    def moved_in(self, home: PutHousehold) -> None:
        """Note a household that came after the round had opened: it is counted apart from the others."""
        self._later[home.household] = home
        self._bound[desk_of(home.unit), "later"] += 1

    def handed(self, home: PutHousehold, found: Found, seen: Iterable[PersonSeen]) -> None:
        """Note that a visit is about to leave; afterwards it may be counted anywhere at any time."""
        if self._is_closed:
            return
        known, desk = self._handed[home.household], desk_of(home.unit)
        if home.household in self._later:
            self._bound[desk, "later_covered"] = 1
            return
        seen, persons = tuple(seen), len(known.persons)
        known.add(home, found, seen)
        # Each visit by itself may be counted before the one that holds in the end; never taken back.
        shown = known.columns() | Known(found).columns()
        for column in shown - self._shown[home.household]:
            self._bound[desk, column] += 1
        self._shown[home.household] |= shown
        self._bound[desk, "persons_covered"] += len(known.persons) - persons

    def kept(self, home: PutHousehold, found: Found, seen: Iterable[PersonSeen]) -> None:
        """Note that somebody has acknowledged a visit: now it must be counted, sooner or later."""
        self.visits += 1
        if self._is_closed:
            return
        self._kept[home.household].add(home, found, seen)

    def bound(self, desk: str, column: str) -> int:
        """Return the most that may be counted now at a desk and below it."""
        return sum(self._bound.get((each, column), 0) for each in self._world.below[desk])

    def final(self, homes: Iterable[PutHousehold]) -> dict[str, int]:
        """Return what must be counted in the end of these households."""
        sums = dict.fromkeys(COUNTED, 0)
        for home in homes:
            known = self._kept.get(home.household, Known())
            if home.household in self._later:
                sums["later"] += 1
                sums["later_covered"] += "covered" in known.columns()
                continue
            sums["households"] += 1
            sums["persons"] += len(home.members)
            sums["persons_covered"] += len(known.persons & set(home.members))
            for column in known.columns():
                sums[column] += 1
        return sums

    def at(self, desk: str) -> list[PutHousehold]:
        """Return the households of a desk and of those below it, with those who came later."""
        here = [home for each in self._world.below[desk] for home in self._by_desk.get(each, ())]
        return here + [home for home in self._later.values() if desk_of(home.unit).startswith(desk)]

    def parts(self, desk: str) -> dict[str, list[PutHousehold]]:
        """Return a community's households by the grid that cares for them, without those who came later."""
        parts: dict[str, list[PutHousehold]] = defaultdict(list)
        for home in self._by_desk.get(desk, ()):
            parts[grid_of(home.unit)].append(home)
        return parts

    def to_revisit(self, desk: str) -> set[str]:
        """Return the households at which nobody opened, or that refused."""
        return {
            home.household
            for home in self._by_desk.get(desk, ())
            if self._kept.get(home.household, Known()).found in {"nobody-home", "refused"}
        }

    def holes(self, desk: str) -> set[str]:
        """Return the households that are not covered, visited or not."""
        return {
            home.household
            for home in self._by_desk.get(desk, ())
            if "covered" not in self._kept.get(home.household, Known()).columns()
        }

    def persons_open(self, desk: str) -> set[str]:
        """Return the members whom nobody has seen."""
        return {
            person
            for home in self._by_desk.get(desk, ())
            for person in set(home.members) - self._kept.get(home.household, Known()).persons
        }
