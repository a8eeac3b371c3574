"""What a sheet keeps when a newer version of its order arrives (design §4.6).

Positions are laid out anew, so everything is carried by addressee. Whoever could be told of an earlier
version is told of this one, and no later; what was answered is carried while the epoch stays. Rungs, what
was sent and who is overdue belong to one version and begin anew with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.releasing import passes_on, release
from services.dispatch.domain.sheet import Entries, Flag, Sheet, unfilled_entry
from services.dispatch.domain.states import State, is_done
from shared.contracts.directives import Order


@dataclass(frozen=True, slots=True)
class Past:
    """A sheet as an earlier version left it: its entries, where each addressee stands, and its children."""

    order: Order
    unfilled: bool
    entries: Entries
    places: Mapping[str, int]
    children: Mapping[str, bool]

    def goes_on_in(self, order: Order) -> bool:
        """Return whether what was answered to this version counts in another."""
        return order.effect == "order" and order.epoch == self.order.epoch

    @property
    def decided_whole(self) -> bool:
        """Whether a superior decided `desk/*`, the one entry of a desk whose posts were not known."""
        return self.unfilled and is_done(self.entries.state[0], self.entries.reached[0], State.EXECUTED)


def past_of(sheet: Sheet, frozen: Frozen | None) -> Past | None:
    """Return what the sheet knows before a newer version changes it; None of a stub."""
    if sheet.order is None:
        return None
    return Past(sheet.order, sheet.unfilled, sheet.entries, _places(sheet, frozen), sheet.children)


def carry(past: Past, sheet: Sheet, frozen: Frozen | None, now: int) -> None:
    """Bring what an earlier version knew into a sheet that was laid out anew for a newer one."""
    order = sheet.order
    if order is None or order.effect == "cancel":
        return  # a cancel counts afresh, and is told to everybody as it is
    places = _places(sheet, frozen)
    both = [(places[name], old) for name, old in past.places.items() if name in places]
    for position, old in both:
        first = past.entries.first_at(old, State.ADDRESSED)
        if past.entries.flags[old] & Flag.RELEASED and first is not None:
            release(sheet, (position,), first)
    for child, released in past.children.items():
        sheet.children[child] = released or sheet.children.get(child, False)
    if past.goes_on_in(order):
        _carry_answers(past, sheet, both)
        if frozen is not None:
            _pass_on_again(sheet, frozen, now)


def _carry_answers(past: Past, sheet: Sheet, both: list[tuple[int, int]]) -> None:
    for position, old in both:
        sheet.entries.take_over(position, past.entries, old)
        if sheet.entries.first_at(position, State.REFUSED) is not None:
            sheet.entries.rung[position] = 1


def _pass_on_again(sheet: Sheet, frozen: Frozen, now: int) -> None:
    """Release whoever waits in the new audience for a post that has passed the order on already.

    It will not do so twice: a post that joined since, or came under another superior, would wait for ever.
    """
    entries = sheet.entries
    for position, done_at in enumerate(frozen.done_at):
        answered_for = bool(entries.flags[position] & Flag.ANSWERED_FOR)
        seen = [state for state in State if state and entries.first_at(position, state) is not None]
        if not any(passes_on(state, done_at, answered_for=answered_for) for state in seen):
            continue
        waiting = (at for at in frozen.reports.get(position, ()) if not entries.flags[at] & Flag.RELEASED)
        release(sheet, waiting, now)
        sheet.children |= dict.fromkeys(frozen.commanded.get(position, ()), True)


def _places(sheet: Sheet, frozen: Frozen | None) -> Mapping[str, int]:
    return {unfilled_entry(sheet.desk): 0} if frozen is None else frozen.index
