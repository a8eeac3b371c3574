"""Who is found how at which door: drawn from the seed and the household alone. Pure.

Not every visit ends well: people are out, refuse, have moved, or one of them is missed; a second visitor
comes by chance, and a few doors are not opened in either sweep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Literal, TypeVar

from cli.demo.places import grid_of
from cli.demo.residents import opaque
from cli.demo.world import Seat, World
from shared.contracts.registry import PutHousehold
from shared.contracts.screening import Found, PersonSeen
from shared.kernel.codes import parse

T = TypeVar("T")
Way = Literal["single", "bulk", "topic"]

UNREACHED = 3
FEVERS = 3
FEVER_CELSIUS = 38.6
_FOUND: Sequence[tuple[Found | None, float]] = (
    ("nobody-home", 0.06), ("refused", 0.015), ("vacant", 0.01), ("moved-away", 0.005), (None, 0.004),
    ("screened", 0.906),
)  # fmt: skip
_WAYS: Sequence[tuple[Way, float]] = (("single", 0.06), ("bulk", 0.64), ("topic", 0.3))
ONE_MISSED = 0.03
TWICE = 0.02
SECOND_VISITOR = 0.01
MEASURED = 0.9


@dataclass(frozen=True, slots=True)
class Call:
    """One visit to a household as somebody will hand it over; `twice`: again under the same id."""

    home: PutHousehold
    found: Found
    seen: tuple[PersonSeen, ...]
    by: Seat
    way: Way
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Fever:
    """A member whose temperature must come to the household's chain; a silent charge post is answered for."""

    home: PutHousehold
    person: str
    charge: Seat
    is_silent: bool


