"""What a sheet's relay, answers and ticks add up to, in whatever order they arrive.

Merging is commutative, associative and idempotent: states are joined by `max`, first times by `min`, notes by
the smallest (time, id). A sheet is changed in place: it belongs to the batch that loaded it.
"""

from datetime import datetime
from typing import Final

from services.dispatch.domain.carrying import carry, past_of
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.releasing import pass_on, passes_on, release_at_once
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
from services.dispatch.domain.states import NAMED, State, reached_by
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, Relay
from shared.kernel.clock import utc_ms

EARLY_MOST: Final = 5_000
RUNG_MOST: Final = 255


def merge_relay(
    sheet: Sheet, relay: Relay, frozen: Frozen | None, now: datetime, earlier: Frozen | None = None
) -> bool:
    """Take the relay if it is newer than what the sheet holds; `frozen` is the audience, if there is one.

    `earlier` is the audience that the sheet holds until now. Returns whether the sheet is to hold `frozen`
    from now on (a new version, or none was frozen yet).
    """
    order, known = relay.order, sheet.order
    if known is not None and order.rank <= known.rank:
        return False
    fresh = known is None or order.version > known.version
    past = past_of(sheet, earlier) if fresh else None
    if past is not None and past.decided_whole and past.goes_on_in(order):
        frozen = None  # a superior has decided for the whole desk, and that decision stands
    sheet.order, sheet.sender, sheet.line, sheet.orphaned = order, relay.sender, relay.line, False
    if fresh:
        sheet.next_due = utc_ms(order.due_at)
        _lay_out(sheet, order, frozen, utc_ms(now))
        if past is not None:
            carry(past, sheet, frozen, utc_ms(now))
        _count_waiting(sheet, frozen)
    for extension in order.extensions:
        if extension.desk == sheet.desk:
            sheet.children[extension.child] = True
    if sheet.closed:
        sheet.next_due = None
        sheet.children = dict.fromkeys(sheet.children, True)
    return fresh and frozen is not None


def fill(sheet: Sheet, frozen: Frozen, now: datetime) -> bool:
    """Freeze a sheet that waited for its roster, unless its one entry was decided meanwhile."""
    order = sheet.order
    if order is None or not sheet.unfilled or sheet.closed or open_positions(sheet, None) == []:
        return False
    _lay_out(sheet, order, frozen, utc_ms(now))
    _count_waiting(sheet, frozen)
    return True


def _lay_out(sheet: Sheet, order: Order, frozen: Frozen | None, now: int) -> None:
    """Open an entry for everybody addressed, or the one that stands for a desk whose posts are not known."""
    if frozen is None:
        sheet.frozen, sheet.children, sheet.children_sent = None, {}, {}
        sheet.entries = Entries.of(1)
        sheet.entries.flags[0] = Flag.RELEASED | Flag.SENT
        return
    sheet.frozen = frozen_id(sheet.directive, sheet.desk, frozen.version)
    sheet.roster_v = frozen.roster_v
    sheet.entries = Entries.of(len(frozen.posts))
    sheet.children, sheet.children_sent = {child.desk: False for child in frozen.children}, {}
    for position in range(len(frozen.posts)):
        if not frozen.live(position):
            sheet.entries.rung[position] = 1
    release_at_once(sheet, order, frozen, now)


def _count_waiting(sheet: Sheet, frozen: Frozen | None) -> None:
    waiting, sheet.early = sheet.early, []
    for early in waiting:
        merge_answer(sheet, early.answer, early.id, early.at, frozen)


def merge_answer(sheet: Sheet, answer: Answer, id_: str, at: int, frozen: Frozen | None) -> None:
    """Merge one answer, arrived at broker time `at` (ms): it counts, waits, or is listed; never lost."""
    order = sheet.order
    if order is None or answer.version > order.version or answer.epoch > order.epoch:
        _wait(sheet, answer, id_, at)
    elif sheet.closed or (answer.version < order.version and order.effect == "cancel"):
        sheet.note("late", id_, answer, at)
    elif answer.epoch < order.epoch:
        sheet.note("superseded", id_, answer, at)
        _pass_on_superseded(sheet, answer, at, frozen)
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
    if not _entitled(sheet, answer, position, frozen):
        sheet.note("not-entitled", id_, answer, at)
        return
    entries = sheet.entries
    entries.state[position] = max(entries.state[position], state)
    entries.reached[position] = max(entries.reached[position], reached_by(state))
    # A claimed time is believed only up to the moment the broker saw the answer.
    said_at = min(utc_ms(answer.at), at)
    entries.saw(position, state, said_at)
    if answer.by is not None:
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
    _pass_on(sheet, answer, position, at, frozen)


def _pass_on_superseded(sheet: Sheet, answer: Answer, at: int, frozen: Frozen | None) -> None:
    """Tell whoever an earlier epoch's answer passed the order on to: it counts no more, but they heard it."""
    position = frozen.index.get(answer.addressee) if frozen else None
    if position is not None and _entitled(sheet, answer, position, frozen):
        _pass_on(sheet, answer, position, at, frozen)


def _pass_on(sheet: Sheet, answer: Answer, position: int, at: int, frozen: Frozen | None) -> None:
    if frozen is None:
        return
    state, done_at = NAMED[answer.state], frozen.done_at[position]
    if passes_on(state, done_at, answered_for=answer.by is not None):
        pass_on(sheet, position, frozen, at)


def _entitled(sheet: Sheet, answer: Answer, position: int, frozen: Frozen | None) -> bool:
    """Everybody answers for himself, a superior for others; and only a superior excuses.

    Nobody holds `desk/*`: a superior decides it, and less than a decision would be lost at the fill.
    """
    state = NAMED[answer.state]
    if frozen is None and (answer.by is None or state < State.EXECUTED):
        return False
    if answer.by is None:
        return state is not State.EXCUSED
    return _decides(sheet, answer, position, frozen)


def _decides(sheet: Sheet, answer: Answer, position: int, frozen: Frozen | None) -> bool:
    """Only a superior on this sheet, or a post on the line from the issuer, decides for another.

    The issuer decides last: also for itself, where an alert's chain is nobody else.
    """
    if answer.by is None or (answer.by == answer.addressee and not _issues(sheet, answer.by)):
        return False
    here = () if frozen is None else frozen.climb(position)
    return any(frozen.posts[above] == answer.by for above in here if frozen) or any(
        post.post == answer.by for post in sheet.line
    )


def _issues(sheet: Sheet, post: str) -> bool:
    return sheet.order is not None and sheet.order.issuer == post


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
    # A step below a millisecond is one: time must go on.
    step = max(int(sheet.order.deadlines.step * 1000), 1)
    entries = sheet.entries
    waiting = open_positions(sheet, frozen)
    for position in waiting:
        entries.flags[position] |= Flag.OVERDUE
        addressed = entries.first_at(position, State.ADDRESSED) or 0
        if entries.flags[position] & Flag.RELEASED and addressed + step <= due:
            entries.rung[position] = min(entries.rung[position] + 1, RUNG_MOST)
    # After an outage the steps that were missed are missed: nobody climbs five rungs in a second.
    sheet.next_due = due + step * (1 + max(now - due, 0) // step) if waiting else None
