"""What a desk tells the desk above: absolute counts of itself and everything below, newest version wins."""

from dataclasses import replace
from datetime import date
from typing import Any

from services.registry.domain.compile import commander, counted_by_type
from services.registry.domain.desk import Child, Desk, parent_of
from services.registry.domain.households import Counted
from services.registry.domain.refused import Refused
from shared.contracts.outcomes import Event
from shared.contracts.registry import Roster, SummariseChild

CHILD_SUMMARISED = "child-summarised"
CHILD_HEARD = "child-heard"


def summarise_child(desk: Desk, row: SummariseChild) -> tuple[Event, ...]:
    """Take a child's summary, if it is newer than the one known; an older one changes nothing.

    One that says the same is noted by its version alone: nothing is compiled for it, and nothing told above.
    """
    if row.unit != desk.code or row.child == desk.code:
        raise Refused("wrong-desk", f"{row.child} does not lie in {desk.code}")
    known = desk.children.get(row.child)
    if known is not None and known.v >= row.v:
        return ()
    data = row.model_dump(exclude={"do", "unit"}, exclude_none=True)
    if known is not None and replace(known, v=row.v) == _child(data):
        return (Event(type=CHILD_HEARD, data={"child": row.child, "v": row.v}),)
    return (Event(type=CHILD_SUMMARISED, data=data),)


def apply_child_summarised(desk: Desk, data: dict[str, Any]) -> None:
    desk.children[data["child"]] = _child(data)


def apply_child_heard(desk: Desk, data: dict[str, Any]) -> None:
    desk.children[data["child"]] = replace(desk.children[data["child"]], v=data["v"])


def _child(data: dict[str, Any]) -> Child:
    return Child(**{name: value for name, value in data.items() if name != "child"})


def posts_by_type(desk: Desk, roster: Roster) -> dict[str, int]:
    """Count the posts of a desk and of every desk below it."""
    total = counted_by_type(seat.post for seat in roster.seats)
    for child in desk.children.values():
        if not child.gone:
            for type_, count in child.posts_by_type.items():
                total[type_] = total.get(type_, 0) + count
    return dict(sorted(total.items()))


def summaries(desk: Desk, roster: Roster, counted: Counted, *, v: int, day: date) -> list[SummariseChild]:
    """Return what each desk that is or was the one above must be told; the uppermost tells nobody."""
    parent = parent_of(roster.path)
    ended = desk.code in desk.units and desk.place(desk.code, day) is None
    below = [child for child in desk.children.values() if not child.gone]
    told = []
    if parent is not None and not ended:
        told.append(
            SummariseChild(
                unit=parent,
                child=desk.code,
                v=v,
                commander=commander(roster),
                posts_by_type=posts_by_type(desk, roster),
                households=counted.households + sum(child.households for child in below),
                residents=counted.members + sum(child.residents for child in below),
            )
        )
    former = sorted(each for each in desk.parents if each != parent or ended)
    told += [SummariseChild(unit=each, child=desk.code, v=v, gone=True) for each in former]
    return told
