"""Valid objects of dispatch, with overrides: a community of one grid under a street, and what is said there.

street   S/s:chief            (the issuer, held by `boss`)
desk     D/s:area             (area chief)         → S/s:chief
         D001/s:grid          (grid chief)         → area
         D001.b1/s:head       (building head)      → grid
         D001.b1.f1/s:floor   (floor head)         → head
         D001.b1.f2/s:floor   (floor head)         → head
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.dispatch.domain.frozen import Frozen, build, freeze
from services.dispatch.domain.merging import merge_relay
from services.dispatch.domain.sheet import Sheet
from shared.contracts.alerts import Alert
from shared.contracts.base import Scope
from shared.contracts.directives import Deadlines, Order
from shared.contracts.dispatch import Answer, LinePost, Relay, Tally
from shared.contracts.registry import ChildDesk, Roster, Seat, Superior

STREET = "610802006"
DESK = f"{STREET}003"
OTHER = f"{STREET}004"
GRID = f"{DESK}001"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIRECTIVE = "01JGXA00000000000000000001"

CHIEF = f"{STREET}/s:chief"
AREA = f"{DESK}/s:area"
GRID_CHIEF = f"{GRID}/s:grid"
HEAD = f"{GRID}.b1/s:head"
FLOOR1 = f"{GRID}.b1.f1/s:floor"
FLOOR2 = f"{GRID}.b1.f2/s:floor"

LEVELS = {"chief": "s:0", "area": "s:1", "grid": "s:3", "head": "s:4", "floor": "s:5", "aide": "s:3"}
VERBS = {
    "area": "commands",
    "grid": "accountable",
    "head": "liaises",
    "floor": "takes-charge",
    "aide": "none",
}
DONE_AT = {"floor": "executed", "aide": "read"}


def at(hours: float = 0.0) -> int:
    """Return noon plus some hours, in milliseconds."""
    return int((NOON + hours * HOUR).timestamp() * 1000)


def seat(post: str, superior: str | None = None, holder: str | None = "same-as-post", **other: Any) -> Seat:
    """Return a seat; held by a person named after the post; `None` leaves it vacant."""
    unit, type_ = post.split("/")[:2]
    name = type_.partition(":")[2]
    above = Superior(desk=superior.split("/")[0][:12], post=superior) if superior else None
    fields: dict[str, Any] = {
        "post": post,
        "level": LEVELS.get(name, "s:9"),
        "verb": VERBS.get(name, "relays"),
        "done_at": DONE_AT.get(name, "relayed"),
        "superior": above,
        "holder": handle(post) if holder == "same-as-post" else holder,
        "unit": unit,
        "within": _within(unit),
    }
    return Seat(**{**fields, **other})


def handle(post: str) -> str:
    """Return the person who holds a post where a test does not care who."""
    return "p-" + "".join(letter if letter.isalnum() else "-" for letter in post)


def _within(unit: str) -> tuple[str, ...]:
    head, *segments = unit.split(".")
    if len(head) <= 12:
        return () if not segments else (unit,)
    return tuple(".".join([head, *segments[:size]]) for size in range(len(segments) + 1))


def community(*, vacant: Sequence[str] = (), holders: Mapping[str, str] | None = None) -> tuple[Seat, ...]:
    """Return the five seats of the desk, some of them vacant or held by somebody named."""
    superiors = {AREA: CHIEF, GRID_CHIEF: AREA, HEAD: GRID_CHIEF, FLOOR1: HEAD, FLOOR2: HEAD}
    held = {post: handle(post) for post in superiors} | dict(holders or {})
    return tuple(
        seat(post, superior, None if post in vacant else held[post]) for post, superior in superiors.items()
    )


def roster(desk: str = DESK, seats: Sequence[Seat] | None = None, **other: Any) -> Roster:
    """Return the desk's roster."""
    fields: dict[str, Any] = {
        "desk": desk,
        "v": 1,
        "on": date(2026, 1, 1),
        "path": tuple(desk[:size] for size in (2, 4, 6, 9) if size < len(desk)),
        "seats": tuple(community() if seats is None else seats),
    }
    return Roster(**{**fields, **other})


