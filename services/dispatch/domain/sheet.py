"""One directive at one desk: its order, its entries as compact arrays, and what waits or is listed.

A sheet belongs to the batch that loaded it; `merging` says how records change it.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.states import State, is_done
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, LinePost

LISTED_MOST: Final = 500
UNFILLED: Final = "*"

Why = Literal["stranger", "late", "not-entitled", "superseded", "overflow"]
Rank = tuple[int, bool, int]


class Flag:
    """What is known of an entry beside its state: bits, and no enum, for every touch looks at every entry."""

    ANSWERED_FOR: Final = 1
    RELEASED: Final = 2
    SENT: Final = 4
    OVERDUE: Final = 8


class Note(NamedTuple):
    """Who said so, and why: kept where an answer was a refusal or was given for another post."""

    at: int
    id: str
    by: str
    reason: str


class Early(NamedTuple):
    """An answer that arrived before what it answers: it waits in the sheet for the relay or the roster."""

    id: str
    at: int
    answer: Answer


class Listed(NamedTuple):
    """An answer that is kept and shown but never counted, and why."""

    id: str
    why: Why
    addressee: str
    state: str
    at: int


@dataclass(slots=True)
class Entries:
    """Compact arrays by frozen position: lattice state, how far reached, flags, rungs, first times (ms)."""

    state: bytearray
    reached: bytearray
    flags: bytearray
    rung: bytearray
    rung_sent: bytearray
    first: "array[int]"
    notes: dict[int, Note] = field(default_factory=dict)

    @classmethod
    def of(cls, size: int) -> "Entries":
        """Return entries that are all merely addressed."""
        state, reached, flags, rung, rung_sent = (bytearray(size) for _ in range(5))
        return cls(state, reached, flags, rung, rung_sent, array("q", bytes(8 * size * len(State))))

    def first_at(self, position: int, state: State) -> int | None:
        """Return when an entry first was in a state, in ms; None if it never was."""
        return self.first[position * len(State) + state] or None

    def saw(self, position: int, state: State, at: int) -> None:
        """Keep the earliest time of a state."""
        slot = position * len(State) + state
        known = self.first[slot]
        self.first[slot] = min(known, at) if known else at

    def take_over(self, position: int, other: "Entries", at: int) -> None:
        """Take over what was answered for an entry that stands elsewhere in other entries."""
        self.state[position], self.reached[position] = other.state[at], other.reached[at]
        self.flags[position] |= other.flags[at] & Flag.ANSWERED_FOR
        for state in State:
            first, note = other.first_at(at, state), other.notes.get(at * len(State) + state)
            if first is not None:
                self.saw(position, state, first)
            if note is not None:
                self.notes[position * len(State) + state] = note


@dataclass(slots=True)
class Sheet:
    """A stub (no order yet), unfilled (no roster yet: one open entry `desk/*`), or frozen."""

    directive: str
    desk: str
    order: Order | None = None
    sender: str | None = None
    line: tuple[LinePost, ...] = ()
    frozen: str | None = None
    roster_v: int = 0
    entries: Entries = field(default_factory=lambda: Entries.of(0))
    children: dict[str, bool] = field(default_factory=dict)
    children_sent: dict[str, Rank] = field(default_factory=dict)
    next_due: int | None = None
    early: list[Early] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    orphaned: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        """Whether the accepted close has arrived here."""
        return self.order is not None and self.order.status == "closed"

    @property
    def unfilled(self) -> bool:
        """Whether the order is here and the roster is not."""
        return self.order is not None and self.frozen is None

    def note(self, why: Why, id_: str, answer: Answer, at: int) -> None:
        """List an answer once, and no more than a bounded number of them; the log keeps all."""
        if len(self.listed) < LISTED_MOST and all(listed.id != id_ for listed in self.listed):
            self.listed.append(Listed(id_, why, answer.addressee, answer.state, at))


def open_positions(sheet: Sheet, frozen: Frozen | None) -> list[int]:
    """Return the entries that are neither done nor excused."""
    entries = sheet.entries
    done_at = frozen.done_at if frozen else (State.EXECUTED,)
    return [
        position
        for position, (state, reached, needed) in enumerate(
            zip(entries.state, entries.reached, done_at, strict=True)
        )
        if not is_done(state, reached, needed)
    ]


def sheet_id(directive: str, desk: str) -> str:
    """Return the id of a sheet and of its progress."""
    return f"{directive}/{desk}"


def frozen_id(directive: str, desk: str, version: int) -> str:
    """Return the id of a frozen audience."""
    return f"{directive}/{desk}/{version}"


def unfilled_entry(desk: str) -> str:
    """Return the addressee that stands for a desk whose roster is not known."""
    return f"{desk}/{UNFILLED}"
