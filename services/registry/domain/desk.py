"""The state of one desk: everything that is decided under one key, with the dates it holds from and to.

A day `valid_to` is the first day on which something no longer holds. Nothing is deleted: what ended stays,
so that any past day can be compiled again and no code is used twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Protocol

from shared.contracts.registry import Affiliation, ResidentialType, Superior
from shared.kernel.codes import desk_of, parse


class Dated(Protocol):
    """Something that holds from a day to a day."""

    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...


def holds(dated: Dated, day: date) -> bool:
    """Say whether it holds on this day."""
    return dated.valid_from <= day and (dated.valid_to is None or day < dated.valid_to)


@dataclass(frozen=True, slots=True)
class Place:
    """A unit as it stands from one day on; the path is its ancestors from the province down."""

    kind: str
    path: tuple[str, ...]
    valid_from: date
    valid_to: date | None = None
    name: str = ""
    areas: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    residential: ResidentialType | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An explicit superior, from a day on."""

    superior: Superior
    valid_from: date


@dataclass(frozen=True, slots=True)
class Appointment:
    holder: str
    affiliation: Affiliation
    valid_from: date
    valid_to: date | None = None


@dataclass(slots=True)
class Post:
    """A seat: it exists whether or not someone holds it."""

    valid_from: date
    valid_to: date | None = None
    edges: tuple[Edge, ...] = ()
    appointments: tuple[Appointment, ...] = ()

    def superior(self, day: date) -> Superior | None:
        """Return the explicit superior of a day, if there is one: the latest edge that has begun."""
        begun = [edge for edge in self.edges if edge.valid_from <= day]
        return max(begun, key=lambda edge: edge.valid_from).superior if begun else None

    def holder(self, day: date) -> str | None:
        return next((a.holder for a in self.appointments if holds(a, day)), None)


@dataclass(frozen=True, slots=True)
class Attachment:
    unit: str
    scheme: str
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """The newest summary of a desk below: absolute counts of it and everything under it."""

    v: int
    commander: str | None = None
    posts_by_type: dict[str, int] = field(default_factory=dict)
    households: int = 0
    residents: int = 0
    gone: bool = False


@dataclass
class Desk:
    """One desk. `units` keeps each unit's dated states in order; `parents`, the desks it ever lay under.

    The roster is as of `compiled_on`, which any change may move; unit facts are as of `units_told_on`, which
    only the ticker's recompilation moves: a day's beginning must be told even if a change came before it.
    """

    code: str
    units: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    children: dict[str, Child] = field(default_factory=dict)
    parents: frozenset[str] = frozenset()
    compiled_on: date | None = None
    units_told_on: date | None = None
    next_due: date | None = None

    def place(self, code: str, day: date) -> Place | None:
        """Return the unit as it stands on a day."""
        states = [state for state in self.units.get(code, ()) if state.valid_from <= day]
        return states[-1] if states and holds(states[-1], day) else None

    def path(self, day: date) -> tuple[str, ...]:
        """Return the desk's own path; before its unit is known, the one its code says."""
        place = self.place(self.code, day)
        return place.path if place else default_path(self.code)

    def compiled(self, day: date) -> None:
        """Say that the roster is as of this day, and note the next day that must be looked at by itself.

        What a unit's row says is told with the row; of a desk's first day nothing else is left to tell.
        """
        self.compiled_on, self.units_told_on = day, self.units_told_on or day
        told = self.units_told_on
        states = [state for states in self.units.values() for state in states]
        due = [each for each in self._days() if each > day] + [each for each in _days(states) if each > told]
        self.next_due = min(due, default=None)

    def _days(self) -> Iterator[date]:
        """Yield every day on which something about the posts of this desk begins or ends."""
        yield from _days([*self.attachments, *self.posts.values()])
        yield from _days([a for post in self.posts.values() for a in post.appointments])
        yield from (edge.valid_from for post in self.posts.values() for edge in post.edges)

    def units_changing(self, after: date | None, until: date) -> list[str]:
        """Return the units whose state began or ended in the days behind `after`, up to `until`."""
        return sorted(
            code
            for code, states in self.units.items()
            if any(
                (after is None or day > after) and day <= until
                for state in states
                for day in (state.valid_from, state.valid_to or state.valid_from)
            )
        )


def _days(dated: Iterable[Dated]) -> Iterator[date]:
    for each in dated:
        yield each.valid_from
        if each.valid_to is not None:
            yield each.valid_to


def default_path(code: str) -> tuple[str, ...]:
    return tuple(ancestor.text for ancestor in parse(code).ancestors())


@lru_cache(maxsize=65_536)
def place_of(post: str) -> tuple[str, str]:
    """Return the unit and the `scheme:type` of a post id."""
    unit, type_, *_ = post.split("/")
    return unit, type_


def parent_of(path: Sequence[str]) -> str | None:
    """Return the desk above: the one that answers for the last unit of a path."""
    return desk_of(path[-1]) if path else None
