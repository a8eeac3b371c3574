"""Units: a code names one place for ever; its path, areas and type are dated and may be restated."""

from datetime import date
from typing import Any

from services.registry.domain.desk import Desk, Place, default_path
from services.registry.domain.refused import Refused
from shared.contracts.outcomes import Event
from shared.contracts.registry import PutUnit
from shared.kernel.codes import desk_of, parse

UNIT_PUT = "unit-put"


def put_unit(desk: Desk, row: PutUnit) -> tuple[Event, ...]:
    """Create a unit, or restate it from a day on; a state already passed is never rewritten."""
    place = Place(
        kind=_kind(desk, row),
        path=default_path(row.code) if row.path is None else row.path,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        name=row.name,
        areas=row.areas,
        covers=row.covers,
        residential=row.residential,
    )
    _check_days(desk, row)
    _check_path(desk, row, place)
    for other in (*row.areas, *row.covers):
        if other not in desk.units:
            raise Refused("unknown-unit", other)
    known = desk.units.get(row.code)
    return () if known and known[-1] == place else (Event(type=UNIT_PUT, data=unit_data(row.code, place)),)


def apply_unit_put(desk: Desk, data: dict[str, Any]) -> None:
    place = place_from(data)
    states = [state for state in desk.units.get(data["code"], ()) if state.valid_from != place.valid_from]
    desk.units[data["code"]] = (*states, place)


def moved(code: str, before: Place | None, after: Place | None) -> set[str]:
    """Return the units that lie elsewhere, with whatever lies in them, if one is no longer as it was."""
    bare = Place(parse(code).kind, default_path(code), date.min)
    was, now = before or bare, after or bare
    found = set(was.covers) ^ set(now.covers)
    if (was.kind, was.path, set(was.areas)) != (now.kind, now.path, set(now.areas)):
        found.add(code)
    return found


def place_from(data: dict[str, Any]) -> Place:
    """Return a dated state from its plain data."""
    return Place(
        kind=data["kind"],
        path=tuple(data["path"]),
        valid_from=date.fromisoformat(data["valid_from"]),
        valid_to=date.fromisoformat(data["valid_to"]) if data.get("valid_to") else None,
        name=data.get("name", ""),
        areas=tuple(data.get("areas", ())),
        covers=tuple(data.get("covers", ())),
        residential=data.get("residential"),
    )


def unit_data(code: str, place: Place) -> dict[str, Any]:
    """Return a dated state as plain data, without what is empty."""
    data: dict[str, Any] = {
        "code": code,
        "kind": place.kind,
        "path": list(place.path),
        "valid_from": place.valid_from.isoformat(),
        "valid_to": place.valid_to and place.valid_to.isoformat(),
        "name": place.name,
        "areas": list(place.areas),
        "covers": list(place.covers),
        "residential": place.residential,
    }
    return {name: value for name, value in data.items() if value or name == "path"}


def _kind(desk: Desk, row: PutUnit) -> str:
    known = desk.units.get(row.code)
    kind = row.kind or (known[0].kind if known else parse(row.code).kind)
    if known and known[0].kind != kind:
        raise Refused("kind-changed", f"{row.code} is a {known[0].kind}")
    return kind


def _check_days(desk: Desk, row: PutUnit) -> None:
    if row.valid_to is not None and row.valid_to <= row.valid_from:
        raise Refused("before-valid", f"{row.code} would end before it begins")
    known = desk.units.get(row.code)
    if not known:
        return
    ended = known[-1].valid_to
    if ended is not None and row.valid_from >= ended:
        raise Refused("retired-code", f"{row.code} ended on {ended}; a code is never used again")
    if row.valid_from < known[-1].valid_from:
        raise Refused("before-valid", f"{row.code} was last restated from {known[-1].valid_from}")


def _check_path(desk: Desk, row: PutUnit, place: Place) -> None:
    if row.code in (*place.path, *row.covers, *row.areas):
        raise Refused("cycle", f"{row.code} would lie in itself")
    if row.code != desk.code and desk.code not in place.path:
        raise Refused("wrong-desk", f"{row.code} does not lie in {desk.code}")
    for above in place.path:
        if desk_of(above) != desk.code:
            continue
        known = desk.units.get(above)
        # The default path may name what is put later; a path that is given must be known.
        if row.path is not None and known is None:
            raise Refused("unknown-unit", above)
        if known is not None and row.code in known[-1].path:
            raise Refused("cycle", f"{above} lies in {row.code}")
