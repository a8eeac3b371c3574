"""Which post may act where: asked of the rosters, so that authority ends with the appointment."""

from dataclasses import dataclass

from shared.contracts.registry import Roster, Seat


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is refused: a stable code, and a sentence."""

    code: str
    detail: str


def beyond_authority(
    issuer: str, scope: str, *, actor: str, here: Roster | None, there: Roster | None
) -> Refusal | None:
    """Return why this person may not act for this post there; None if they may.

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


def seat_of(roster: Roster | None, post: str) -> Seat | None:
    """Return a post's seat in a roster."""
    return None if roster is None else next((seat for seat in roster.seats if seat.post == post), None)


def chain_of(roster: Roster, post: str) -> list[Seat]:
    """Return a post's seat and those above it at this desk, nearest first; a chain of no seat is empty."""
    seats = {seat.post: seat for seat in roster.seats}
    chain: list[Seat] = []
    named: str | None = post
    while named in seats and seats[named] not in chain:
        seat = seats[named]
        chain.append(seat)
        above = seat.superior
        named = above.post if above is not None and above.desk == roster.desk else None
    return chain


def top_of(roster: Roster) -> Seat | None:
    """Return the seat that commands a desk: the first whose superior is not at the desk."""
    here = (seat for seat in roster.seats if seat.superior is None or seat.superior.desk != roster.desk)
    return next(here, None)


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
