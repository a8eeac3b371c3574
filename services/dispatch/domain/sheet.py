"""One directive at one desk: what its relay, answers and ticks add up to, in whatever order they arrive.

A sheet belongs to the batch that loaded it and is changed in place. Merging is commutative, associative and
idempotent: states are joined by `max`, first times by `min`, notes by the smallest (time, id).
"""

from array import array
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.states import NAMED, State, is_done, reached_by, releases
from shared.contracts.dispatch import Answer, LinePost, Order, Relay
from shared.kernel.clock import utc_ms

LISTED_MOST: Final = 500
EARLY_MOST: Final = 5_000
RUNG_MOST: Final = 255
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


def merge_relay(sheet: Sheet, relay: Relay, frozen: Frozen | None, now: datetime) -> bool:
    """Take the relay if it is newer than what the sheet holds; `frozen` is the audience, if there is one.

    Returns whether the sheet is to hold `frozen` from now on (a new version, or none was frozen yet).
    """
    order = relay.order
    if sheet.order is not None and order.rank <= sheet.order.rank:
        return False
    fresh = sheet.order is None or order.version > sheet.order.version
    sheet.order, sheet.sender, sheet.line, sheet.orphaned = order, relay.sender, relay.line, False
    if fresh:
        sheet.frozen, sheet.children, sheet.children_sent = None, {}, {}
        sheet.entries = Entries.of(1)
        sheet.entries.flags[0] = Flag.RELEASED | Flag.SENT
        sheet.next_due = utc_ms(order.due_at)
        if frozen is not None:
            _take(sheet, frozen, utc_ms(now))
    for extension in order.extensions:
        if extension.desk == sheet.desk:
            sheet.children.setdefault(extension.child, True)
    if sheet.closed:
        sheet.next_due = None
        sheet.children = dict.fromkeys(sheet.children, True)
    return fresh and frozen is not None


def fill(sheet: Sheet, frozen: Frozen, now: datetime) -> bool:
    """Freeze a sheet that waited for its roster, unless its one entry was decided meanwhile."""
    if not sheet.unfilled or sheet.closed or open_positions(sheet, None) == []:
        return False
    _take(sheet, frozen, utc_ms(now))
    return True


def _take(sheet: Sheet, frozen: Frozen, now: int) -> None:
    order = sheet.order
    if order is None:
        raise ValueError("a stub has no audience")
    sheet.frozen = frozen_id(sheet.directive, sheet.desk, frozen.version)
    sheet.roster_v = frozen.roster_v
    sheet.entries = Entries.of(len(frozen.seats))
    sheet.children = {child.desk: False for child in frozen.children}
    for position in range(len(frozen.seats)):
        if not frozen.live(position):
            sheet.entries.rung[position] = 1
    at_once = order.mode == "straight-through" or order.effect == "cancel"
    _release(sheet, range(len(frozen.seats)) if at_once else frozen.at_once, now)
    for desk in sheet.children if at_once else frozen.desks_at_once:
        sheet.children[desk] = True
    waiting, sheet.early = sheet.early, []
    for early in waiting:
        merge_answer(sheet, early.answer, early.id, early.at, frozen)


def merge_answer(sheet: Sheet, answer: Answer, id_: str, at: int, frozen: Frozen | None) -> None:
    """Merge one answer, arrived at broker time `at` (ms): it counts, waits, or is listed; never lost."""
    order = sheet.order
    if order is None or answer.version > order.version:
        _wait(sheet, answer, id_, at)
    elif sheet.closed or (answer.version < order.version and order.effect == "cancel"):
        sheet.note("late", id_, answer, at)
    elif answer.epoch != order.epoch:
        sheet.note("superseded", id_, answer, at)
    elif frozen is None and answer.addressee != unfilled_entry(sheet.desk):
        _wait(sheet, answer, id_, at)
    else:
        _count(sheet, answer, id_, at, frozen)


def await_relay(sheet: Sheet, due: int) -> None:
    """Give a stub the time (ms) at which it is reported, if no relay has come by then."""
    if sheet.order is None and sheet.next_due is None and not sheet.orphaned:
        sheet.next_due = due


def _wait(sheet: Sheet, answer: Answer, id_: str, at: int) -> None:
    if len(sheet.early) >= EARLY_MOST:
        sheet.note("overflow", id_, answer, at)
    elif all(early.id != id_ for early in sheet.early):
        sheet.early.append(Early(id_, at, answer))


