"""A small seeded city: desks, rosters with gaps and shortcuts, and what a person could work out from them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from services.dispatch.domain.deadlines import DefaultDeadlines
from shared.contracts.directives import Deadlines
from shared.contracts.registry import ChildDesk, DoneAt, Roster, Seat, Superior, Verb
from shared.domain.dated import Dated

CITY = "6101"
ON = date(2026, 1, 1)
DEFAULT_DONE: dict[Verb, DoneAt] = {"takes-charge": "executed", "none": "read"}
VERTICAL: tuple[tuple[str, Verb], ...] = (("duty-desk", "relays"), ("deputy", "leads"))
CHAIN: tuple[tuple[str, Verb], ...] = (
    ("area-chief", "commands"), ("community-chief", "leads"), ("grid-chief", "accountable"),
    ("building-head", "takes-charge"), ("grid-member", "none"),
)  # fmt: skip
SOON = DefaultDeadlines(done=60, step=30, alert=Deadlines(done=60, step=30))
DEADLINES = Dated([(datetime(2020, 1, 1, tzinfo=UTC), SOON)])


@dataclass(slots=True)
class World:
    """Every roster version that was or will be published, by desk; `late` ones come after the orders."""

    rosters: dict[str, list[Roster]] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)

    def seat(self, desk: str, post: str) -> Seat | None:
        """Return a post's seat as last published."""
        found = [seat for roster in self.rosters[desk] for seat in roster.seats if seat.post == post]
        return found[-1] if found else None

    def below(self, desk: str) -> list[str]:
        """Return a desk and every desk that was ever below it."""
        found = [desk]
        for parent in found:
            found += [child for child, above in self.parent.items() if above == parent]
        return found

    def line(self, issuer_desk: str, desk: str) -> set[str]:
        """Return who commands the way from the issuing desk down to a desk, with those above them there."""
        posts: set[str] = set()
        while desk != issuer_desk and desk in self.parent:
            above = self.parent[desk]
            for roster in self.rosters[above]:
                for child in roster.children:
                    if child.desk == desk and child.commander:
                        posts |= {child.commander, *self.superiors(above, child.commander)}
            desk = above
        return posts

    def superiors(self, desk: str, post: str) -> list[str]:
        """Return the posts above one at its own desk, nearest first."""
        chain: list[str] = []
        seat = self.seat(desk, post)
        while seat and seat.superior and seat.superior.desk == desk and seat.superior.post not in chain:
            chain.append(seat.superior.post)
            seat = self.seat(desk, seat.superior.post)
        return chain


def build(rng: random.Random) -> World:
    """Make a world of 5 to 10 desks: city → county → street → 2 to 4 communities."""
    world = World()
    people = (f"person-{number}" for number in range(1000))
    odd = rng.random() < 0.3
    desks = list(_desks(rng))
    for desk, parent in desks:
        if parent:
            world.parent[desk] = parent
    rosters: dict[str, Roster] = {}
    for desk, parent in desks:
        seats = list(_seats(rng, desk, parent, people, rosters, odd=odd))
        path = (*rosters[parent].path, parent) if parent else ()
        rosters[desk] = Roster(desk=desk, v=1, on=ON, path=path, seats=tuple(seats))
    for desk, _ in reversed(desks):
        children = [child for child, parent in desks if parent == desk]
        rosters[desk] = rosters[desk].model_copy(
            update={"children": tuple(_child(rng, rosters[desk], rosters[child]) for child in children)}
        )
    world.rosters = {desk: [roster] for desk, roster in rosters.items()}
    for desk, parent in desks:
        if parent and rng.random() < 0.15:
            world.late.add(desk)
    _later_versions(rng, world)
    return world


def _desks(rng: random.Random) -> Iterator[tuple[str, str]]:
    yield CITY, ""
    for county in range(rng.choice((1, 1, 2))):
        code = f"{CITY}{county + 2:02}"
        yield code, CITY
        street = f"{code}001"
        yield street, code
        for community in range(rng.randint(2, 4) if county == 0 else 1):
            yield f"{street}{community + 1:03}", street


