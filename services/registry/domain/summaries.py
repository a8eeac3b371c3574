"""What a desk tells the desk above: absolute counts of itself and everything below, newest version wins."""

from datetime import date
from typing import Any

from services.registry.domain.compile import commander, counted_by_type
from services.registry.domain.desk import Child, Desk, parent_of
from services.registry.domain.households import Counted
from services.registry.domain.refused import Refused
from shared.contracts.outcomes import Event
from shared.contracts.registry import Roster, SummariseChild

CHILD_SUMMARISED = "child-summarised"


def summarise_child(desk: Desk, row: SummariseChild) -> tuple[Event, ...]:
    """Take a child's summary, if it is newer than the one known; an older one changes nothing."""
    if row.unit != desk.code or row.child == desk.code:
        raise Refused("wrong-desk", f"{row.child} does not lie in {desk.code}")
    known = desk.children.get(row.child)
    if known is not None and known.v >= row.v:
        return ()
    return (Event(type=CHILD_SUMMARISED, data=row.model_dump(exclude={"do", "unit"}, exclude_none=True)),)


def apply_child_summarised(desk: Desk, data: dict[str, Any]) -> None:
    desk.children[data["child"]] = Child(**{name: value for name, value in data.items() if name != "child"})


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
