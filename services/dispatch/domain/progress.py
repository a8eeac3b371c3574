"""Where a directive stands at one desk with everything below it: own tally + newest tally of each child."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.contracts.dispatch import Counts, Progress, Tally
from shared.kernel.clock import utc_ms


@dataclass(slots=True)
class Roll:
    """The newest tally of this desk's own sheet and of each desk that reported to it."""

    directive: str
    desk: str
    own: Tally | None = None
    below: dict[str, Tally] = field(default_factory=dict)
    next_due: int | None = None
    overdue: bool = False

    def current(self) -> dict[str, Tally]:
        """Return the tallies of expected children at the version this desk is at."""
        if self.own is None:
            return {}
        return {
            desk: tally
            for desk in self.own.children
            if (tally := self.below.get(desk)) is not None and tally.version == self.own.version
        }

    def unreported(self) -> tuple[str, ...]:
        """Return the expected children that have not counted anything at this version."""
        current = self.current()
        return () if self.own is None else tuple(desk for desk in self.own.children if desk not in current)


def merge_tally(roll: Roll, tally: Tally) -> None:
    """Keep the newest tally of each desk; what is older changes nothing."""
    if tally.covers == "own":
        if roll.own is None or tally.rank > roll.own.rank:
            if roll.own is None or tally.version > roll.own.version:
                roll.overdue = False
            if roll.own is None or (tally.version, tally.children) != (roll.own.version, roll.own.children):
                # Whoever is newly expected has a due time too, even if it has passed already.
                roll.next_due = utc_ms(tally.due)
            roll.own = tally
    else:
        known = roll.below.get(tally.desk)
        if known is None or tally.rank > known.rank:
            roll.below[tally.desk] = tally


def tick(roll: Roll, due: int) -> None:
    """Say at `due` (ms) that children are missing; a tick for another due changes nothing."""
    if roll.next_due == due:
        roll.overdue, roll.next_due = bool(roll.unreported()), None


def view(roll: Roll, v: int) -> Progress | None:
    """Return what is shown; without the own tally nothing is, nor while a child is a version ahead of it.

    The own tally of that version is on its way: until then the sum would fall, without cause.
    """
    own = roll.own
    if own is None or any(tally.version > own.version for tally in roll.below.values()):
        return None
    below = list(roll.current().values())
    unreported = roll.unreported()
    cells = _summed([own, *below])
    total = _total(cells)
    missing = len(unreported) + sum(tally.missing for tally in below)
    return Progress(
        directive=roll.directive,
        desk=roll.desk,
        v=v,
        version=own.version,
        changes=min([own.changes, *(tally.changes for tally in below)]),
        effect=own.effect,
        status=own.status,
        parent=own.parent,
        total=total,
        cells=cells,
        own=_total(own.cells),
        children=own.children,
        unreported=unreported,
        unreported_overdue=roll.overdue and bool(unreported),
        desks=1 + sum(tally.desks for tally in below),
        missing=missing,
        all_reported=missing == 0 and total.done == total.total,
        complete=own.status == "closed",
    )


def upward(roll: Roll, progress: Progress) -> Tally | None:
    """Return the subtree's absolute tally for the desk above; the issuing desk has none above."""
    own = roll.own
    if own is None or own.parent is None:
        return None
    return Tally(
        directive=roll.directive,
        desk=roll.desk,
        to=own.parent,
        covers="subtree",
        version=own.version,
        v=progress.v,
        changes=progress.changes,
        effect=own.effect,
        status=own.status,
        issuer=own.issuer,
        cells=progress.cells,
        desks=progress.desks,
        missing=progress.missing,
        due=own.due,
    )


def closable(progress: Progress) -> bool:
    """Return whether the issuing desk may ask for the close."""
    return progress.parent is None and progress.all_reported and progress.status == "open"


def _total(cells: Mapping[str, Counts]) -> Counts:
    return _sum(list(cells.values()))


def _summed(tallies: Sequence[Tally]) -> dict[str, Counts]:
    by_cell: dict[str, list[Counts]] = {}
    for tally in tallies:
        for cell, counts in tally.cells.items():
            by_cell.setdefault(cell, []).append(counts)
    return {cell: _sum(counts) for cell, counts in sorted(by_cell.items())}


def _sum(counts: Sequence[Counts]) -> Counts:
    """Add counts up by field; one value stands for itself."""
    if len(counts) == 1:
        return counts[0]
    return Counts.of({name: sum(getattr(each, name) for each in counts) for name in Counts.model_fields})
