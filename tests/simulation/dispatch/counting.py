"""Planted faults in tallies, in what becomes of silence, and in the close (design §4.4 to §4.6)."""

from typing import Any

from services.dispatch import ticker
from services.dispatch.domain import directive as deciding
from services.dispatch.domain import (
    escalation,
    fanout,
    merging,
    progress,
)
from services.dispatch.domain.directive import Directive
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Sheet
from services.dispatch.handlers import sheets as handler
from shared.contracts.directives import Deadlines, Order
from shared.contracts.dispatch import LinePost, Tally
from shared.contracts.registry import Roster
from shared.domain import roll
from shared.flow.documents import LOOKUP, Body
from shared.service import rollup
from tests.simulation.dispatch.ticking import DispatchReads
from tests.simulation.frame import Mutant
from tests.simulation.planted import bent, last_tally_wins

_targets = escalation.targets
_extend = deciding.extend
_close = deciding.close
_merge_tally = rollup.merge_tally
_tick = merging.tick
_view = progress.view
_due = DispatchReads.due


# --- §4.4: tallies and progress ---


def _newest_version_only(self: Tally) -> tuple[int, int, int]:
    return self.version, 0, 0


def _never_missing(held: roll.Roll[Tally]) -> tuple[str, ...]:
    del held
    return ()


def _stands_in(held: roll.Roll[Tally], tally: Tally) -> bool:
    """Show what the desks below have said before the desk itself has counted."""
    changed = _merge_tally(held, tally)
    if held.own is None:
        update = {"desk": held.desk, "covers": "own", "cells": {}, "children": (tally.desk,), "v": 0}
        held.own = tally.model_copy(update=update)
    return changed


def _complete_when_reported(held: roll.Roll[Tally], v: int) -> Any:
    shown = _view(held, v)
    return shown and shown.model_copy(update={"complete": shown.all_reported})


def _any_version(held: roll.Roll[Tally]) -> dict[str, Tally]:
    """Add what children said of any version."""
    children = held.own.children if held.own else ()
    return {desk: held.below[desk] for desk in children if desk in held.below}


# --- §4.5: silence ---


async def _due_and_moved(self: DispatchReads, collection: str, now_ms: int, limit: int) -> list[Body]:
    """Move what is due on while reading it, as if the ticker were a consumer."""
    found = await _due(self, collection, now_ms, limit)
    for body in found:
        self._store.poke(collection.removesuffix(LOOKUP), body["_id"], next_due=now_ms + 30_000)
    return found


def _any_due(held: Sheet, due: int, now: int, audience: Frozen | None) -> None:
    """Take every tick for the one that is due."""
    del due
    if held.next_due is not None:
        _tick(held, held.next_due, now, audience)


def _same_due(held: Sheet, due: int, now: int, audience: Frozen | None) -> None:
    """Climb again at the same due time."""
    before = held.next_due
    _tick(held, due, now, audience)
    held.next_due = before if held.order is not None and held.next_due is not None else held.next_due


def _climbs_at_once(held: Sheet, due: int, now: int, audience: Frozen | None) -> None:
    """Let an entry climb by ticks alone, however short a while it has been addressed."""
    if held.order is not None:
        order = held.order
        held.order = order.model_copy(update={"deadlines": Deadlines(done=1, step=0.001)})
        _tick(held, due, now, audience)
        held.order = order
    else:
        _tick(held, due, now, audience)


def _asks_the_vacant(held: Sheet, position: int, audience: Frozen | None) -> list[LinePost]:
    here = list(escalation._here(position, audience))
    return [*here, *escalation._elsewhere(held, position, audience)]


def _asks_themselves(held: Sheet, position: int, audience: Frozen | None) -> list[LinePost]:
    return [post for post in _asks_the_vacant(held, position, audience) if post.holder is not None]


def _above_the_issuer(held: Sheet, position: int, audience: Frozen | None) -> list[LinePost]:
    """Go on to the superior's superior where the issuer ought to be the last."""
    chain = _targets(held, position, audience)
    above = audience.leaves_by(position) if audience else None
    if above is None or held.order is None or above.desk >= held.order.desk:
        return chain
    return [LinePost(desk=above.desk, post=above.post, holder="somebody"), *chain]