def _count(sheet: Sheet, answer: Answer, id_: str, at: int, frozen: Frozen | None) -> None:
    position = frozen.index.get(answer.addressee) if frozen else 0
    if position is None:
        sheet.note("stranger", id_, answer, at)
        return
    state = NAMED[answer.state]
    speaks_for = answer.by is not None
    # Nobody holds `desk/*`: a superior decides it, and less than a decision would be lost at the fill.
    undecided = frozen is None and not (speaks_for and state >= State.EXECUTED)
    if undecided or (
        (speaks_for or state is State.EXCUSED) and not _entitled(sheet, answer, position, frozen)
    ):
        sheet.note("not-entitled", id_, answer, at)
        return
    entries = sheet.entries
    entries.state[position] = max(entries.state[position], state)
    entries.reached[position] = max(entries.reached[position], reached_by(state))
    # A claimed time is believed only up to the moment the broker saw the answer.
    said_at = min(utc_ms(answer.at), at)
    entries.saw(position, state, said_at)
    if speaks_for:
        entries.flags[position] |= Flag.ANSWERED_FOR
    if answer.reason is not None:
        note = Note(said_at, id_, answer.by or "", answer.reason)
        slot = position * len(State) + state
        entries.notes[slot] = min(entries.notes.get(slot, note), note)
    # What follows looks at this answer alone, never at those before it: the order of arrival must not matter.
    if state is State.REFUSED:
        entries.rung[position] = max(entries.rung[position], 1)
        if sheet.order is not None and sheet.next_due is None and entries.state[position] == State.REFUSED:
            # Everybody was done and the clock had stopped: it must run again for whoever is silent now.
            sheet.next_due = at + int(sheet.order.deadlines.step * 1000)
    if frozen is None:
        return
    # A post that is done by reading says no more: those below it must not wait for it.
    done = is_done(state, reached_by(state), frozen.done_at[position])
    if done or releases(state, answered_for=speaks_for):
        _pass_on(sheet, position, frozen, at)


def _entitled(sheet: Sheet, answer: Answer, position: int, frozen: Frozen | None) -> bool:
    """Only a superior on this sheet, or a post on the line from the issuer, decides for another."""
    if answer.by is None or answer.by == answer.addressee:
        return False
    here = () if frozen is None else frozen.climb(position)
    return any(frozen.seats[above].post == answer.by for above in here if frozen) or any(
        post.post == answer.by for post in sheet.line
    )


def _pass_on(sheet: Sheet, position: int, frozen: Frozen, now: int) -> None:
    """Release whoever waited for this entry: it has relayed or is done, or somebody decided for it."""
    _release(sheet, frozen.reports.get(position, ()), now)
    for desk in frozen.commanded.get(position, ()):
        sheet.children[desk] = True


def _release(sheet: Sheet, positions: "range | tuple[int, ...]", now: int) -> None:
    for position in positions:
        sheet.entries.flags[position] |= Flag.RELEASED
        sheet.entries.saw(position, State.ADDRESSED, now)


def tick(sheet: Sheet, due: int, now: int, frozen: Frozen | None) -> None:
    """Say what is overdue at `due` and let it climb one rung; a tick for another due changes nothing.

    `now` is when the broker saw the tick; all times in ms.

    An entry that was addressed less than one step ago is overdue but does not climb yet, and one that was
    not addressed at all cannot: somebody above it, who is, has not passed the order on.
    """
    if sheet.next_due is None or due != sheet.next_due:
        return
    if sheet.order is None:
        sheet.orphaned, sheet.next_due = True, None
        return
    step = int(sheet.order.deadlines.step * 1000)
    entries = sheet.entries
    waiting = open_positions(sheet, frozen)
    for position in waiting:
        entries.flags[position] |= Flag.OVERDUE
        addressed = entries.first_at(position, State.ADDRESSED) or 0
        if entries.flags[position] & Flag.RELEASED and addressed + step <= due:
            entries.rung[position] = min(entries.rung[position] + 1, RUNG_MOST)
    # After an outage the steps that were missed are missed: nobody climbs five rungs in a second.
    sheet.next_due = due + step * (1 + max(now - due, 0) // step) if waiting else None


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
