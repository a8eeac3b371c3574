"""Posts and who holds them: which seats may exist, whose chain they join, and one holder at a time."""

from datetime import date
from typing import Any

from services.registry.domain.compile import loops_back
from services.registry.domain.desk import Appointment, Desk, Edge, Post, holds
from services.registry.domain.on_day import OnDay
from services.registry.domain.refused import Refused
from services.registry.domain.superior import Types
from shared.contracts.outcomes import Event
from shared.contracts.registry import Appoint, EndAppointment, PutPost, Superior
from shared.kernel.codes import PostId, desk_of_post

POST_PUT = "post-put"
SUPERIOR_SET = "superior-set"
APPOINTED = "appointed"
APPOINTMENT_ENDED = "appointment-ended"
MOST = 8_000
"""Posts of one desk, ended ones included: a seat is 350 bytes of a roster, a record holds 4 MB."""


def put_post(desk: Desk, row: PutPost, types: Types) -> tuple[Event, ...]:
    """Create a seat, or restate its superior, its end or its holder."""
    _check_seat(desk, row, types)
    known = desk.posts.get(row.post)
    if known is None and len(desk.posts) >= MOST:
        raise Refused("too-many-posts", f"{desk.code} has {MOST}")
    if known is not None:
        _check_open(row.post, known, row.valid_from)
    events: list[Event] = []
    if known is None or (row.valid_to is not None and row.valid_to != known.valid_to):
        begins = known.valid_from if known else row.valid_from
        events.append(_event(POST_PUT, post=row.post, valid_from=begins, valid_to=row.valid_to))
    if row.superior is not None and (known is None or known.superior(row.valid_from) != row.superior):
        _check_superior(desk, row.post, row.superior, row.valid_from, types)
        named = row.superior.model_dump()
        events.append(_event(SUPERIOR_SET, post=row.post, superior=named, valid_from=row.valid_from))
    if row.holder is not None:
        held = Appointment(row.holder, row.affiliation, row.valid_from, row.valid_to)
        events += _appointment(row.post, known, held)
    return tuple(events)


def appoint(desk: Desk, row: Appoint) -> tuple[Event, ...]:
    post = _post(desk, row.post)
    _check_open(row.post, post, row.valid_from)
    if row.valid_to is not None and row.valid_to <= row.valid_from:
        raise Refused("before-valid", f"{row.post}: the appointment would end before it begins")
    return _appointment(
        row.post, post, Appointment(row.holder, row.affiliation, row.valid_from, row.valid_to)
    )


def end_appointment(desk: Desk, row: EndAppointment) -> tuple[Event, ...]:
    post = _post(desk, row.post)
    for held in post.appointments:
        if held.valid_to == row.valid_to:
            return ()
        if held.valid_from < row.valid_to and (held.valid_to is None or row.valid_to < held.valid_to):
            ended = {"post": row.post, "holder": held.holder, "valid_from": held.valid_from}
            return (_event(APPOINTMENT_ENDED, **ended, valid_to=row.valid_to, reason=row.reason),)
    raise Refused("not-held", f"nobody holds {row.post} up to {row.valid_to}")


def apply_post_put(desk: Desk, data: dict[str, Any]) -> None:
    post = desk.posts.get(data["post"]) or Post(date.fromisoformat(data["valid_from"]))
    post.valid_to = _day(data.get("valid_to"))
    desk.posts[data["post"]] = post


def apply_superior_set(desk: Desk, data: dict[str, Any]) -> None:
    post = desk.posts[data["post"]]
    begins = date.fromisoformat(data["valid_from"])
    kept = tuple(edge for edge in post.edges if edge.valid_from != begins)
    post.edges = (*kept, Edge(Superior.model_validate(data["superior"]), begins))


def apply_appointed(desk: Desk, data: dict[str, Any]) -> None:
    post = desk.posts[data["post"]]
    begins = date.fromisoformat(data["valid_from"])
    held = Appointment(data["holder"], data["affiliation"], begins, _day(data.get("valid_to")))
    post.appointments = (*post.appointments, held)


def apply_appointment_ended(desk: Desk, data: dict[str, Any]) -> None:
    post = desk.posts[data["post"]]
    begins, ends = date.fromisoformat(data["valid_from"]), date.fromisoformat(data["valid_to"])
    post.appointments = tuple(
        Appointment(a.holder, a.affiliation, a.valid_from, ends) if a.valid_from == begins else a
        for a in post.appointments
    )


def _check_seat(desk: Desk, row: PutPost, types: Types) -> None:
    """Refuse a seat that no scheme has, or that stands at a unit where its type does not belong."""
    post = PostId.parse(row.post)
    wanted = f"{post.scheme}:{post.type}"
    if wanted not in types:
        known = any(scheme.scheme == post.scheme for scheme, _ in types.values())
        raise Refused("unknown-post-type" if known else "unknown-scheme", wanted)
    if post.unit not in desk.units:
        raise Refused("unknown-unit", post.unit)
    if row.valid_to is not None and row.valid_to <= row.valid_from:
        raise Refused("before-valid", f"{row.post} would end before it begins")
    if row.valid_from < desk.units[post.unit][0].valid_from:
        raise Refused("before-valid", f"{post.unit} begins on {desk.units[post.unit][0].valid_from}")
    place = desk.place(post.unit, row.valid_from)
    if place is None:
        raise Refused("retired-code", f"{post.unit} has ended")
    kinds = types[wanted][1].kinds
    if place.kind not in kinds:
        raise Refused("post-unit-mismatch", f"{wanted} stands at {' or '.join(kinds)}, not {place.kind}")


def _check_open(name: str, post: Post, day: date) -> None:
    if day < post.valid_from:
        raise Refused("before-valid", f"{name} begins on {post.valid_from}")
    if not holds(post, day):
        raise Refused("retired-code", f"{name} ended on {post.valid_to}")


def _check_superior(desk: Desk, post: str, superior: Superior, day: date, types: Types) -> None:
    """Another desk's posts are not ours to look up; what is here must exist and not lead back."""
    if desk_of_post(superior.post) != superior.desk:
        raise Refused("unknown-superior", f"{superior.post} is not a post of {superior.desk}")
    if superior.desk != desk.code:
        return
    if superior.post == post:
        raise Refused("cycle", f"{post} would report to itself")
    if superior.post not in desk.posts:
        raise Refused("unknown-superior", superior.post)
    if loops_back(post, superior, OnDay(desk, day), types):
        raise Refused("cycle", f"{post} would stand above itself")


def _appointment(name: str, post: Post | None, held: Appointment) -> tuple[Event, ...]:
    for other in post.appointments if post else ():
        if other == held:
            return ()
        begins_later = held.valid_to is not None and held.valid_to <= other.valid_from
        ended_before = other.valid_to is not None and other.valid_to <= held.valid_from
        if not (begins_later or ended_before):
            raise Refused("already-held", f"{name} is held from {other.valid_from} to {other.valid_to}")
    data = {"holder": held.holder, "affiliation": held.affiliation}
    return (_event(APPOINTED, post=name, **data, valid_from=held.valid_from, valid_to=held.valid_to),)


def _post(desk: Desk, name: str) -> Post:
    if name not in desk.posts:
        raise Refused("unknown-post", name)
    return desk.posts[name]


def _event(type_: str, **data: Any) -> Event:
    plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in data.items()}
    return Event(type=type_, data={name: value for name, value in plain.items() if value is not None})


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