def _stub_waits_for_ever(held: Sheet, due: int, now: int, audience: Frozen | None) -> None:
    if held.order is not None:
        _tick(held, due, now, audience)


def _nobody_new(order: Order, roster: Roster) -> list[str]:
    """Never look whether a desk came to owe the order."""
    del order, roster
    return []


# --- §4.6: close ---


def _close_anyhow(command: Any, *, known: Directive | None, **said: Any) -> Any:
    """Close without asking what the count has seen."""
    changes = known.order.changes if known else 0
    return _close(command.model_copy(update={"changes": changes}), known=known, **said)


def _extend_uncounted(command: Any, *, actor: str, known: Directive | None) -> Any:
    decided = _extend(command, actor=actor, known=known)
    if isinstance(decided, Directive) and known is not None:
        decided.order = decided.order.model_copy(update={"changes": known.order.changes})
    return decided


def _close_stays_above(held: Sheet) -> list[str]:
    """Keep the close to the desks that have it."""
    if held.closed:
        return []
    return unrelayed(held)


unrelayed = fanout.unrelayed


COUNTING: tuple[Mutant, ...] = (
    bent(
        "tallies in the order they come",
        rollup,
        "merge_tally",
        last_tally_wins,
        "what goes up is what was added",
        "progress is the sum of the newest tallies",
    ),
    bent(
        "tallies of one version are all as new",
        Tally,
        "rank",
        property(_newest_version_only),
        "progress is the sum of the newest tallies",
    ),
    bent(
        "nobody is missing",
        roll.Roll,
        "unreported",
        _never_missing,
        "progress is the sum of the newest tallies",
    ),
    bent(
        "shown without the own tally",
        rollup,
        "merge_tally",
        _stands_in,
        "nothing is shown without the own tally",
        first=180,
    ),
    bent(
        "complete before the close",
        progress,
        "view",
        _complete_when_reported,
        "progress is the sum of the newest tallies",
        "complete only once a close was accepted",
    ),
    bent("tallies of any version added", roll.Roll, "counted", _any_version, "no count above the truth"),
    bent(
        "the ticker moves due times itself",
        DispatchReads,
        "due",
        _due_and_moved,
        "a due time moves by its ticks alone",
    ),
    bent(
        "a tick for any due time",
        handler.rules,
        "tick",
        _any_due,
        "silence climbs once a due",
        "a due time moves by its ticks alone",
    ),
    bent("a due time that stays", handler.rules, "tick", _same_due, "a due time moves by its ticks alone"),
    bent(
        "climbs before a step has passed",
        handler.rules,
        "tick",
        _climbs_at_once,
        "silence climbs once a due",
        "a due time moves by its ticks alone",
    ),
    bent("vacant superiors asked", escalation, "targets", _asks_the_vacant, "no vacant post is asked"),
    bent(
        "people asked about their own post",
        escalation,
        "targets",
        _asks_themselves,
        "nobody is asked about their own post",
    ),
    bent(
        "somebody above the issuer asked",
        escalation,
        "targets",
        _above_the_issuer,
        "nobody above the issuer is asked",
    ),
    bent(
        "a stub is never reported",
        handler.rules,
        "tick",
        _stub_waits_for_ever,
        "an order that never came is reported",
    ),
    bent("new desks not looked for", ticker, "owed", _nobody_new, "who came to owe an order has it", first=8),
    bent(
        "closed without the changes",
        deciding,
        "close",
        _close_anyhow,
        "all reported only if it is so",
        first=287,
    ),
    bent(
        "an extension that is not counted",
        deciding,
        "extend",
        _extend_uncounted,
        "all reported only if it is so",
        first=8,
    ),
    bent(
        "a close that does not travel",
        fanout,
        "unrelayed",
        _close_stays_above,
        "the close reaches every desk",
    ),
)
