"""What a sheet's relay, answers and ticks add up to, in whatever order they arrive.

Merging is commutative, associative and idempotent: states are joined by `max`, first times by `min`, notes by
the smallest (time, id). A sheet is changed in place: it belongs to the batch that loaded it.
"""

from datetime import datetime
from typing import Final

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import (
    Early,
    Entries,
    Flag,
    Note,
    Sheet,
    frozen_id,
    open_positions,
    unfilled_entry,
)
from services.dispatch.domain.states import NAMED, State, is_done, reached_by, releases
from shared.contracts.dispatch import Answer, Relay
from shared.kernel.clock import utc_ms

EARLY_MOST: Final = 5_000
RUNG_MOST: Final = 255


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
    """Only a superior on this sheet, or a post on the line from the issuer, decides for another.

    The issuer decides last: also for itself, where an alert's chain is nobody else.
    """
    if answer.by is None or (answer.by == answer.addressee and not _issues(sheet, answer.by)):
        return False
    here = () if frozen is None else frozen.climb(position)
    return any(frozen.seats[above].post == answer.by for above in here if frozen) or any(
        post.post == answer.by for post in sheet.line
    )


def _issues(sheet: Sheet, post: str) -> bool:
    return sheet.order is not None and sheet.order.issuer == post


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
