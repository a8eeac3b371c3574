"""Planted faults in how an order travels and how answers count (design §4.2, §4.3), one rule each."""

from services.dispatch.domain import (
    frozen,
    merging,
    releasing,
    sheet,
    tally,
)
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Entries, Sheet
from services.dispatch.domain.states import State
from services.dispatch.handlers import sheets as handler
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer
from shared.contracts.registry import Roster
from tests.simulation.frame import Bend, Mutant
from tests.simulation.planted import bent

_release_at_once = releasing.release_at_once
_merge_answer = merging.merge_answer


# --- §4.2: relay, freeze, release ---


def _any_relay(self: Order) -> tuple[int, bool, int]:
    """Let every relay look newer than the one before it."""
    _relays.append(self)
    return len(_relays), self.status == "closed", self.changes


_relays: list[Order] = []


def _frozen_empty(order: Order, roster: Roster | None, earlier: Frozen | None) -> Frozen | None:
    """Freeze a desk without a roster as one where nobody is."""
    if roster is None and earlier is None:
        return frozen.build(
            desk=order.desk, version=order.version, roster_v=0, seats=(), children=(), cancels=False,
            dimensions=order.dimensions,
        )  # fmt: skip
    return handler_frozen(order, roster, earlier)


handler_frozen = handler._frozen


def _releases_all(held: Sheet, order: Order, audience: Frozen, now: int) -> None:
    straight = order.model_copy(update={"mode": "straight-through"})
    _release_at_once(held, straight, audience, now)


def _releases_all_desks(held: Sheet, order: Order, audience: Frozen, now: int) -> None:
    _release_at_once(held, order, audience, now)
    held.children = dict.fromkeys(held.children, True)


def _waits_for_the_vacant(self: Frozen, position: int) -> int:
    """Let those below a vacant post wait for it."""
    del self
    return position


def _cancel_as_told(held: Sheet, order: Order, audience: Frozen, now: int) -> None:
    """Release a cancel post by post, as the order was."""
    relayed = order.model_copy(update={"mode": "relayed", "effect": "order"})
    _release_at_once(held, relayed, audience, now)


def _cancel_only_here(held: Sheet, order: Order, audience: Frozen, now: int) -> None:
    """Tell a cancel to the people of each desk, and go on only where the order went at once."""
    _release_at_once(held, order, audience, now)
    if order.effect == "cancel":
        held.children = {child: child in audience.desks_at_once for child in held.children}


def _never_passed_on(state: State, done_at: State, *, answered_for: bool) -> bool:
    """Let only a post's own relaying pass the order on, not a decision for it."""
    del done_at, answered_for
    return state in {State.RELAYED, State.EXECUTED}


# --- §4.3: answers ---


def _saw_last(self: Entries, position: int, state: State, at: int) -> None:
    """Keep the latest time of a state."""
    slot = position * len(State) + state
    self.first[slot] = max(self.first[slot], at)


def _note_last(held: Sheet, answer: Answer, id_: str, at: int, audience: Frozen | None) -> None:
    """Keep the reason that came last."""
    before = dict(held.entries.notes)
    held.entries.notes.clear()
    _merge_answer(held, answer, id_, at, audience)
    held.entries.notes = {**before, **held.entries.notes}


def _done_always(state: int, reached: int, done_at: int) -> bool:
    """Take every post for one that is done by executing."""
    del done_at
    return state == State.EXCUSED or (state != State.REFUSED and reached >= State.EXECUTED)


def _refusal_is_done(state: int, reached: int, done_at: int) -> bool:
    return state in {State.EXCUSED, State.REFUSED} or reached >= done_at


def _anybody(held: Sheet, answer: Answer, position: int, audience: Frozen | None) -> bool:
    """Let everybody decide for everybody."""
    del held, answer, position, audience
    return True


