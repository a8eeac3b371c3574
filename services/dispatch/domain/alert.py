"""An alert as its desk decides it: a small order to one household's chain, which the chain must answer.

The household's charge post is addressed; whoever stands above it at the desk decides for it when it is
silent, nearest first, and the highest of them, who counts as the issuer, decides last (F-04).
"""

from collections.abc import Sequence
from datetime import datetime

from services.dispatch.domain.directive import SYSTEM, Directive
from shared.contracts.base import Scope
from shared.contracts.directives import Audience, Deadlines, Order, RaiseDirective
from shared.contracts.dispatch import LinePost
from shared.contracts.registry import Roster, Seat
from shared.domain.authority import Refusal, chain_of, top_of


def raise_alert(
    command: RaiseDirective,
    *,
    actor: str,
    now: datetime,
    known: Directive | None,
    here: Roster | None,
    deadlines: Deadlines,
) -> Directive | Refusal:
    """Decide an alert; `here` is the copy of the roster of the household's desk."""
    alert = command.alert
    if actor != SYSTEM:
        return Refusal("not-the-loop", "alerts come from registered rules")
    if known is not None:
        return Refusal("directive-exists", command.directive)
    chain = _chain(here, alert.charge)
    if here is None or not chain:
        return Refusal("no-chain", alert.desk)
    order = Order(
        directive=command.directive,
        kind="alert",
        issuer=chain[-1].post,
        desk=here.desk,
        text=alert.text,
        scope=Scope(unit=alert.unit, desk=here.desk, path=here.path),
        audience=Audience(posts=(chain[0].post,)),
        mode="straight-through",
        deadlines=deadlines,
        rule=alert.rule,
        household=alert.household,
        issued_at=now,
    )
    return Directive(order, _line(here.desk, chain))


def _chain(here: Roster | None, charge: str | None) -> Sequence[Seat]:
    """Return the seats that must hear it, nearest first; without a known charge post the desk's top alone."""
    if here is None:
        return ()
    top = top_of(here)
    return (charge and chain_of(here, charge)) or ((top,) if top is not None else ())


def _line(desk: str, chain: Sequence[Seat]) -> tuple[LinePost, ...]:
    """Return who decides for the charge post, the issuer first; a chain of one decides for itself."""
    deciders = chain[1:] or chain
    return tuple(LinePost(desk=desk, post=seat.post, holder=seat.holder) for seat in reversed(deciders))
