"""Properties of every chain, over communities of any make-up and inputs in any order."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry.domain.chain import Rosters, responsible
from services.registry.domain.compile import compile_desk
from services.registry.domain.desk import Desk
from services.registry.domain.scheme import qualified_posts
from shared.contracts.registry import PutHousehold, PutPost, PutUnit
from tests.builders.registry import (
    COMMUNITY,
    DAY,
    STREET,
    community,
    desk_of_rows,
    household,
    post,
    shipped,
    unit,
    vertical,
)

SCHEMES = shipped()
TYPES = qualified_posts(SCHEMES)
ABOVE = {
    desk: compile_desk(desk_of_rows(desk, rows, SCHEMES), TYPES, DAY).roster
    for desk, rows in vertical().items()
}
PARTS = {
    "c": ("apartment", "b", "building-head", "f", "floor-head"),
    "p": ("bungalow", "l", "lane-head", "y", "courtyard-head"),
    "m": ("commercial", None, "supervision-head", "s", "shop-head"),
}


@st.composite
def communities(draw: st.DrawFn) -> list[Any]:
    """Rows of a community: some grids, each with some areas of any type, each with posts that take charge."""
    rows = community(grids=0)
    for grid in range(draw(st.integers(1, 3))):
        code = f"{COMMUNITY}{grid + 1:03}"
        rows += [unit(code), post(code, "cw5:grid-chief"), post(code, "cw5:grid-member")]
        for area, letter in enumerate(draw(st.lists(st.sampled_from("cpm"), max_size=3)), start=1):
            rows += area_rows(f"{code}.{letter}{area}", letter, draw(st.integers(0, 3)))
    charges = [row.post for row in rows if isinstance(row, PutPost) and TYPES[row.post.split("/")[1]][1].line]
    rows += [household(n, charge.partition("/")[0], charge) for n, charge in enumerate(charges)]
    return rows


def area_rows(code: str, letter: str, charges: int) -> list[Any]:
    residential, below, liaison, last, charge = PARTS[letter]
    middle = f"{code}.{below}1" if below else code
    rows: list[Any] = [unit(code, residential=residential)]
    rows += [unit(middle)] if below else []
    rows.append(post(middle, f"cw5:{liaison}"))
    for number in range(1, charges + 1):
        rows += [unit(f"{middle}.{last}{number}"), post(f"{middle}.{last}{number}", f"cw5:{charge}")]
    return rows


def structure(rows: Sequence[Any]) -> list[Any]:
    return [row for row in rows if not isinstance(row, PutHousehold)]


@pytest.mark.req("S0-13", "F-01", "S4-02")
@given(communities())
@settings(max_examples=40, deadline=None)
def test_every_household_has_five_levels_and_the_vertical_above_them(rows: list[Any]) -> None:
    rosters = ABOVE | {
        COMMUNITY: compile_desk(desk_of_rows(COMMUNITY, structure(rows), SCHEMES), TYPES, DAY).roster
    }
    for row in rows:
        if isinstance(row, PutHousehold):
            chain = responsible(row.household, row.charges["main"], COMMUNITY, Rosters(rosters), SCHEMES)
            assert chain.length == 5
            assert [link.level for link in chain.links[:5]] == [f"cw5:{n}" for n in (5, 4, 3, 2, 1)]
            assert [link.desk for link in chain.links[5:]] == [STREET, "610802", "6108", "61"]


@given(communities())
@settings(max_examples=40, deadline=None)
def test_every_seat_leads_to_the_top_of_the_vertical_without_a_cycle(rows: list[Any]) -> None:
    compiled = compile_desk(desk_of_rows(COMMUNITY, structure(rows), SCHEMES), TYPES, DAY)
    rosters = Rosters(ABOVE | {COMMUNITY: compiled.roster})
    assert compiled.broken == ()
    for seat in compiled.roster.seats:
        links = rosters.upwards(COMMUNITY, seat.post)
        assert links[-1].post == "61/city-vertical:duty-desk"
        assert len({link.post for link in links}) == len(links)


@given(communities(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_compiling_does_not_depend_on_the_order_of_its_inputs(rows: list[Any], random: Any) -> None:
    desk = desk_of_rows(COMMUNITY, structure(rows), SCHEMES)
    units, posts = list(desk.units.items()), list(desk.posts.items())
    random.shuffle(units)
    random.shuffle(posts)
    shuffled = Desk(COMMUNITY, units=dict(units), posts=dict(posts))
    assert compile_desk(shuffled, TYPES, DAY) == compile_desk(desk, TYPES, DAY)
    reordered = []
    for kind in (PutUnit, PutPost):
        found = [row for row in structure(rows) if isinstance(row, kind)]
        reordered += random.sample(found, len(found))
    again = desk_of_rows(COMMUNITY, reordered, SCHEMES)
    assert compile_desk(again, TYPES, DAY) == compile_desk(desk, TYPES, DAY)
