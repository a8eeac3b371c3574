"""Planted faults in what an amendment keeps and what it begins anew (design §4.6)."""

from services.dispatch.domain import carrying, merging
from services.dispatch.domain.carrying import Past
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Flag, Sheet
from services.dispatch.handlers import sheets as handler
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, Tally
from shared.contracts.registry import Roster
from shared.domain.roll import Roll
from tests.simulation.frame import Mutant
from tests.simulation.planted import bent

_carry = carrying.carry
_freeze = handler.freeze
_merge_answer = merging.merge_answer


def _always_goes_on(self: Past, order: Order) -> bool:
    """Count what was said before, whether or not everybody is asked again."""
    del self
    return order.effect == "order"


def _never_goes_on(self: Past, order: Order) -> bool:
    """Forget what was said before."""
    del self, order
    return False


def _only_today(order: Order, roster: Roster, earlier: Frozen | None = None) -> Frozen:
    """Address only those whom the newest version names."""
    del earlier
    return _freeze(order, roster)


def _already_told(past: Past, sheet: Sheet, frozen: Frozen | None, now: int) -> None:
    """Take who was told of an earlier version for told of this one."""
    _carry(past, sheet, frozen, now)
    for name, old in past.places.items():
        position = frozen.index.get(name) if frozen else None
        if position is not None and past.entries.flags[old] & Flag.SENT:
            sheet.entries.flags[position] |= Flag.SENT


def _waits_again(past: Past, sheet: Sheet, frozen: Frozen | None, now: int) -> None:
    """Let whoever heard an earlier version wait for this one."""
    heard = bytes(sheet.entries.flags)
    _carry(past, sheet, frozen, now)
    sheet.entries.flags[:] = bytes(
        new & ~Flag.RELEASED | old & Flag.RELEASED
        for new, old in zip(sheet.entries.flags, heard, strict=True)
    )


def _by_position(past: Past, sheet: Sheet, frozen: Frozen | None, now: int) -> None:
    """Carry by position: whoever stands where another stood gets the other's answers."""
    names = list(frozen.index) if frozen else []
    moved = {names[at]: at for at in past.places.values() if at < len(names)}
    _carry(Past(past.order, past.unfilled, past.entries, moved, past.children), sheet, frozen, now)


def _late_to_the_version(sheet: Sheet, answer: Answer, id_: str, at: int, frozen: Frozen | None) -> None:
    """List an answer to an earlier version as late, although its epoch is the same."""
    if sheet.order is not None and answer.version < sheet.order.version:
        sheet.note("late", id_, answer, at)
        return
    _merge_answer(sheet, answer, id_, at, frozen)


def _old_epoch_counts(sheet: Sheet, answer: Answer, id_: str, at: int, frozen: Frozen | None) -> None:
    """Count an answer from before everybody was asked again."""
    if sheet.order is not None and answer.epoch < sheet.order.epoch:
        answer = answer.model_copy(update={"epoch": sheet.order.epoch})
    _merge_answer(sheet, answer, id_, at, frozen)


AMENDING: tuple[Mutant, ...] = (
    bent(
        "asked again, old answers stay",
        Past,
        "goes_on_in",
        _always_goes_on,
        "each entry is what its answers say",
    ),
    bent(
        "a plain amendment drops answers",
        Past,
        "goes_on_in",
        _never_goes_on,
        "each entry is what its answers say",
    ),
    bent(
        "a narrowed audience forgets earlier people", handler, "freeze", _only_today, "the audience is exact"
    ),
    bent(
        "an amended text not told to who had the old one",
        merging,
        "carry",
        _already_told,
        "everybody addressed is told, and nobody else",
    ),
    bent(
        "who had heard waits again", merging, "carry", _waits_again, "told once the superior has passed it on"
    ),
    bent(
        "carried by position", merging, "carry", _by_position, "each entry is what its answers say", first=68
    ),
    bent(
        "late answers to an earlier version do not count",
        handler.rules,
        "merge_answer",
        _late_to_the_version,
        "uncounted answers are listed",
    ),
    bent(
        "answers of an earlier epoch count",
        handler.rules,
        "merge_answer",
        _old_epoch_counts,
        "uncounted answers are listed",
    ),
    bent(
        "progress begins anew with each version",
        Roll,
        "counted",
        Roll.current,
        "progress is the sum of the newest tallies",
    ),
    bent("every version one series", Tally, "series", property(lambda _: ()), "no count above the truth"),
)
