"""The street's places: communities down to floors and courtyards, each with the posts that stand there."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

from cli.demo.shape import Shape
from shared.contracts.registry import ResidentialType


@dataclass(frozen=True, slots=True)
class Place:
    """One unit to create, and the types of the posts it has."""

    code: str
    name: str
    types: tuple[str, ...]
    residential: ResidentialType | None = None


@dataclass(frozen=True, slots=True)
class Geography:
    """The real divisions of the slice: from the province to the street, then its communities."""

    since: date
    above: tuple[Place, ...]
    communities: tuple[Place, ...]


def read_geography(path: Path) -> Geography:
    data = json.loads(path.read_text(encoding="utf-8"))
    above, communities = [], []
    for unit in data["units"]:
        if unit["kind"] == "community":
            chiefs = ("cw5:area-chief", "cw5:community-chief")
            communities.append(Place(unit["code"], unit["name"], chiefs))
        else:
            above.append(Place(unit["code"], unit["name"], ("city-vertical:duty-desk",)))
    return Geography(date.fromisoformat(data["valid_from"]), tuple(above), tuple(communities))


def places(shape: Shape, communities: Sequence[Place], rng: Random) -> Iterator[Place]:
    """Yield every place of the last tier, what contains before what is contained."""
    grids = spread(shape.grids, shape.communities, rng)
    buildings = iter(spread(shape.buildings, shape.grids, rng))
    floors = iter(spread(shape.floors, shape.buildings, rng))
    lanes = iter(spread(shape.lanes, shape.grids, rng))
    courtyards = iter(spread(shape.courtyards, shape.lanes, rng))
    for community, its_grids in zip(communities[: shape.communities], grids, strict=True):
        yield community
        for grid in range(1, its_grids + 1):
            code = f"{community.code}{grid:03d}"
            yield Place(code, f"第{grid}网格", ("cw5:grid-chief", "cw5:grid-member"))
            for building in range(1, next(buildings) + 1):
                yield from _building(f"{code}.b{building}", building, next(floors))
            for lane in range(1, next(lanes) + 1):
                yield from _lane(f"{code}.l{lane}", lane, next(courtyards))


def _building(code: str, number: int, floors: int) -> Iterator[Place]:
    yield Place(code, f"{number}号楼", ("cw5:building-head",), "apartment")
    for floor in range(1, floors + 1):
        yield Place(f"{code}.f{floor}", f"{number}号楼{2 * floor - 1}至{2 * floor}层", ("cw5:floor-head",))


def _lane(code: str, number: int, courtyards: int) -> Iterator[Place]:
    yield Place(code, f"{number}巷", ("cw5:lane-head",), "bungalow")
    for courtyard in range(1, courtyards + 1):
        yield Place(f"{code}.y{courtyard}", f"{number}巷{courtyard}号院", ("cw5:courtyard-head",))


def grid_of(unit: str) -> str:
    """Return the grid that cares for a unit; the demonstration's codes nest."""
    return unit.partition(".")[0]


def spread(total: int, parts: int, rng: Random) -> list[int]:
    """Divide a total into parts that differ by one at most, in no order."""
    base, extra = divmod(total, parts)
    sizes = [base + 1] * extra + [base] * (parts - extra)
    rng.shuffle(sizes)
    return sizes
