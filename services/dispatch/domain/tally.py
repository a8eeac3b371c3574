"""The absolute count of one sheet."""

from collections import Counter

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Flag, Sheet
from services.dispatch.domain.states import PROGRESS, State, is_done
from shared.contracts.dispatch import Counts, Tally

_COUNTED = tuple((state, state.name.lower()) for state in PROGRESS)
UNFILLED_CELL = ""


def count(sheet: Sheet, frozen: Frozen | None) -> dict[str, Counts]:
    """Return the counts of a sheet by the cells of the directive's dimensions."""
    entries = sheet.entries
    size = len(entries.state)
    kinds = Counter(
        zip(
            frozen.cells if frozen else (UNFILLED_CELL,) * size,
            entries.state,
            entries.reached,
            entries.flags,
            frozen.done_at if frozen else (State.EXECUTED,) * size,
            (holder is None for holder in frozen.holders) if frozen else (False,) * size,
            strict=True,
        )
    )
    cells: dict[str, dict[str, int]] = {}
    for (cell, state, reached, flags, done_at, vacant), number in kinds.items():
        counts = cells.setdefault(cell, dict.fromkeys(Counts.model_fields, 0))
        done = is_done(state, reached, done_at)
        facts = {
            "total": True,
            "refused": state == State.REFUSED,
            "excused": state == State.EXCUSED,
            "answered_for": bool(flags & Flag.ANSWERED_FOR),
            "done": done,
            "overdue": bool(flags & Flag.OVERDUE) and not done,
            "vacant": vacant and not done,
            "unreached": state == State.ADDRESSED,
            **{name: reached >= least for least, name in _COUNTED},
        }
        for name, holds in facts.items():
            counts[name] += number * holds
    return {cell: Counts.of(counts) for cell, counts in sorted(cells.items())}


def own_tally(sheet: Sheet, frozen: Frozen | None, v: int) -> Tally | None:
    """Return what a sheet reports to its desk's progress; a stub reports nothing."""
    order = sheet.order
    if order is None:
        return None
    return Tally(
        directive=sheet.directive,
        desk=sheet.desk,
        to=sheet.desk,
        covers="own",
        parent=sheet.sender,
        version=order.version,
        v=v,
        changes=order.changes,
        epoch=order.epoch,
        effect=order.effect,
        status=order.status,
        issuer=order.issuer,
        cells=count(sheet, frozen),
        children=tuple(sorted(sheet.children)),
        due=order.due_at,
    )
