"""The audience of a sheet: the roster as it was when the order arrived. Frozen once, never changed."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from services.dispatch.domain.states import State, done_state
from shared.contracts.directives import Dimension, Order
from shared.contracts.dispatch import LinePost, SheetFrozen
from shared.contracts.registry import ChildDesk, Roster, Seat, Superior
from shared.domain.authority import top_of

NOBODY: Final = -1
K = TypeVar("K", int, str)


@dataclass(frozen=True)
class Frozen:
    """The seats addressed at one desk by position, and the child desks the order goes on to.

    `holders[p]` is None where nobody holds the seat; `above[p]` is the position of p's superior at this desk,
    or `NOBODY`: then `superiors[p]` names who is above it all the same, if anybody. What counting answers
    does not need is in `seats` alone, which are unpacked when they are asked for.
    """

    desk: str
    version: int
    roster_v: int
    children: tuple[ChildDesk, ...]
    cancels: bool
    dimensions: tuple[Dimension, ...]
    posts: Sequence[str]
    holders: Sequence[str | None]
    cells: Sequence[str]
    done_at: Sequence[int]
    above: Sequence[int]
    superiors: Mapping[int, Superior]
    unpack: Callable[[], tuple[Seat, ...]] = field(compare=False)

    @cached_property
    def seats(self) -> tuple[Seat, ...]:
        """All that the roster said of those addressed."""
        return self.unpack()

    @cached_property
    def index(self) -> dict[str, int]:
        """The position of each post."""
        return {post: position for position, post in enumerate(self.posts)}

    @cached_property
    def reports(self) -> dict[int, tuple[int, ...]]:
        """By position, whose *nearest live* superior it is here; under `NOBODY`, who waits for none."""
        return _grouped(enumerate(map(self._nearest_live, self.above)))

    @cached_property
    def commanded(self) -> dict[int, tuple[str, ...]]:
        """By position, the child desks it commands as their nearest live post; under `NOBODY`, the others."""
        commanders = ((child.desk, self.index.get(child.commander or "", NOBODY)) for child in self.children)
        return _grouped((desk, self._nearest_live(position)) for desk, position in commanders)

    @property
    def at_once(self) -> tuple[int, ...]:
        """The positions that wait for nobody here."""
        return self.reports.get(NOBODY, ())

    @property
    def desks_at_once(self) -> tuple[str, ...]:
        """The child desks that wait for nobody here."""
        return self.commanded.get(NOBODY, ())

    def live(self, position: int) -> bool:
        """Return whether somebody holds the seat."""
        return self.holders[position] is not None

    def _nearest_live(self, position: int) -> int:
        """Return the first held seat from a position upward; a chain that closes on itself ends."""
        seen: set[int] = set()
        while position != NOBODY and not self.live(position) and position not in seen:
            seen.add(position)
            position = self.above[position]
        return NOBODY if position in seen else position

    def climb(self, position: int) -> list[int]:
        """Return the positions above one, nearest first, as far as they are at this desk."""
        chain: list[int] = []
        while (position := self.above[position]) != NOBODY and position not in chain:
            chain.append(position)
        return chain

    def leaves_by(self, position: int) -> Superior | None:
        """Return the superior at another desk that the chain above a position leads to."""
        top = (self.climb(position) or [position])[-1]
        return self.superiors.get(top)

    def line_post(self, position: int) -> LinePost:
        """Return a post as one of those above somebody."""
        return LinePost(desk=self.desk, post=self.posts[position], holder=self.holders[position])

    def fact(self, directive: str) -> SheetFrozen:
        """Return what is published of it."""
        return SheetFrozen(
            directive=directive,
            version=self.version,
            desk=self.desk,
            roster_v=self.roster_v,
            seats=self.seats,
            children=self.children,
        )


def freeze(order: Order, roster: Roster, earlier: Frozen | None = None) -> Frozen:
    """Choose who is addressed at this desk. A newer version also addresses everybody an earlier one did.

    Of those, whoever has a seat today is addressed by it: the post may have changed hands.
    """
    seats = {seat.post: seat for seat in _addressed(order, roster)}
    children = {child.desk: child for child in _owed(order, roster)}
    if earlier is not None:
        today = {seat.post: seat for seat in roster.seats}
        seats |= {seat.post: today.get(seat.post, seat) for seat in earlier.seats}
        children = {child.desk: child for child in earlier.children} | children
    return build(
        desk=roster.desk,
        version=order.version,
        roster_v=roster.v,
        seats=list(seats.values()),
        children=list(children.values()),
        cancels=order.effect == "cancel",
        dimensions=order.dimensions,
    )


def refreeze(order: Order, earlier: Frozen) -> Frozen:
    """Keep an earlier version's audience for a newer one, where no roster is there to freeze from."""
    return build(
        desk=earlier.desk,
        version=order.version,
        roster_v=earlier.roster_v,
        seats=earlier.seats,
        children=earlier.children,
        cancels=order.effect == "cancel",
        dimensions=order.dimensions,
    )


