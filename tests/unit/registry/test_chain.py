"""Chains and schemes of other shapes than the street's: what later sources need is possible now."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.registry.domain.attachments import governing
from services.registry.domain.chain import Chain, ChainLink, Rosters, responsible
from services.registry.domain.compile import compile_desk
from services.registry.domain.desk import Attachment
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

SCHEMES = load_schemes(ROOT / "schemes", SHAPES)
TYPES = qualified_posts(SCHEMES)
C = f"{COMMUNITY}.c1"
PATH = ("61", "6108", "610802", STREET)


def chain_of(rows: list[Any], charge: str | None) -> Chain:
    desks = {**vertical(), COMMUNITY: rows}
    rosters = {
        code: compile_desk(desk_of_rows(code, each, SCHEMES), TYPES, DAY).roster
        for code, each in desks.items()
    }
    return responsible("household-1", charge, COMMUNITY, Rosters(rosters), SCHEMES)


@pytest.mark.req("M-02", "F-01")
@pytest.mark.parametrize(("deputies", "length"), [(0, 4), (1, 5)])
def test_the_household_itself_is_the_last_link_where_the_scheme_says_so(deputies: int, length: int) -> None:
    rows = [
        unit(COMMUNITY),
        post(COMMUNITY, "shapes:head"),
        unit(C, residential="apartment"),
        unit(f"{C}.b1"),
    ]
    rows += [post(C, "shapes:firm"), post(f"{C}.b1", "shapes:carer")]
    rows += [post(COMMUNITY, "shapes:deputy")] * deputies
    chain = chain_of(rows, f"{C}.b1/shapes:carer")
    assert (chain.household_level, chain.length) == ("shapes:5", length)
    # The community's head reports past the street to the county.
    assert [link.desk for link in chain.links if link.desk != COMMUNITY] == ["610802", "6108", "61"]


def test_a_household_without_a_charge_has_no_chain_and_an_unknown_post_ends_one() -> None:
    assert chain_of(community(), None) == Chain("household-1", ())
    assert chain_of(community(), f"{C}.b9/cw5:floor-head").links == (
        ChainLink(COMMUNITY, f"{C}.b9/cw5:floor-head"),
    )


@pytest.mark.req("S0-01", "M-01")
def test_a_node_resolves_to_exactly_one_scheme_a_day() -> None:
    later = DAY + timedelta(days=30)
    attached = [
        Attachment("61", "city-vertical", DAY),
        Attachment(STREET, "cw5", DAY, later),
        Attachment(STREET, "shapes", later),
        Attachment("610802001", "homonym", DAY),
    ]

    def on(unit_code: str, path: tuple[str, ...], day: date) -> str | None:
        return governing(unit_code, path, attached, SCHEMES, day)

    community_path = (*PATH, COMMUNITY)
    assert on(f"{COMMUNITY}007", community_path, DAY) == "cw5"
    assert on(f"{COMMUNITY}007", community_path, later) == "shapes"
    # What is attached to govern below the street does not govern the street itself.
    assert on(STREET, PATH[:-1], DAY) == "city-vertical"
    assert on("610802001001", (*PATH[:-1], "610802001"), DAY) == "homonym"
    assert on(f"{COMMUNITY}007", community_path, DAY - timedelta(days=1)) is None


def test_edges_of_different_days_that_close_a_circle_are_cut_and_reported() -> None:
    """Each edge was legal on its own day; on the day both hold there is no top, and compiling says so."""
    chief, member = f"{COMMUNITY}007/cw5:grid-chief", f"{COMMUNITY}007/cw5:grid-member"
    head = f"{COMMUNITY}/cw5:area-chief"
    later = DAY + timedelta(days=1)
    rows = [
        *community(),
        PutPost(post=member, superior=Superior(desk=COMMUNITY, post=head), valid_from=DAY),
        PutPost(post=chief, superior=Superior(desk=COMMUNITY, post=member), valid_from=later),
        PutPost(post=member, superior=Superior(desk=COMMUNITY, post=chief), valid_from=DAY),
    ]
    compiled = compile_desk(desk_of_rows(COMMUNITY, rows, SCHEMES), TYPES, later)
    assert set(compiled.broken) == {chief, member}
    superiors = {seat.post: seat.superior for seat in compiled.roster.seats}
    assert superiors[chief] is superiors[member] is None


def test_posts_whose_type_no_scheme_has_any_more_are_reported_and_left_out() -> None:
    desk = desk_of_rows(COMMUNITY, community(), SCHEMES)
    known = {name: each for name, each in TYPES.items() if name != "cw5:grid-member"}
    compiled = compile_desk(desk, known, DAY)
    assert compiled.broken == (f"{COMMUNITY}007/cw5:grid-member",)
    assert len(compiled.roster.seats) == 11
