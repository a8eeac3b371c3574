"""A desk as it stands on one day: what the rules of the chain look things up in."""

from collections.abc import Sequence
from datetime import date
from functools import cached_property

from services.registry.domain.desk import Desk, default_path, holds, place_of
from shared.kernel.codes import parse


class OnDay:
    """Looks are taken once and kept: a compilation asks for the same things hundreds of times."""

    def __init__(self, desk: Desk, day: date) -> None:
        self.desk = desk
        self.day = day
        self.path = desk.path(day)
        found = ((code, desk.place(code, day)) for code in desk.units)
        self.places = {code: place for code, place in found if place is not None}
        self.posts = {
            post: seat
            for post, seat in desk.posts.items()
            if holds(seat, day) and place_of(post)[0] in self.places
        }

    @cached_property
    def seats(self) -> dict[tuple[str, str], list[str]]:
        """Post ids by (unit, `scheme:type`), the first seat first."""
        found: dict[tuple[str, str], list[str]] = {}
        for post in sorted(self.posts, key=lambda post: (len(post), post)):
            found.setdefault(place_of(post), []).append(post)
        return found

    @cached_property
    def overlays(self) -> dict[str, set[str]]:
        """The areas that cover each unit, said by the area or by the unit."""
        found: dict[str, set[str]] = {}
        for code, place in self.places.items():
            if place.areas:
                found.setdefault(code, set()).update(place.areas)
            for covered in place.covers:
                found.setdefault(covered, set()).add(code)
        return found

    def kind(self, code: str) -> str:
        """Return a unit's kind; of a unit of another desk, the one its code says."""
        place = self.places.get(code)
        return place.kind if place else parse(code).kind

    def upwards(self, code: str) -> Sequence[str]:
        """Return the unit and what it lies in, nearest first, up to the province."""
        place = self.places.get(code)
        return (code, *reversed(place.path if place else default_path(code)))

    def inside(self, code: str) -> tuple[str, ...]:
        """Return the units and areas between the desk and a unit, the unit itself last."""
        if code == self.desk.code:
            return ()
        place = self.places.get(code)
        path = place.path if place else default_path(code)
        above = path[path.index(self.desk.code) + 1 :] if self.desk.code in path else ()
        areas: set[str] = set()
        if self.overlays:
            areas.update(*(self.overlays.get(unit, ()) for unit in (code, *above)))
        return (*above, *sorted(areas.difference(above, (code,))), code)
