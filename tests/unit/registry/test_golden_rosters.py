"""Compiling against golden rosters: one readable file for each shape a chain can have.

A golden file is corrected by hand: it says what the chain must be, not what the code happened to do.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from services.registry.domain.compile import compile_desk
from services.registry.domain.scheme import qualified_posts
from services.registry.schemes import load_schemes
from shared.contracts.registry import PutPost, Superior
from tests.builders.registry import (
    COMMUNITY,
    DAY,
    ROOT,
    SHAPES,
    STREET,
    community,
    desk_of_rows,
    post,
    unit,
    vertical,
)

GOLDEN = ROOT / "tests" / "golden" / "registry"
SCHEMES = load_schemes(ROOT / "schemes", SHAPES)
TYPES = qualified_posts(SCHEMES)
TOP = [unit(COMMUNITY), post(COMMUNITY, "shapes:head")]
C = f"{COMMUNITY}.c1"
LATER = DAY + timedelta(days=10)
# The grid member reports past the grid chief to the community chief, from a later day on.
REASSIGNED = PutPost(
    post=f"{COMMUNITY}007/cw5:grid-member",
    superior=Superior(desk=COMMUNITY, post=f"{COMMUNITY}/cw5:community-chief"),
    valid_from=LATER,
)


def compiled(desk: str, rows: Sequence[Any], day: date = DAY) -> dict[str, Any]:
    """A roster with the broken posts, as the golden files show it: one line a seat."""
    found = compile_desk(desk_of_rows(desk, rows, SCHEMES), TYPES, day)
    body = found.roster.model_dump(mode="json", exclude={"v"}, exclude_none=True)
    return {**body, "broken": list(found.broken)}


def text(roster: dict[str, Any]) -> str:
    lines = {name: json.dumps(value, ensure_ascii=False) for name, value in roster.items()}
    for name in ("seats", "children"):
        rows = [f"    {json.dumps(row, ensure_ascii=False)}" for row in roster[name]]
        lines[name] = "[\n" + ",\n".join(rows) + "\n  ]" if rows else "[]"
    return "{\n" + ",\n".join(f'  "{name}": {value}' for name, value in lines.items()) + "\n}\n"


def community_with_zone() -> list[Any]:
    grids = [unit(f"{COMMUNITY}{n:03}") for n in (1, 2)]
    buildings = [unit(f"{COMMUNITY}{n:03}.b1") for n in (1, 2)]
    zone = unit(f"{COMMUNITY}.z1", covers=(f"{COMMUNITY}001.b1", f"{COMMUNITY}002.b1"))
    posts = [post(f"{COMMUNITY}{n:03}.b1", "homonym:carer") for n in (1, 2)]
    heads = [post(f"{COMMUNITY}{n:03}", "homonym:head") for n in (1, 2)]
    zone_head = post(f"{COMMUNITY}.z1", "shapes:zone-head")
    top = [unit(COMMUNITY), post(COMMUNITY, "homonym:top"), post(COMMUNITY, "shapes:head")]
    return [*top, *grids, *buildings, zone, *posts, *heads, zone_head]


SHAPES_OF_A_CHAIN: dict[str, tuple[str, list[Any], date]] = {
    "cw5-community": (COMMUNITY, community(), DAY),
    "vertical-street": (STREET, vertical()[STREET], DAY),
    "vertical-province": ("61", vertical()["61"], DAY),
    "superior-skips-a-desk": (COMMUNITY, TOP, DAY),
    "optional-level-left-out": (
        COMMUNITY,
        [
            *TOP,
            unit(f"{COMMUNITY}.p1", residential="bungalow"),
            unit(f"{COMMUNITY}.p1.b1"),
            post(f"{COMMUNITY}.p1.b1", "shapes:carer"),
        ],
        DAY,
    ),
    "optional-level-filled": (
        COMMUNITY,
        [
            *TOP,
            post(COMMUNITY, "shapes:deputy"),
            unit(C, residential="apartment"),
            unit(f"{C}.b1"),
            post(C, "shapes:firm"),
            post(f"{C}.b1", "shapes:carer"),
        ],
        DAY,
    ),
    "another-type-of-the-level": (
        COMMUNITY,
        [
            *TOP,
            unit(C, residential="apartment"),
            unit(f"{C}.b1"),
            post(C, "shapes:group", holder=None),
            post(f"{C}.b1", "shapes:carer"),
        ],
        DAY,
    ),
    "required-level-missing": (
        COMMUNITY,
        [*TOP, unit(C, residential="apartment"), unit(f"{C}.b1"), post(f"{C}.b1", "shapes:carer")],
        DAY,
    ),
    "zone-across-two-grids": (COMMUNITY, community_with_zone(), DAY),
    "one-person-two-posts": (
        COMMUNITY,
        [unit(COMMUNITY)]
        + [
            post(COMMUNITY, f"cw5:{type_}", holder="p-secretary")
            for type_ in ("area-chief", "community-chief")
        ],
        DAY,
    ),
    "explicit-superior-before-its-day": (COMMUNITY, [*community(), REASSIGNED], LATER - timedelta(days=1)),
    "explicit-superior-from-its-day": (COMMUNITY, [*community(), REASSIGNED], LATER),
}


@pytest.mark.req("F-01", "S0-06", "S0-12", "S3-24", "M-01", "M-02")
@pytest.mark.parametrize("shape", SHAPES_OF_A_CHAIN)
def test_a_desk_compiles_to_its_golden_roster(shape: str) -> None:
    desk, rows, day = SHAPES_OF_A_CHAIN[shape]
    assert text(compiled(desk, rows, day)) == (GOLDEN / f"{shape}.json").read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_shape() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == SHAPES_OF_A_CHAIN.keys()
