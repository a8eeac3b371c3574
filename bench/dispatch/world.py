"""The city that is measured: counties, streets and community desks of 73 posts, on synthetic codes.

Every answer is known before the order is given, so the truth at every unit is a plain sum over posts that
no message ever touches.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final, TypeVar

from shared.contracts import dispatch as contract
from shared.contracts.directives import Deadlines, DirectiveCommand, IssueDirective
from shared.contracts.dispatch import Answer
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import ROSTER, ROSTERS_TOPIC, ChildDesk, DoneAt, Roster, Seat, Superior, Verb
from shared.kernel.ids import derived_id

CITY: Final = "6108"
ISSUER: Final = f"{CITY}/city-vertical:duty-desk"
ISSUER_HOLDER: Final = "duty-6108"
POSTS_A_DESK: Final = 73
GRIDS_A_DESK: Final = 9
DESKS_A_STREET: Final = 7
STREETS_A_COUNTY: Final = 10
# A large city as the sources describe it: its numbers of desks follow from no rule.
LARGE_CITY_POSTS: Final = 320_000
LARGE_CITY_DESKS: Final = {"communities": 4_357, "streets": 261, "counties": 23}
DUPLICATED: Final = 0.05
SOURCE: Final = "/bench"
ON: Final = date(2026, 1, 1)
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The rosters from the city down; every desk but the city lies under exactly one other."""

    rosters: tuple[Roster, ...]

    @cached_property
    def addressees(self) -> dict[str, str]:
        """Return the desk of every post that is addressed: all but the issuer's."""
        return {
            seat.post: roster.desk for roster in self.rosters for seat in roster.seats if seat.post != ISSUER
        }

    @cached_property
    def truth(self) -> dict[str, Counter[str]]:
        """Return how many posts of each level every unit has, all below it included."""
        truth: dict[str, Counter[str]] = {roster.desk: Counter() for roster in self.rosters}
        for roster in self.rosters:
            own = Counter(seat.level for seat in roster.seats if seat.post != ISSUER)
            for desk in (*roster.path, roster.desk):
                truth[desk] += own
        return truth

    def facts(self) -> list[Message]:
        """Return the roster facts as registry would publish them."""
        return [
            message(
                ROSTERS_TOPIC,
                ROSTER,
                roster.desk,
                roster,
                Context(id=derived_id("bench", roster.desk), source=SOURCE, at=AT),
            )
            for roster in self.rosters
        ]

    def order(self, directive: str) -> Message:
        """Return the city's straight-through order; nothing becomes overdue while it is measured."""
        issue = IssueDirective(
            directive=directive,
            issuer=ISSUER,
            text="Check every household and report.",
            scope=CITY,
            mode="straight-through",
            deadlines=Deadlines(done=86_400, step=86_400),
        )
        key = f"{CITY}/{directive}"
        context = Context(id=directive, source=SOURCE, at=AT, actor=ISSUER_HOLDER)
        body = DirectiveCommand(command=issue)
        return message(contract.COMMANDS_TOPIC, contract.COMMAND, key, body, context)

    def answers(self, directive: str, seed: int) -> list[Message]:
        """Return one answer a post in random order, some of them twice."""
        chance = random.Random(seed)
        posts = list(self.addressees)
        order = posts + chance.sample(posts, int(len(posts) * DUPLICATED))
        chance.shuffle(order)
        return [self._answer(directive, post, self.addressees[post]) for post in order]

    def _answer(self, directive: str, post: str, desk: str) -> Message:
        answer = Answer(
            directive=directive, version=1, epoch=0, desk=desk, addressee=post, state="executed", at=AT
        )
        context = Context(id=derived_id("answer", directive, post), source=SOURCE, at=AT, actor="gateway")
        return message(contract.ACKS_TOPIC, contract.ANSWER, desk, answer, context)


def build(posts: int, city: str = CITY) -> World:
    """Return a city whose communities have exactly this many posts; duty desks come on top."""
    counties = sizes(posts)
    below = []
    for number, county in enumerate(counties, 1):
        below.append(list(_county(city, f"{city}{number:02}", county)))
    top = _upper(city, (), [rosters[0] for rosters in below])
    return World((top, *(roster for rosters in below for roster in rosters)))


