"""A directive as its issuing desk decides it: issue, amend, cancel, extend, close.

Every refusal rests on the directive itself, on the issuer's own open directives, and on the roster copies
whose versions the outcome records (design §2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.base import Scope
from shared.contracts.directives import (
    AmendDirective,
    CancelDirective,
    CloseDirective,
    Deadlines,
    ExtendDirective,
    Extension,
    IssueDirective,
    Order,
)
from shared.contracts.dispatch import LinePost
from shared.contracts.registry import Roster
from shared.domain.authority import Refusal, beyond_authority, seat_of
from shared.kernel.codes import desk_of, desk_of_post

SYSTEM = "dispatch"
"""The actor of the loop's own commands: close and extend."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one order, and one issuer, may set in motion (U-20)."""

    audience: int
    open_directives: int


@dataclass(slots=True)
class Directive:
    """The stored directive: its newest version, and who may decide for others, the issuer first.

    Of an order that is the issuer, as it was when it was given; an alert has its whole chain here.
    """

    order: Order
    line: tuple[LinePost, ...]
    reason: str | None = None
    closed_at: datetime | None = None


@dataclass(slots=True)
class Issuer:
    """The directives of one post whose loop is not closed."""

    open: set[str] = field(default_factory=set)


def issue(
    command: IssueDirective,
    *,
    actor: str,
    now: datetime,
    known: Directive | None,
    issuer: Issuer,
    rosters: Mapping[str, Roster],
    deadlines: Deadlines,
    limits: Limits,
) -> Directive | Refusal:
    """Decide a new directive; `rosters` are the copies of the issuer's and the scope's desks."""
    if known is not None:
        return Refusal("directive-exists", command.directive)
    if command.kind != "order":
        return Refusal("unsupported-kind", command.kind)
    here, there = rosters.get(desk_of_post(command.issuer)), rosters.get(desk_of(command.scope))
    refused = beyond_authority(command.issuer, command.scope, actor=actor, here=here, there=there)
    seat = seat_of(here, command.issuer)
    if refused is not None or here is None or there is None or seat is None:
        return refused or Refusal("unknown-issuer", command.issuer)
    if audience_size(there, command.scope) > limits.audience:
        return Refusal("audience-too-large", str(limits.audience))
    if len(issuer.open) >= limits.open_directives:
        return Refusal("too-many-open-directives", str(limits.open_directives))
    order = Order(
        directive=command.directive,
        kind=command.kind,
        issuer=command.issuer,
        desk=here.desk,
        text=command.text,
        scope=Scope(unit=command.scope, desk=there.desk, path=there.path),
        audience=command.audience,
        mode=command.mode,
        deadlines=command.deadlines or deadlines,
        dimensions=command.dimensions,
        issued_at=now,
    )
    return Directive(order, (LinePost(desk=here.desk, post=seat.post, holder=seat.holder),))


def amend(
    command: AmendDirective, *, actor: str, now: datetime, known: Directive | None, here: Roster | None
) -> Directive | Refusal:
    """Decide an amendment: the next version, in the scope it had; `again` makes everybody answer anew."""
    refused = _of_the_issuer(command, actor, known, here)
    if known is None or refused is not None:
        return refused or Refusal("unknown-directive", command.directive)
    order = known.order
    if order.kind == "alert":
        return Refusal("alert-not-amended", "what a rule found is withdrawn or answered")
    said = {name: getattr(command, name) for name in ("text", "audience", "mode")}
    changes = {name: it for name, it in said.items() if it is not None and it != getattr(order, name)}
    if command.deadlines is not None:
        # Even the same ones are a change: they run anew.
        changes["deadlines"] = command.deadlines
    if not changes and not command.again:
        return Refusal("nothing-to-amend", command.directive)
    changes["epoch"] = order.epoch + command.again
    return _next_version(known, changes, reason=command.reason, now=now, here=here)


def cancel(
    command: CancelDirective, *, actor: str, now: datetime, known: Directive | None, here: Roster | None
) -> Directive | Refusal:
    """Decide a cancellation: the next version, told to everybody straight through."""
    refused = _of_the_issuer(command, actor, known, here)
    if known is None or refused is not None:
        return refused or Refusal("unknown-directive", command.directive)
    changes = {"effect": "cancel", "mode": "straight-through"}
    return _next_version(known, changes, reason=command.reason, now=now, here=here)


def _of_the_issuer(
    command: AmendDirective | CancelDirective, actor: str, known: Directive | None, here: Roster | None
) -> Refusal | None:
    """Only whoever holds the issuing post today says more about an order, and only while it is open."""
    if known is None:
        return None
    if command.issuer != known.order.issuer:
        return Refusal("not-the-issuer", command.issuer)
    seat = seat_of(here, command.issuer)
    if seat is None or seat.holder != actor:
        return Refusal("not-the-holder", command.issuer)
    if known.order.status == "closed":
        return Refusal("already-closed", command.directive)
    if known.order.effect == "cancel":
        return Refusal("already-cancelled", command.directive)
    return None


def _next_version(
    known: Directive, changes: Mapping[str, object], *, reason: str, now: datetime, here: Roster | None
) -> Directive:
    """Return the directive's next version, in the name of whoever holds the issuing post now."""
    update = {"version": known.order.version + 1, "issued_at": now, **changes}
    issuer, *below = known.line
    seat = seat_of(here, known.order.issuer)
    line = (issuer.model_copy(update={"holder": seat.holder if seat else None}), *below)
    return Directive(known.order.model_copy(update=update), line, reason=reason)


def extend(command: ExtendDirective, *, actor: str, known: Directive | None) -> Directive | Refusal:
    """Take a child desk into a live order: a change that a close must have seen."""
    refused = _of_the_loop(command.version, actor, known)
    if known is None or refused is not None:
        return refused or Refusal("unknown-directive", command.directive)
    extension = Extension(desk=command.desk, child=command.child)
    if extension in known.order.extensions:
        return Refusal("already-extended", command.child)
    order = known.order.model_copy(
        update={
            "extensions": (*known.order.extensions, extension),
            "changes": known.order.changes + 1,
        }
    )
    return Directive(order, known.line, known.reason)


def close(
    command: CloseDirective, *, actor: str, now: datetime, known: Directive | None
) -> Directive | Refusal:
    """Close the loop, if what the issuer's desk has counted is what the directive is now."""
    refused = _of_the_loop(command.version, actor, known)
    if known is None or refused is not None:
        return refused or Refusal("unknown-directive", command.directive)
    if command.changes != known.order.changes:
        return Refusal("changed-since", str(known.order.changes))
    return Directive(known.order.model_copy(update={"status": "closed"}), known.line, known.reason, now)


def _of_the_loop(version: int, actor: str, known: Directive | None) -> Refusal | None:
    if known is None:
        return None
    if actor != SYSTEM:
        return Refusal("not-the-loop", "close and extend are the loop's own commands")
    if known.order.status == "closed":
        return Refusal("already-closed", known.order.directive)
    if known.order.version != version:
        return Refusal("another-version", str(known.order.version))
    return None


def audience_size(there: Roster, scope: str) -> int:
    """Return an upper bound of the posts addressed, whatever their type."""
    if scope == there.desk:
        return there.posts
    return sum(1 for seat in there.seats if scope in seat.within)