def street_roster(*children: str, **other: Any) -> Roster:
    """Return the roster of the desk above: the issuer's seat, which commands every child."""
    below = tuple(ChildDesk(desk=child, commander=CHIEF, posts=5) for child in children or (DESK,))
    return roster(STREET, **{"seats": (seat(CHIEF, holder="boss"),), "children": below, **other})


def order(**other: Any) -> Order:
    """Return an order of the street to the whole desk: an hour to answer, half an hour between rungs."""
    fields: dict[str, Any] = {
        "directive": DIRECTIVE,
        "issuer": CHIEF,
        "desk": STREET,
        "text": "逐户排查，今日完成。",
        "scope": Scope(unit=DESK, desk=DESK, path=("61", "6108", "610802", STREET)),
        "deadlines": Deadlines(done=3600, step=1800),
        "issued_at": NOON,
    }
    return Order(**{**fields, **other})


def cancelled(first: Order) -> Order:
    """Return version 2 of an order, as `directive.cancel` makes it."""
    changes = {"version": first.version + 1, "effect": "cancel", "mode": "straight-through"}
    return first.model_copy(update=changes)


def amended(first: Order, *, again: bool = False, **changes: Any) -> Order:
    """Return the next version of an order, as `directive.amend` makes it, given an hour later."""
    made = {"version": first.version + 1, "epoch": first.epoch + again, "issued_at": NOON + HOUR}
    return first.model_copy(update={"text": "今日12时前完成。", **made, **changes})


def relay(given: Order | None = None, **other: Any) -> Relay:
    """Return the order's arrival at the desk."""
    line = (LinePost(desk=STREET, post=CHIEF, holder="boss"),)
    return Relay(**{"order": given or order(), "to": DESK, "sender": STREET, "line": line, **other})


def answer(addressee: str, state: str, **other: Any) -> Answer:
    """Return an answer at noon; a reason is supplied where one is needed."""
    fields: dict[str, Any] = {
        "directive": DIRECTIVE,
        "version": 1,
        "epoch": 0,
        "desk": DESK,
        "addressee": addressee,
        "state": state,
        "at": NOON,
    }
    if state == "refused" or other.get("by"):
        fields["reason"] = "走访中，电话不通"
    return Answer(**{**fields, **other})


def frozen(seats: Sequence[Seat] | None = None, children: Sequence[ChildDesk] = (), **other: Any) -> Frozen:
    """Return an audience of these seats (default: the community's)."""
    fields: dict[str, Any] = {
        "desk": DESK,
        "version": 1,
        "roster_v": 1,
        "seats": community() if seats is None else seats,
        "children": children,
        "cancels": False,
        "dimensions": ("level",),
    }
    return build(**{**fields, **other})


def sheet(given: Order | None = None, by: Roster | None = None) -> tuple[Sheet, Frozen]:
    """Return a sheet that its relay has frozen at noon."""
    the_order = given or order()
    audience = freeze(the_order, by or roster())
    new = Sheet(the_order.directive, audience.desk)
    merge_relay(new, relay(the_order, to=audience.desk), audience, NOON)
    return new, audience


def tally(desk: str = DESK, **other: Any) -> Tally:
    """Return a desk's own tally with nothing counted."""
    fields: dict[str, Any] = {
        "directive": DIRECTIVE,
        "desk": desk,
        "to": desk,
        "covers": "own",
        "version": 1,
        "v": 1,
        "issuer": CHIEF,
        "due": NOON + HOUR,
    }
    return Tally(**{**fields, **other})


def alert(**other: Any) -> Alert:
    """Return a fever at a household on the first floor, as screening says it."""
    fields: dict[str, Any] = {
        "alert": DIRECTIVE,
        "rule": "fever",
        "version": "2026-01-01",
        "desk": DESK,
        "unit": f"{GRID}.b1.f1.d101",
        "household": "household-0001",
        "charge": FLOOR1,
        "text": "体温 38.2，请上门核实。",
        "at": NOON,
    }
    return Alert(**{**fields, **other})