def _seats(
    rng: random.Random,
    desk: str,
    parent: str,
    people: Iterator[str],
    rosters: dict[str, Roster],
    *,
    odd: bool,
) -> Iterator[Seat]:
    """Yield a desk's chain from the top; now and then a vacancy, one person twice, or a skipped desk."""
    community = len(desk) == 12
    chain = CHAIN if community else VERTICAL
    above: Superior | None = None
    if parent:
        skipping = rosters[parent].path and rng.random() < 0.15
        superior = rosters[rosters[parent].path[-1] if skipping else parent]
        above = Superior(desk=superior.desk, post=superior.seats[0].post)
    before: str | None = None
    for level, (type_, verb) in enumerate(chain):
        last = above
        for number in range(1 if level < 3 else rng.randint(1, 2)):
            if level and rng.random() < 0.12:
                continue
            unit = _unit(desk, level) if community else desk
            post = f"{unit}/cw5:{type_}" + (f"/{number + 1}" if number else "")
            holder = None if rng.random() < 0.15 else next(people)
            if holder and before and rng.random() < 0.1:
                holder = before
            # In some worlds a post that only has to read commands others: it must not hold them up.
            done_at: DoneAt = "read" if odd and rng.random() < 0.15 else DEFAULT_DONE.get(verb, "relayed")
            yield Seat(
                post=post, level=f"cw5:{level + 1}", verb=verb, done_at=done_at, superior=above,
                holder=holder, unit=unit, within=_within(desk, unit),
            )  # fmt: skip
            before = holder
            # Whoever comes fourth or fifth works side by side below the third.
            last = Superior(desk=desk, post=post) if level < 2 or odd else last
        above = last


def _unit(desk: str, level: int) -> str:
    return (desk, desk, f"{desk}001", f"{desk}001.b1", f"{desk}001")[level]


def _within(desk: str, unit: str) -> tuple[str, ...]:
    if unit == desk:
        return ()
    grid = unit.partition(".")[0]
    return (grid,) if grid == unit else (grid, unit)


def _child(rng: random.Random, parent: Roster, child: Roster) -> ChildDesk:
    commander = rng.choice(parent.seats).post if rng.random() < 0.85 else None
    return ChildDesk(desk=child.desk, commander=commander, posts=len(child.seats))


def _later_versions(rng: random.Random, world: World) -> None:
    """Let rosters change under way: desks split off or join, posts come and go and change hands."""
    for versions in world.rosters.values():
        roster = versions[0]
        if roster.children and rng.random() < 0.25:
            fewer = roster.model_copy(update={"children": roster.children[:-1]})
            order = (fewer, roster) if rng.random() < 0.6 else (roster, fewer)
            versions[:] = [order[0], order[1].model_copy(update={"v": 2})]
        elif rng.random() < 0.3:
            later = _changed(rng, roster)
            versions.append(roster.model_copy(update={"v": 2, "seats": tuple(later)}))
            if rng.random() < 0.3:
                versions.append(roster.model_copy(update={"v": 3}))


def _changed(rng: random.Random, roster: Roster) -> list[Seat]:
    """Return a desk's seats with one of them vacated, filled, given up, set up anew or in other hands."""
    seats = list(roster.seats)
    at = rng.randrange(len(seats))
    match rng.choice(("vacated", "filled", "given up", "set up", "other hands")):
        case "vacated":
            seats[at] = seats[at].model_copy(update={"holder": None})
        case "filled":
            seats = [seat.model_copy(update={"holder": seat.holder or "person-new"}) for seat in seats]
        case "given up" if at:
            del seats[at]
        case "set up":
            above = Superior(desk=roster.desk, post=seats[at].post)
            added = {"post": f"{roster.desk}/cw5:helper", "superior": above, "holder": "person-helper"}
            seats.append(seats[at].model_copy(update=added))
        case _:
            seats[at] = seats[at].model_copy(update={"holder": "person-other"})
    return seats
