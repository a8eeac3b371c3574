"""The street as registry commands: bulk records of one desk each, in an order that can be followed."""

from collections.abc import Iterable, Iterator

from cli.demo.places import Place
from cli.demo.world import Seat, World
from shared.contracts.registry import AttachScheme, Changes, PutPost, PutUnit, Row
from shared.kernel.codes import desk_of

MOST_ROWS = 200
ATTACHED = {"city-vertical": 2, "cw5": 9}
"""Where each scheme begins to govern, as digits of the unit's code: at the province, and at the street."""


def bulks(world: World) -> Iterator[tuple[str, Changes]]:
    """Yield (K, record): every row stands behind what it refers to at its desk."""
    rows: dict[str, list[Row]] = {desk: [] for desk in world.desks}
    for place in (*world.above, *world.places):
        rows[desk_of(place.code)] += _unit(place, world)
    for seat in world.seats:
        rows[seat.desk].append(_post(seat, world))
    for household in world.households:
        rows[desk_of(household.unit)].append(household)
    for desk, its_rows in rows.items():
        for bulk in _in_bulks(its_rows):
            yield desk, bulk


def _in_bulks(rows: list[Row]) -> Iterable[Changes]:
    for start in range(0, len(rows), MOST_ROWS):
        yield Changes(rows=tuple(rows[start : start + MOST_ROWS]))


def _unit(place: Place, world: World) -> Iterator[Row]:
    yield PutUnit(code=place.code, name=place.name, residential=place.residential, valid_from=world.since)
    for scheme, digits in ATTACHED.items():
        if place in world.above and len(place.code) == digits:
            yield AttachScheme(unit=place.code, scheme=scheme, valid_from=world.since)


def _post(seat: Seat, world: World) -> Row:
    return PutPost(post=seat.post, holder=seat.holder, affiliation=seat.affiliation, valid_from=world.since)
