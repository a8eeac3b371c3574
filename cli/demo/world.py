"""The seeded street: who holds which post, who lives where, and which posts nobody holds. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from random import Random

from cli.demo.places import Geography, Place, places
from cli.demo.residents import opaque, settle
from cli.demo.shape import STREET, Shape, scaled
from shared.contracts.dispatch import AnsweredState
from shared.contracts.registry import Affiliation, PutHousehold
from shared.kernel.codes import desk_of

CITY = "6108"
STREET_OFFICE = "610802006"
LEVELS = {
    "cw5:area-chief": "cw5:1",
    "cw5:community-chief": "cw5:2",
    "cw5:grid-chief": "cw5:3",
    "cw5:grid-member": "cw5:3",
    "cw5:building-head": "cw5:4",
    "cw5:lane-head": "cw5:4",
    "cw5:floor-head": "cw5:5",
    "cw5:courtyard-head": "cw5:5",
}
"""What the source says of the types, beside the scheme file that the services read (S0-06, S0-12)."""

DONE_BY: Mapping[str, AnsweredState] = {
    "cw5:grid-member": "read",
    "cw5:floor-head": "executed",
    "cw5:courtyard-head": "executed",
}
VACANT = {
    "cw5:grid-member": 1,
    "cw5:building-head": 1,
    "cw5:lane-head": 1,
    "cw5:floor-head": 1,
    "cw5:courtyard-head": 2,
}
_WHO: Sequence[tuple[Affiliation, int]] = (
    ("party-member", 40), ("self-governance-body", 30), ("staff", 12), ("volunteer", 18),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seat:
    """One post as the demonstration knows it, whatever the services make of it."""

    post: str
    type: str
    unit: str
    desk: str
    level: str
    holder: str | None
    affiliation: Affiliation = "staff"

    @property
    def done_by(self) -> AnsweredState:
        """The state in which this post has done its part."""
        return DONE_BY.get(self.type, "relayed")

    @property
    def takes_charge(self) -> bool:
        """Whether households have this post as their main charge (S0-07, S0-08)."""
        return self.done_by == "executed"


@dataclass(frozen=True)
class World:
    """Everything the demonstration begins with, in an order in which it can be told."""

    since: date
    shape: Shape
    above: tuple[Place, ...]
    places: tuple[Place, ...]
    seats: tuple[Seat, ...]
    households: tuple[PutHousehold, ...] = field(repr=False)

    @cached_property
    def by_post(self) -> dict[str, Seat]:
        return {seat.post: seat for seat in self.seats}

    @cached_property
    def vacant(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.holder is None)

    @cached_property
    def desks(self) -> tuple[str, ...]:
        """Every desk, the province first."""
        return tuple(dict.fromkeys(seat.desk for seat in self.seats))

    @cached_property
    def seats_by_desk(self) -> dict[str, int]:
        return dict(Counter(seat.desk for seat in self.seats))

    @cached_property
    def below(self) -> dict[str, tuple[str, ...]]:
        """Each desk with every desk under it: the demonstration's codes nest, so the text says it."""
        return {desk: tuple(each for each in self.desks if each.startswith(desk)) for desk in self.desks}

    @cached_property
    def communities(self) -> dict[str, str]:
        """The communities by code, with their names as people say them."""
        here = [place for place in self.places if place.code in self.seats_by_desk]
        return {place.code: place.name.removesuffix("居委会") for place in here}

    @property
    def is_whole(self) -> bool:
        """Whether this is the source's street, to the last post."""
        return self.shape == STREET


def street(seed: int, geography: Geography, posts: int = STREET.posts) -> World:
    """Make the street of source 000 under its real names; the same seed makes the same street."""
    rng = Random(seed)  # noqa: S311 - a made-up street, repeatable by its seed
    shape = scaled(posts)
    last_tier = tuple(places(shape, geography.communities, rng))
    seats = _leave_vacant(_unite(_held(last_tier, rng)), rng)
    duty_desks = tuple(_held(geography.above, rng, affiliation="staff"))
    households = settle(
        [(seat.unit, seat.post, seat.type) for seat in seats if seat.takes_charge],
        residents=shape.residents,
        since=geography.since,
        rng=rng,
    )
    return World(geography.since, shape, geography.above, last_tier, (*duty_desks, *seats), tuple(households))


def _held(places: Sequence[Place], rng: Random, affiliation: Affiliation | None = None) -> Iterator[Seat]:
    kinds, weights = zip(*_WHO, strict=True)
    for place in places:
        for type_ in place.types:
            desk = desk_of(place.code)
            yield Seat(
                post=f"{place.code}/{type_}",
                type=type_,
                unit=place.code,
                desk=desk,
                level=LEVELS.get(type_) or f"city-vertical:{_tier(place.code)}",
                holder=opaque(rng, "p"),
                affiliation=affiliation or rng.choices(kinds, weights)[0],
            )


def _tier(code: str) -> int:
    return (2, 4, 6, 9).index(len(code)) + 1


def _unite(seats: Iterator[Seat]) -> list[Seat]:
    """Let the first community's two chiefs be one person: secretary and director at once (S3-24)."""
    listed = list(seats)
    return [listed[0], replace(listed[1], holder=listed[0].holder), *listed[2:]]


def _leave_vacant(seats: Sequence[Seat], rng: Random) -> tuple[Seat, ...]:
    empty: set[str] = set()
    for type_, number in VACANT.items():
        empty.update(rng.sample([seat.post for seat in seats if seat.type == type_], number))
    return tuple(replace(seat, holder=None) if seat.post in empty else seat for seat in seats)
