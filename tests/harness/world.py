"""Tiny worlds as rosters: one community of three addressees, and a district over a street over two of them.

district  610802/t:duty        (issues, held by `boss`)
street    610802006/t:duty     → district
community <c>/t:area           → street        relayed
          <c>001/t:chief       → area          relayed
          <c>001/t:member      → chief         read
          <c>001/t:member/2    → chief         read
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

from shared.contracts.registry import ChildDesk, DoneAt, Roster, Seat, Superior, Verb

DISTRICT = "610802"
STREET = f"{DISTRICT}006"
FIRST = f"{STREET}003"
SECOND = f"{STREET}004"
BOSS = f"{DISTRICT}/t:duty"
STREET_DUTY = f"{STREET}/t:duty"
_VERSIONS = count(1)


def holder(post: str) -> str:
    """Return the person who holds a post."""
    return "p-" + "".join(letter if letter.isalnum() else "-" for letter in post)


def area(desk: str) -> str:
    return f"{desk}/t:area"


def chief(desk: str) -> str:
    return f"{desk}001/t:chief"


def member(desk: str, number: int = 1) -> str:
    return f"{desk}001/t:member" + (f"/{number}" if number > 1 else "")


def community(desk: str = FIRST, *, vacant: Sequence[str] = (), **other: Any) -> Roster:
    """Return a community: its area chief and the three posts below."""
    seats = (
        _seat(area(desk), "commands", "relayed", Superior(desk=STREET, post=STREET_DUTY), vacant),
        _seat(chief(desk), "accountable", "relayed", Superior(desk=desk, post=area(desk)), vacant),
        *(
            _seat(member(desk, number), "none", "read", Superior(desk=desk, post=chief(desk)), vacant)
            for number in (1, 2)
        ),
    )
    return _roster(desk, seats, **other)


def street(*children: str) -> Roster:
    """Return the street: one duty desk that commands every community named."""
    seat = _seat(STREET_DUTY, "commands", "relayed", Superior(desk=DISTRICT, post=BOSS), ())
    below = tuple(ChildDesk(desk=desk, commander=STREET_DUTY, posts=4) for desk in children)
    return _roster(STREET, (seat,), children=below)


def district() -> Roster:
    """Return the district, whose duty desk issues."""
    below = (ChildDesk(desk=STREET, commander=BOSS, posts=9),)
    return _roster(DISTRICT, (_seat(BOSS, "commands", "relayed", None, ()),), children=below)


def _seat(post: str, verb: Verb, done_at: DoneAt, superior: Superior | None, vacant: Sequence[str]) -> Seat:
    unit = post.split("/", maxsplit=1)[0]
    return Seat(
        post=post,
        level="t:1",
        verb=verb,
        done_at=done_at,
        superior=superior,
        holder=None if post in vacant else holder(post),
        unit=unit,
        within=(unit,) if len(unit) > 12 else (),
    )


def _roster(desk: str, seats: tuple[Seat, ...], **other: Any) -> Roster:
    path = tuple(desk[:size] for size in (2, 4, 6, 9) if size < len(desk))
    fields = {"desk": desk, "v": next(_VERSIONS), "on": date(2026, 1, 1), "path": path, "seats": seats}
    return Roster(**{**fields, **other})


@dataclass(frozen=True)
class Entry:
    """An addressee, the desk it is delivered at, and the state at which it is done."""

    desk: str
    post: str
    done: DoneAt


def entries_of(*rosters: Roster, issuer: str) -> list[Entry]:
    """Return who is addressed by an order of `issuer` to everything in these rosters."""
    spared = {issuer, STREET_DUTY, BOSS} if issuer.startswith(tuple(r.desk for r in rosters)) else {issuer}
    return [
        Entry(roster.desk, seat.post, seat.done_at)
        for roster in rosters
        for seat in roster.seats
        if seat.post not in spared
    ]