def build(
    *,
    desk: str,
    version: int,
    roster_v: int,
    seats: Sequence[Seat],
    children: Sequence[ChildDesk],
    cancels: bool,
    dimensions: tuple[Dimension, ...],
) -> Frozen:
    """Lay seats out by position."""
    frozen, index = tuple(seats), {seat.post: position for position, seat in enumerate(seats)}
    above = [
        index.get(seat.superior.post, NOBODY) if seat.superior and seat.superior.desk == desk else NOBODY
        for seat in seats
    ]
    return Frozen(
        desk=desk,
        version=version,
        roster_v=roster_v,
        children=tuple(children),
        cancels=cancels,
        dimensions=dimensions,
        posts=tuple(index),
        holders=tuple(seat.holder for seat in seats),
        cells=tuple(_cell(dimensions, seat) for seat in seats),
        # Whoever is told that an order is withdrawn needs only to know it.
        done_at=bytes(State.READ if cancels else done_state(seat.done_at) for seat in seats),
        above=array("i", above),
        superiors={
            position: seat.superior
            for position, seat in enumerate(seats)
            if above[position] == NOBODY and seat.superior is not None
        },
        unpack=lambda: frozen,
    )


def inside(order: Order, roster: Roster) -> bool:
    """Return whether the desk lies in the order's scope, rather than on the way to it."""
    return order.scope.desk == roster.desk or order.scope.desk in roster.path


def _addressed(order: Order, roster: Roster) -> Iterable[Seat]:
    if order.kind == "alert":
        return _named(order, roster)
    if not inside(order, roster):
        commanders = {child.commander for child in _owed(order, roster)}
        return [seat for seat in roster.seats if seat.post in commanders and seat.post != order.issuer]
    spared = _issuer_and_above(order, roster)
    return [
        seat
        for seat in roster.seats
        if seat.post not in spared and _within(order, roster, seat) and _meant(order, seat)
    ]


def _named(order: Order, roster: Roster) -> Iterable[Seat]:
    """Return exactly the posts an alert names, even its issuer; where none is left, who commands the desk."""
    named = [seat for seat in roster.seats if seat.post in order.audience.posts]
    top = top_of(roster)
    return named or ([top] if top is not None else [])


def _owed(order: Order, roster: Roster) -> Iterable[ChildDesk]:
    if order.kind == "alert":
        return []
    if not inside(order, roster):
        toward = {*order.scope.path, order.scope.desk}
        return [child for child in roster.children if child.desk in toward]
    if order.scope.unit != order.scope.desk and order.scope.desk == roster.desk:
        return []
    return roster.children


def _within(order: Order, roster: Roster, seat: Seat) -> bool:
    return order.scope.desk != roster.desk or order.scope.unit in (roster.desk, *seat.within)


def _meant(order: Order, seat: Seat) -> bool:
    types, posts = order.audience.types, order.audience.posts
    return (not types or seat.post.split("/")[1] in types) and (not posts or seat.post in posts)


def _issuer_and_above(order: Order, roster: Roster) -> set[str]:
    """Return the posts an order from this desk does not go to: its issuer and the issuer's superiors."""
    by_post = {seat.post: seat for seat in roster.seats}
    spared: set[str] = set()
    post: str | None = order.issuer
    while post in by_post and post not in spared:
        spared.add(post)
        superior = by_post[post].superior
        post = superior.post if superior else None
    return spared


def _cell(dimensions: Sequence[Dimension], seat: Seat) -> str:
    values = {"level": seat.level, "type": seat.post.split("/")[1]}
    return "|".join(values[dimension] for dimension in dimensions)


def _grouped(pairs: Iterable[tuple[K, int]]) -> dict[int, tuple[K, ...]]:
    groups: dict[int, list[K]] = {}
    for below, superior in pairs:
        groups.setdefault(superior, []).append(below)
    return {superior: tuple(below) for superior, below in groups.items()}