@dataclass(frozen=True)
class Script:
    """The round as it will happen; nothing here knows of any service."""

    world: World
    seed: int

    @cached_property
    def unreached(self) -> frozenset[str]:
        """Households at which nobody opens, and at one of them nobody even knocks."""
        afflicted = {fever.home.household for fever in self.fevers}
        rng = self._rng("unreached")
        homes = [home.household for home in self.world.households if home.household not in afflicted]
        return frozenset(rng.sample(homes, UNREACHED))

    @cached_property
    def fevers(self) -> tuple[Fever, ...]:
        """Return one fever a charge post, the last of whom does not answer."""
        rng = self._rng("fevers")
        chosen: dict[str, Fever] = {}
        while len(chosen) < FEVERS:
            home = rng.choice(self.world.households)
            charge = self.world.by_post[home.charges["main"]]
            # Somebody must be there to answer for a silent one.
            if charge.holder and self.superior_of(charge).holder and charge.post not in chosen:
                is_silent = len(chosen) == FEVERS - 1
                chosen[charge.post] = Fever(home, home.members[0], charge, is_silent)
        return tuple(chosen.values())

    def first(self) -> Iterable[Call]:
        """Yield the first sweep: each charge post at its own, and here and there a second visitor."""
        for home in self.world.households:
            rng = self._rng(home.household)
            call = self._first_call(home, rng)
            if call is not None:
                yield call
                if rng.random() < SECOND_VISITOR and home.household not in self.unreached:
                    yield self._second_visitor(home, rng)

    def again(self, home: PutHousehold) -> Call | None:
        """Return the second sweep's visit to a household that is still open; None where nobody knocks."""
        rng = self._rng(f"again/{home.household}")
        visitor, way = self._visitor(home, rng)
        if home.household in self.unreached:
            return (
                None if home.household == min(self.unreached) else Call(home, "nobody-home", (), visitor, way)
            )
        return Call(home, "screened", _all_seen(home.members, rng), visitor, way)

    def missed(self, home: PutHousehold, persons: Sequence[str]) -> Call:
        """Return the second sweep's visit to the members that the first one missed."""
        rng = self._rng(f"missed/{home.household}")
        visitor, way = self._visitor(home, rng)
        return Call(home, "screened", _all_seen(persons, rng), visitor, way)

    def moved_in(self, home: PutHousehold) -> Call:
        """Return the visit to the household that came after the round had opened."""
        return self.missed(home, home.members)

    def too_late(self) -> Call:
        """Return the visit to the door at which nobody knocked in time."""
        home = next(home for home in self.world.households if home.household == min(self.unreached))
        chief = self.chief_of(home)
        return Call(home, "screened", _all_seen(home.members, self._rng("too-late")), chief, "single")

    def superior_of(self, charge: Seat) -> Seat:
        """Return the head of the building or lane in which a charge post stands."""
        above = parse(charge.unit).parent()
        place = above.text if above else ""
        return next(seat for seat in self.world.seats if seat.unit == place)

    def chief_of(self, home: PutHousehold) -> Seat:
        """Return the head of a household's grid, who enters what others brought on paper."""
        return self.world.by_post[f"{grid_of(home.unit)}/cw5:grid-chief"]

    def _first_call(self, home: PutHousehold, rng: Random) -> Call | None:
        visitor, way = self._visitor(home, rng)
        twice = rng.random() < TWICE
        found = _drawn(_FOUND, rng)
        fever = next((each for each in self.fevers if each.home.household == home.household), None)
        if fever is not None:
            hot = PersonSeen(person=fever.person, temperature=FEVER_CELSIUS, answers={"symptoms": True})
            seen = (hot, *_all_seen(home.members[1:], rng))
            return Call(home, "screened", seen, visitor, way, twice)
        if home.household in self.unreached:
            return (
                None if home.household == min(self.unreached) else Call(home, "nobody-home", (), visitor, way)
            )
        if found is None:
            return None
        seen = _seen(home.members, rng) if found == "screened" else ()
        return Call(home, found, seen, visitor, way, twice)

    def _second_visitor(self, home: PutHousehold, rng: Random) -> Call:
        found: Found = rng.choice(("screened", "nobody-home"))
        seen = _all_seen(home.members, rng) if found == "screened" else ()
        return Call(home, found, seen, self.chief_of(home), rng.choice(("single", "topic")))

    def _visitor(self, home: PutHousehold, rng: Random) -> tuple[Seat, Way]:
        """Return who visits and how it is handed over: the charge post, or the chief from its paper sheet."""
        charge, way = self.world.by_post[home.charges["main"]], _drawn(_WAYS, rng)
        if way == "bulk" or charge.holder is None:
            return self.chief_of(home), "bulk"
        return charge, way

    def _rng(self, name: str) -> Random:
        return Random(f"{self.seed}/round/{name}")  # noqa: S311 - made-up people, repeatable by the seed


def newcomer(world: World, seed: int) -> PutHousehold:
    """Return the household that moves in after the round has opened, next door to another one."""
    rng = Random(f"{seed}/round/newcomer")  # noqa: S311 - as above
    members = (opaque(rng, "p"), opaque(rng, "p"))
    moved_in = {"household": opaque(rng, "h"), "members": members}
    return rng.choice(world.households).model_copy(update=moved_in)


def _seen(members: Sequence[str], rng: Random) -> tuple[PersonSeen, ...]:
    """Return the members as they are seen: in some households one is named but was neither asked nor met."""
    seen = _all_seen(members, rng)
    if len(members) > 1 and rng.random() < ONE_MISSED:
        missed = rng.randrange(len(members))
        # Some stand on the sheet with nothing behind the name, which covers nobody.
        named = rng.choice(((), (PersonSeen(person=members[missed]),)))
        return (*seen[:missed], *named, *seen[missed + 1 :])
    return seen


def _all_seen(members: Sequence[str], rng: Random) -> tuple[PersonSeen, ...]:
    return tuple(_well(person, rng) for person in members)


def _well(person: str, rng: Random) -> PersonSeen:
    """Return a healthy member: measured and asked, or only asked; a "no" is said."""
    celsius = round(rng.uniform(35.9, 37.0), 1) if rng.random() < MEASURED else None
    return PersonSeen(person=person, temperature=celsius, answers={"symptoms": False, "contact": False})


def _drawn(lots: Sequence[tuple[T, float]], rng: Random) -> T:
    shares = [share for _, share in lots]
    return rng.choices(lots, shares)[0][0]
