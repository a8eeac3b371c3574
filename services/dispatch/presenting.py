"""How sheets, progress and directives are shown: plain JSON shapes, no decisions."""

from typing import Any

from services.dispatch.domain.directive import Directive
from services.dispatch.domain.escalation import targets
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Flag, Sheet, open_positions, unfilled_entry
from services.dispatch.domain.states import State, is_done
from shared.kernel.clock import from_ms

Json = dict[str, Any]


def directive_json(directive: Directive, v: int) -> Json:
    """Return a directive: its order, its version and how it ended."""
    return {
        **directive.order.model_dump(mode="json", exclude_none=True),
        "v": v,
        "reason": directive.reason,
        "closed_at": directive.closed_at.isoformat() if directive.closed_at else None,
    }


def entries_json(sheet: Sheet, frozen: Frozen | None) -> list[Json]:
    """Return the entries of a sheet by position, with first times (ISO 8601) and notes."""
    return [_entry(sheet, frozen, position) for position in range(len(sheet.entries.state))]


def _entry(sheet: Sheet, frozen: Frozen | None, position: int) -> Json:
    entries = sheet.entries
    seat = frozen.seats[position] if frozen else None
    state = State(entries.state[position])
    needed = frozen.done_at[position] if frozen else State.EXECUTED
    times = {each: entries.first_at(position, each) for each in State}
    return {
        "addressee": seat.post if seat else unfilled_entry(sheet.desk),
        "level": seat.level if seat else None,
        "vacant": seat is None or seat.holder is None,
        "state": state.name.lower(),
        "done": is_done(state, entries.reached[position], needed),
        "overdue": bool(entries.flags[position] & Flag.OVERDUE),
        "answered_for": bool(entries.flags[position] & Flag.ANSWERED_FOR),
        "times": {each.name.lower(): from_ms(at).isoformat() for each, at in times.items() if at is not None},
        "notes": [
            {"by": note.by, "reason": note.reason, "at": from_ms(note.at).isoformat()}
            for each in State
            if (note := entries.notes.get(position * len(State) + each)) is not None
        ],
    }


def listed_json(sheet: Sheet) -> list[Json]:
    """Return the answers that are kept and never counted, and why."""
    return [
        {"id": item.id, "why": item.why, "addressee": item.addressee, "state": item.state}
        for item in sheet.listed
    ]


def work_json(sheet: Sheet, frozen: Frozen | None, post: str) -> Json | None:
    """Return what one post still owes on a sheet, and whom it is asked to decide for; None if nothing."""
    order = sheet.order
    own = [row for row in entries_json(sheet, frozen) if row["addressee"] == post and not row["done"]]
    asked = _asked(sheet, frozen, post)
    if order is None or not (own or asked):
        return None
    return {
        "directive": sheet.directive,
        "desk": sheet.desk,
        "version": order.version,
        "epoch": order.epoch,
        "text": order.text,
        "own": own,
        "decide_for": asked,
    }


def _asked(sheet: Sheet, frozen: Frozen | None, post: str) -> list[str]:
    rungs = sheet.entries.rung
    return [
        frozen.posts[position] if frozen else unfilled_entry(sheet.desk)
        for position in open_positions(sheet, frozen)
        if rungs[position] and post in {to.post for to in targets(sheet, position, frozen)[: rungs[position]]}
    ]
