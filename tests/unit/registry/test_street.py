"""The street of source 000 at its own numbers: 7 communities, 64 grids, 4,170 posts, 57,125 residents."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.registry.schemes import read_geography
from shared.contracts.registry import AttachScheme, PutUnit
from tests.builders.registry import (
    COMMUNITY,
    DAY,
    DESKS,
    FINDINGS,
    ROOT,
    ROSTERS,
    STREET,
    RegistryInMemory,
    household,
    post,
    shipped,
    unit,
)

GRIDS, BUILDINGS, FLOOR_HEADS, LANES, COURTYARDS, RESIDENTS = 64, 181, 562, 520, 2765, 57_125


def share(total: int, parts: int, part: int) -> int:
    """One part of a total that is cut as evenly as whole numbers allow."""
    return total * (part + 1) // parts - total * part // parts


def rows_of_grid(code: str, grid: int) -> Iterator[Any]:
    yield from (unit(code), post(code, "cw5:grid-chief"), post(code, "cw5:grid-member"))
    yield unit(f"{code}.c1", residential="apartment")
    yield unit(f"{code}.p1", residential="bungalow")
    buildings, floors = share(BUILDINGS, GRIDS, grid), share(FLOOR_HEADS, GRIDS, grid)
    for building in range(buildings):
        place = f"{code}.c1.b{building + 1}"
        yield from (unit(place), post(place, "cw5:building-head"))
        for floor in range(share(floors, buildings, building)):
            yield from (unit(f"{place}.f{floor + 1}"), post(f"{place}.f{floor + 1}", "cw5:floor-head"))
    lanes, yards = share(LANES, GRIDS, grid), share(COURTYARDS, GRIDS, grid)
    for lane in range(lanes):
        place = f"{code}.p1.l{lane + 1}"
        yield from (unit(place), post(place, "cw5:lane-head"))
        for yard in range(share(yards, lanes, lane)):
            yield from (unit(f"{place}.y{yard + 1}"), post(f"{place}.y{yard + 1}", "cw5:courtyard-head"))


def rows_of_community(row: PutUnit, number: int) -> Iterator[Any]:
    code = row.code
    yield row.model_copy(update={"valid_from": DAY})
    yield from (post(code, "cw5:area-chief"), post(code, "cw5:community-chief"))
    first = sum(share(GRIDS, 7, n) for n in range(number))
    for grid in range(first, first + share(GRIDS, 7, number)):
        yield from rows_of_grid(f"{code}{grid + 1:03}", grid)


@pytest.mark.req("S0-02", "S0-03", "S0-04", "S0-14")
async def test_the_street_of_the_source_compiles_and_reconciles_without_a_finding() -> None:
    registry = RegistryInMemory(shipped())
    *above, street = list(read_geography(ROOT / "schemes" / "geography" / "610802006.json"))[:4]
    for row in (*above, street):
        await registry.change(row.code, row, post(row.code, "city-vertical:duty-desk"))
    communities = list(read_geography(ROOT / "schemes" / "geography" / "610802006.json"))[4:]
    for number, row in enumerate(communities):
        # A few large households stand for its residents: what is summed is the count of members.
        residents = share(RESIDENTS, 7, number)
        living = [household(100 * number + n, row.code, None, share(residents, 50, n)) for n in range(50)]
        outcome = await registry.change(row.code, *rows_of_community(row, number), *living)
        assert all(result.accepted for result in outcome.results)
    await registry.change(STREET, AttachScheme(unit=STREET, scheme="cw5", valid_from=DAY))
    desk, roster = registry.value(DESKS, STREET), registry.value(ROSTERS, STREET)
    assert len(roster.children) == 7
    assert roster.posts == 4170 + 1, "the posts of the source and the street's own duty desk"
    assert sum(child.residents for child in desk.children.values()) == RESIDENTS
    assert registry.value(FINDINGS, STREET) is None, "no finding was ever opened, let alone closed"
    for row in communities:
        found = registry.value(FINDINGS, row.code).items.values()
        # Its residents stand in households that no post was charged with.
        assert {f.finding.code for f in found if f.finding.open} == {"household-without-charge"}
    assert {seat.superior is not None for seat in registry.value(ROSTERS, COMMUNITY).seats} == {True}
