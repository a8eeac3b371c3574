"""Where something stands at one desk with everything below it: own tally + newest tally of each child."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.contracts.counting import AbsoluteTally, Counted
from shared.kernel.clock import utc_ms

C = TypeVar("C", bound=Counted)
T = TypeVar("T", bound=AbsoluteTally)  # type: ignore[type-arg] # its counts are the service's own


@dataclass(slots=True)
class Roll(Generic[T]):
    """The newest tally of this desk's own and of each child that reported to it.

    `subject` is what is counted: a directive, or a round.
    """

    subject: str
    desk: str
    own: T | None = None
    below: dict[str, T] = field(default_factory=dict)
    next_due: int | None = None
    overdue: bool = False

    def current(self) -> dict[str, T]:
        """Return the tallies of expected children at the version this desk is at."""
        if self.own is None:
            return {}
        return {
            desk: tally
            for desk in self.own.children
            if (tally := self.below.get(desk)) is not None and tally.version == self.own.version
        }

    def counted(self) -> dict[str, T]:
        """Return the tallies of expected children that are added: a newer version may carry an older one on.

        What a child said of an earlier version of the same series is still true, if not all of it.
        """
        if self.own is None:
            return {}
        return {
            desk: tally
            for desk in self.own.children
            if (tally := self.below.get(desk)) is not None and tally.series == self.own.series
        }

    def unreported(self) -> tuple[str, ...]:
        """Return the expected children that have not counted anything at this version."""
        current = self.current()
        return () if self.own is None else tuple(desk for desk in self.own.children if desk not in current)


@dataclass(frozen=True, slots=True)
class Sum(Generic[C]):
    """What the own tally and the children's come to; `desks`, `missing` and `changes` are of this version."""

    total: C
    cells: dict[str, C]
    own: C
    desks: int
    missing: int
    changes: int


def merge_tally(roll: Roll[T], tally: T) -> bool:
    """Keep the newest tally of each desk; return whether it was: what is older changes nothing."""
    known = roll.own if tally.covers == "own" else roll.below.get(tally.desk)
    if known is not None and tally.rank <= known.rank:
        return False
    if tally.covers == "own":
        if known is None or tally.version > known.version:
            roll.overdue = False
        if known is None or (tally.version, tally.children) != (known.version, known.children):
            # Whoever is newly expected has a due time too, even if it has passed already.
            roll.next_due = utc_ms(tally.due)
        roll.own = tally
    else:
        roll.below[tally.desk] = tally
    return True


def tick(roll: Roll[T], due: int) -> bool:
    """Say at `due` (ms) that children are missing, and True; a tick for another due changes nothing."""
    if roll.next_due != due:
        return False
    roll.overdue, roll.next_due = bool(roll.unreported()), None
    return True


def summed(roll: Roll[T], counts: type[C]) -> Sum[C] | None:
    """Return the sum; without the own tally there is none, nor while a child is a version ahead of it.

    The own tally of that version is on its way: until then the sum would fall, without cause.
    """
    own = roll.own
    if own is None or any(tally.version > own.version for tally in roll.below.values()):
        return None
    current = list(roll.current().values())
    by_cell: dict[str, list[C]] = {}
    for tally in (own, *roll.counted().values()):
        for cell, each in tally.cells.items():
            by_cell.setdefault(cell, []).append(each)
    cells = {cell: counts.total_of(each) for cell, each in sorted(by_cell.items())}
    return Sum(
        total=_total(cells, counts),
        cells=cells,
        own=_total(own.cells, counts),
        desks=own.desks + sum(tally.desks for tally in current),
        missing=len(roll.unreported()) + sum(tally.missing for tally in current),
        changes=min([own.changes, *(tally.changes for tally in current)]),
    )


def _total(cells: Mapping[str, C], counts: type[C]) -> C:
    return counts.total_of(cells.values())
