"""Who may be told: straight through, or post by post as each passes the order on (design §4.2)."""

from collections.abc import Iterable

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Flag, Sheet
from services.dispatch.domain.states import State, is_done, reached_by, releases
from shared.contracts.directives import Order


def release_at_once(sheet: Sheet, order: Order, frozen: Frozen, now: int) -> None:
    """Release whoever waits for nobody under the order's mode."""
    everybody = order.mode == "straight-through" or order.effect == "cancel"
    release(sheet, range(len(frozen.posts)) if everybody else frozen.at_once, now)
    for desk in sheet.children if everybody else frozen.desks_at_once:
        sheet.children[desk] = True


def passes_on(state: State, done_at: int, *, answered_for: bool) -> bool:
    """Return whether an answer, taken alone, lets the order pass to those below.

    A post that is done by reading says no more: those below it must not wait for it.
    """
    return releases(state, answered_for=answered_for) or is_done(state, reached_by(state), done_at)


def pass_on(sheet: Sheet, position: int, frozen: Frozen, now: int) -> None:
    """Release whoever waited for this entry: it has relayed or is done, or somebody decided for it."""
    release(sheet, frozen.reports.get(position, ()), now)
    for desk in frozen.commanded.get(position, ()):
        sheet.children[desk] = True


def release(sheet: Sheet, positions: Iterable[int], now: int) -> None:
    """Let these be told; the earliest time at which they could be stays."""
    for position in positions:
        sheet.entries.flags[position] |= Flag.RELEASED
        sheet.entries.saw(position, State.ADDRESSED, now)
