"""The count the actors keep themselves: plain sets and sums, nothing of the services' own counting.

It stands on two feet: `handed` grows before an answer leaves the actors' hands, so at no moment may a service
have counted more; `kept` grows once somebody has acknowledged it, and in the end must be counted exactly.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cli.demo.world import Seat, World

COUNTED = (
    "delivered", "read", "accepted", "relayed", "executed", "refused", "excused", "answered_for", "done",
)  # fmt: skip
_STEPS = ("delivered", "read", "accepted", "relayed", "executed")
# Who refuses has read the order; who is excused by another has said nothing at all.
_SHOWS = {"refused": "read", "excused": None}


@dataclass(slots=True)
class Said:
    """What was said of one post, by its holder or for it."""

    states: set[str] = field(default_factory=set)
    for_it: bool = False

    def counts_as(self, done_by: str) -> set[str]:
        """Return the columns in which this post is counted."""
        shown = [_SHOWS.get(state, state) for state in self.states]
        reached = max((_STEPS.index(state) + 1 for state in shown if state), default=0)
        columns = set(_STEPS[:reached])
        decided = bool(self.states & {"accepted", "relayed", "executed", "excused"})
        if "refused" in self.states and not decided:
            columns.add("refused")
        if "excused" in self.states:
            columns.add("excused")
        if self.for_it:
            columns.add("answered_for")
        if "excused" in columns or (done_by in columns and "refused" not in columns):
            columns.add("done")
        return columns


class Ledger:
    """What was said, post by post; and, as an upper bound for the observer, running sums of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._handed: dict[str, Said] = {}
        self._kept: dict[str, Said] = {}
        self._bound: dict[tuple[str, str, str], int] = defaultdict(int)
        self.refused: set[str] = set()
        self.rejected: list[str] = []

    def handed(self, seat: Seat, state: str, *, for_it: bool) -> None:
        """Note that an answer is about to leave; afterwards it may be counted anywhere at any time."""
        said = self._handed.setdefault(seat.post, Said())
        before = said.counts_as(seat.done_by)
        said.states.add(state)
        said.for_it = said.for_it or for_it
        # Never taken back: an older count may still be on its way.
        for column in said.counts_as(seat.done_by) - before:
            self._bound[seat.desk, seat.level, column] += 1

    def kept(self, seat: Seat, state: str, *, for_it: bool) -> None:
        """Note that somebody has acknowledged an answer: now it must be counted, sooner or later."""
        said = self._kept.setdefault(seat.post, Said())
        said.states.add(state)
        said.for_it = said.for_it or for_it
        if state == "refused":
            self.refused.add(seat.post)

    def bound(self, desk: str, level: str, column: str) -> int:
        """Return the most that may be counted now at a desk and below it, at one level."""
        return sum(self._bound.get((each, level, column), 0) for each in self._world.below[desk])

    def final(self, seats: Iterable[Seat]) -> dict[str, int]:
        """Return what must be counted in the end of these posts."""
        sums = dict.fromkeys(("total", *COUNTED), 0)
        for seat in seats:
            sums["total"] += 1
            for column in self._kept.get(seat.post, Said()).counts_as(seat.done_by):
                sums[column] += 1
        return sums
