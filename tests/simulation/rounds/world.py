"""A small seeded street: its households, how they change, and every fact registry says of it with its time.

Each community's charges record is republished with every change, so it always counts what its household
facts say; but both travel on their own, so copies disagree for a while, and now and then for ever.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from services.screening.domain.fever import Fever
from shared.contracts.base import Model
from shared.contracts.registry import Charges, ChildDesk, HouseholdFact, Roster, Seat, Superior
from shared.domain.dated import Dated

STREET = "610102001"
ON = date(2026, 1, 1)
TODAY = date(2026, 1, 1)
SOURCE = "screening"
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
FEVER = 37.3
FEVERS = Dated([(BEGAN, Fever(celsius=FEVER))])


@dataclass(frozen=True, slots=True)
class Said:
    """One fact of registry's, and how many seconds after the beginning it is appended."""

    after: float
    fact: Model


@dataclass(slots=True)
class World:
    """What registry has said or will say; `households` are all versions of each, oldest first."""

    communities: tuple[str, ...]
    rosters: dict[str, list[Roster]] = field(default_factory=dict)
    households: dict[str, list[HouseholdFact]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    said: list[Said] = field(default_factory=list)

    def scopes(self) -> list[str]:
        """Return where a round may be opened, the street more often than the rest."""
        grids = [f"{desk}00{number}" for desk in self.communities for number in (1, 2)]
        return [STREET, STREET, STREET, *self.communities, *grids[:2], f"{self.communities[0]}001.b1"]

    def issuer(self, scope: str) -> Seat:
        """Return the seat that opens a round there: the street's, or the community's own."""
        desk = STREET if scope == STREET else scope[:12]
        return self.rosters[desk][0].seats[0]


def build(rng: random.Random) -> World:
    """Make a street of two or three communities with a few households each, and its history."""
    desks = tuple(f"{STREET}{number + 1:03}" for number in range(rng.choice((2, 2, 3))))
    world = World(desks)
    late = rng.random() < 0.3
    for desk in desks:
        if rng.random() < 0.06:
            world.silent.add(desk)
        for number in range(rng.choice((0, 2, 3, 4, 5))):
            household = f"household-{desk[-3:]}-{number}"
            _change(rng, world, _moved_in(rng, household, desk), rng.uniform(0, 60 if late else 3))
        _count(rng, world, desk, rng.uniform(0, 60 if late else 3))
    for number in range(rng.choice((0, 1, 2, 4, 6))):
        _later_change(rng, world, number)
    _appoint(rng, world)
    return world


def _moved_in(rng: random.Random, household: str, desk: str) -> HouseholdFact:
    grid = f"{desk}00{rng.choice((1, 1, 2))}"
    unit, within, care_unit = f"{grid}.b{rng.choice((1, 2))}", (), None
    if rng.random() < 0.12:  # nobody cares for this one by a grid
        unit = desk
    else:
        within, care_unit = (grid, unit), grid
    people = tuple(f"{household}-p{number}" for number in range(rng.choice((0, 1, 1, 2, 3))))
    charges = {"main": f"{unit}/cw5:building-head"} if rng.random() < 0.8 else {}
    return HouseholdFact(
        household=household, v=1, desk=desk, unit=unit, within=within, care_unit=care_unit,
        members=people, charges=charges,
    )  # fmt: skip


def _later_change(rng: random.Random, world: World, number: int) -> None:
    """Let somebody move in, move away within the street, be born or lose their charge post."""
    after, known = rng.uniform(5, 200), list(world.households.values())
    desk = rng.choice(world.communities)
    if not known or rng.random() < 0.35:
        _change(rng, world, _moved_in(rng, f"household-new-{number}", desk), after)
        _count(rng, world, desk, after)
        return
    old = rng.choice(known)[-1]
    new = _moved_in(rng, old.household, desk if rng.random() < 0.5 else old.desk)
    _change(rng, world, new.model_copy(update={"v": old.v + 1}), after)
    for touched in {old.desk: 1, new.desk: 1}:
        _count(rng, world, touched, after)


def _change(rng: random.Random, world: World, fact: HouseholdFact, after: float) -> None:
    world.households.setdefault(fact.household, []).append(fact)
    _say(rng, world, fact, after)


def _count(rng: random.Random, world: World, desk: str, after: float) -> None:
    """Say how many households a desk has by now; a silent desk's record never comes."""
    here = [versions[-1] for versions in world.households.values() if versions[-1].desk == desk]
    world.counted[desk] = v = world.counted.get(desk, 0) + 1
    charges = Charges(
        desk=desk,
        v=v,
        households=len(here),
        members=sum(len(fact.members) for fact in here),
        uncharged=sum("main" not in fact.charges for fact in here),
    )
    if desk not in world.silent:
        _say(rng, world, charges, after)


def _say(rng: random.Random, world: World, fact: Model, after: float) -> None:
    world.said.append(Said(after + rng.choice((0, 0, 0, 2, 30)) * rng.random(), fact))
    if rng.random() < 0.1:  # said again by a successor
        world.said.append(Said(after + rng.uniform(0, 60), fact))


def _appoint(rng: random.Random, world: World) -> None:
    duty = Seat(
        post=f"{STREET}/cw5:duty-desk", level="cw5:0", verb="relays", done_at="relayed",
        holder="person-street", unit=STREET,
    )  # fmt: skip
    children = tuple(ChildDesk(desk=desk, commander=duty.post, posts=3) for desk in world.communities)
    street = Roster(desk=STREET, v=1, on=ON, path=("6101", "610102"), seats=(duty,), children=children)
    world.rosters[STREET] = [street]
    if rng.random() < 0.15:  # the street learns of its last community later
        world.rosters[STREET] = [
            street.model_copy(update={"children": children[:-1]}),
            street.model_copy(update={"v": 2}),
        ]
    for desk in world.communities:
        world.rosters[desk] = [_community(desk, duty.post)]
    for versions in world.rosters.values():
        after = rng.choice((0.0, 0.0, 0.0, 0.0, 60.0)) * rng.random()
        for number, roster in enumerate(versions):
            _say(rng, world, roster, after + number * rng.uniform(5, 60))


def _community(desk: str, above: str) -> Roster:
    chief = Seat(
        post=f"{desk}/cw5:area-chief", level="cw5:1", verb="commands", done_at="relayed",
        superior=Superior(desk=STREET, post=above), holder=f"person-{desk[-3:]}", unit=desk,
    )  # fmt: skip
    seats = [chief]
    for grid in (f"{desk}001", f"{desk}002"):
        seats += [
            Seat(
                post=f"{unit}/cw5:building-head", level="cw5:4", verb="takes-charge", done_at="executed",
                superior=Superior(desk=desk, post=chief.post), unit=unit, within=(grid, unit),
                holder=f"person-{unit.replace('.', '-')}",
            )
            for unit in (f"{grid}.b1", f"{grid}.b2")
        ]  # fmt: skip
    return Roster(desk=desk, v=1, on=ON, path=("6101", "610102", STREET), seats=tuple(seats))