def sizes(posts: int) -> list[list[list[int]]]:
    """Return how many posts every community has, by county and street."""
    return _large_city() if posts == LARGE_CITY_POSTS else _by_rule(posts)


def _by_rule(posts: int) -> list[list[list[int]]]:
    """Return full communities, streets and counties, the last of each smaller."""
    communities = [min(POSTS_A_DESK, posts - first) for first in range(0, posts, POSTS_A_DESK)]
    streets = [communities[at : at + DESKS_A_STREET] for at in range(0, len(communities), DESKS_A_STREET)]
    return [streets[at : at + STREETS_A_COUNTY] for at in range(0, len(streets), STREETS_A_COUNTY)]


def _large_city() -> list[list[list[int]]]:
    """Return the desks of a large city, as even as their numbers allow."""
    communities = [len(share) for share in _shared(range(LARGE_CITY_POSTS), LARGE_CITY_DESKS["communities"])]
    return _shared(_shared(communities, LARGE_CITY_DESKS["streets"]), LARGE_CITY_DESKS["counties"])


def _shared(items: Sequence[T], among: int) -> list[list[T]]:
    """Return the items cut into so many runs, none longer than another by more than one."""
    least, more = divmod(len(items), among)
    ends = accumulate((least + (number < more) for number in range(among)), initial=0)
    return [list(items[start:end]) for start, end in pairwise(ends)]


def _county(city: str, code: str, streets: list[list[int]]) -> Iterator[Roster]:
    below = []
    for number, sizes in enumerate(streets, 1):
        street = f"{code}{number:03}"
        path = (city, code, street)
        desks = [_community(f"{street}{at:03}", path, size) for at, size in enumerate(sizes, 1)]
        below.append([_upper(street, path[:-1], desks), *desks])
    yield _upper(code, (city,), [rosters[0] for rosters in below])
    for rosters in below:
        yield from rosters


def _upper(code: str, path: tuple[str, ...], below: list[Roster]) -> Roster:
    """Return a desk of one duty post that commands the desks below it."""
    post = f"{code}/city-vertical:duty-desk"
    superior = Superior(desk=path[-1], post=f"{path[-1]}/city-vertical:duty-desk") if path else None
    seat = Seat(
        post=post,
        level=f"city-vertical:{len(path)}",
        verb="commands",
        done_at="relayed",
        superior=superior,
        holder=f"duty-{code}",
        unit=code,
    )
    children = tuple(ChildDesk(desk=child.desk, commander=post, posts=child.posts) for child in below)
    return Roster(desk=code, v=1, on=ON, path=path, seats=(seat,), children=children)


def _community(code: str, path: tuple[str, ...], size: int) -> Roster:
    """Return a chief, up to nine grid chiefs, and the heads of buildings under them."""
    street = path[-1]
    chief = f"{code}/cw5:area-chief"
    seats = [
        _seat(chief, 1, code, "relayed", Superior(desk=street, post=f"{street}/city-vertical:duty-desk"))
    ]
    for grid in range(1, min(GRIDS_A_DESK, size - 1) + 1):
        unit = f"{code}{grid:03}"
        seats.append(
            _seat(f"{unit}/cw5:grid-chief", 3, unit, "relayed", Superior(desk=code, post=chief), unit)
        )
    for number in range(size - len(seats)):
        grid_unit = f"{code}{number % GRIDS_A_DESK + 1:03}"
        building = f"{grid_unit}.b{number + 1}"
        superior = Superior(desk=code, post=f"{grid_unit}/cw5:grid-chief")
        post = f"{building}/cw5:building-head"
        seats.append(_seat(post, 4, building, "executed", superior, grid_unit, building))
    return Roster(desk=code, v=1, on=ON, path=path, seats=tuple(seats))


def _seat(post: str, level: int, unit: str, done_at: DoneAt, superior: Superior, *within: str) -> Seat:
    holder = "h" + post.partition("/")[0].replace(".", "-")
    verb: Verb = "takes-charge" if done_at == "executed" else "accountable"
    return Seat(
        post=post,
        level=f"cw5:{level}",
        verb=verb,
        done_at=done_at,
        superior=superior,
        holder=holder,
        unit=unit,
        within=within,
    )
