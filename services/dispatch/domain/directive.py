"""A directive as its issuing desk decides it: issue, cancel, extend, close.

Every refusal rests on the directive itself, on the issuer's own open directives, and on the roster copies
whose versions the outcome records (design §2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.dispatch import (
    CancelDirective,
    CloseDirective,
    Deadlines,
    ExtendDirective,
    Extension,
    IssueDirective,
    LinePost,
    Order,
    Scope,
)
from shared.contracts.registry import Roster, Seat
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
    """The stored directive: its newest version and the issuer as it was when it was given."""

    order: Order
    line: LinePost
    reason: str | None = None
    closed_at: datetime | None = None


@dataclass(slots=True)
class Issuer:
    """The directives of one post whose loop is not closed."""

    open: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is refused: a stable code, and a sentence."""

    code: str
    detail: str


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
    return Directive(order, LinePost(desk=here.desk, post=seat.post, holder=seat.holder))


def beyond_authority(
    issuer: str, scope: str, *, actor: str, here: Roster | None, there: Roster | None
) -> Refusal | None:
    """Return why this person may not give an order there; None if they may.

    `here` and `there` are the rosters of the issuer's and the scope's desks.
    """
    seat = seat_of(here, issuer)
    if here is None or seat is None:
        return Refusal("unknown-issuer", issuer)
    if seat.holder != actor:
        return Refusal("not-the-holder", issuer)
    if there is None or not _knows(there, scope):
        return Refusal("unknown-scope", scope)
    if not _covers(here, seat, there, scope):
        return Refusal("outside-scope", scope)
    return None


def cancel(
    command: CancelDirective, *, actor: str, now: datetime, known: Directive | None, here: Roster | None
) -> Directive | Refusal:
    """Decide a cancellation: the next version, told to everybody straight through."""
    if known is None:
        return Refusal("unknown-directive", command.directive)
    if command.issuer != known.order.issuer:
        return Refusal("not-the-issuer", command.issuer)
    seat = seat_of(here, command.issuer)
    if seat is None or seat.holder != actor:
        return Refusal("not-the-holder", command.issuer)
    if known.order.status == "closed":
        return Refusal("already-closed", command.directive)
    if known.order.effect == "cancel":
        return Refusal("already-cancelled", command.directive)
    order = known.order.model_copy(
        update={
            "version": known.order.version + 1,
            "effect": "cancel",
            "mode": "straight-through",
            "issued_at": now,
        }
    )
    line = LinePost(desk=known.line.desk, post=seat.post, holder=seat.holder)
    return Directive(order, line, reason=command.reason)


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


def seat_of(roster: Roster | None, post: str) -> Seat | None:
    """Return a post's seat in a roster."""
    return None if roster is None else next((seat for seat in roster.seats if seat.post == post), None)


def audience_size(there: Roster, scope: str) -> int:
    """Return an upper bound of the posts addressed, whatever their type."""
    if scope == there.desk:
        return there.posts
    return sum(1 for seat in there.seats if scope in seat.within)


def _knows(there: Roster, scope: str) -> bool:
    return scope == there.desk or any(scope in seat.within for seat in there.seats)


def _covers(here: Roster, seat: Seat, there: Roster, scope: str) -> bool:
    """Return whether the scope lies inside the issuer's own: by path, never by prefix of a code."""
    if here.desk == there.desk:
        own = seat.unit
        return own in (here.desk, scope) or _is_within(there, own, scope)
    return seat.unit == here.desk and here.desk in there.path


def _is_within(there: Roster, own: str, scope: str) -> bool:
    for seat in there.seats:
        if scope in seat.within and own in seat.within:
            return seat.within.index(own) < seat.within.index(scope)
    return False