def _own_excuse(held: Sheet, answer: Answer, position: int, audience: Frozen | None) -> bool:
    """Let a post excuse itself."""
    return answer.by is None or entitled(held, answer, position, audience)


entitled = merging._entitled


def _forgets_late(held: Sheet, answer: Answer, id_: str, at: int, audience: Frozen | None) -> None:
    if not held.closed:
        _merge_answer(held, answer, id_, at, audience)


def _counts_late(held: Sheet, answer: Answer, id_: str, at: int, audience: Frozen | None) -> None:
    order = held.order
    if order is not None and held.closed:
        held.order = order.model_copy(update={"status": "open"})
    _merge_answer(held, answer, id_, at, audience)
    held.order = order


def _drops_strangers(held: Sheet, why: str, id_: str, answer: Answer, at: int) -> None:
    if why != "stranger":
        note(held, why, id_, answer, at)


note = Sheet.note


def _claims_believed(held: Sheet, answer: Answer, id_: str, at: int, audience: Frozen | None) -> None:
    """Believe the time somebody claims, also one to come."""
    del at
    _merge_answer(held, answer, id_, 1 << 50, audience)


RULES: tuple[Mutant, ...] = (
    bent("lower relays accepted", Order, "rank", property(_any_relay), "the newest order is held"),
    bent(
        "frozen empty without a roster", handler, "_frozen", _frozen_empty, "frozen from the roster there is"
    ),
    bent(
        "told before the superior has relayed",
        merging,
        "release_at_once",
        _releases_all,
        "told once the superior has passed it on",
    ),
    bent(
        "desks told before their commander has relayed",
        merging,
        "release_at_once",
        _releases_all_desks,
        "a desk hears once its commander has passed it on",
    ),
    bent(
        "a vacant superior waited for",
        Frozen,
        "_nearest_live",
        _waits_for_the_vacant,
        "told once the superior has passed it on",
        "a desk hears once its commander has passed it on",
    ),
    bent(
        "a decision for a post does not pass the order on",
        merging,
        "passes_on",
        _never_passed_on,
        "told once the superior has passed it on",
        "a desk hears once its commander has passed it on",
    ),
    bent("ties by the largest time", Entries, "saw", _saw_last, "the first time of each state is kept"),
    bent(
        "the last reason wins",
        handler.rules,
        "merge_answer",
        _note_last,
        "the first reason of each state is kept",
    ),
    bent(
        "a claimed time to come believed",
        handler.rules,
        "merge_answer",
        _claims_believed,
        "the first time of each state is kept",
    ),
    Mutant(
        "done_at ignored",
        (
            "a tally is the count of its sheet",
            "silence climbs once a due",
        ),
        bends=tuple(Bend(owner, "is_done", _done_always) for owner in (sheet, tally)),
    ),
    Mutant(
        "a refusal is done",
        ("a tally is the count of its sheet",),
        bends=tuple(Bend(owner, "is_done", _refusal_is_done) for owner in (sheet, tally)),
    ),
    bent("anybody decides for anybody", merging, "_entitled", _anybody, "uncounted answers are listed"),
    bent("whoever likes excuses himself", merging, "_entitled", _own_excuse, "uncounted answers are listed"),
    bent(
        "late answers dropped", handler.rules, "merge_answer", _forgets_late, "uncounted answers are listed"
    ),
    bent(
        "answers after the close counted",
        handler.rules,
        "merge_answer",
        _counts_late,
        "uncounted answers are listed",
    ),
    bent("answers of strangers dropped", Sheet, "note", _drops_strangers, "uncounted answers are listed"),
    bent(
        "a cancel post by post",
        merging,
        "release_at_once",
        _cancel_as_told,
        "told once the superior has passed it on",
        "a desk hears once its commander has passed it on",
    ),
    bent(
        "a cancel only where the order was",
        merging,
        "release_at_once",
        _cancel_only_here,
        "a desk hears once its commander has passed it on",
    ),
)
