"""The demonstration's street against the figures of source 000."""

from collections import Counter, defaultdict
from datetime import date

import pytest

from cli.demo.changes import MOST_ROWS, bulks
from cli.demo.command import GEOGRAPHY
from cli.demo.places import read_geography
from cli.demo.shape import LEAST_POSTS, STREET, scaled
from cli.demo.world import VACANT, World, street
from shared.contracts.registry import AttachScheme, PutHousehold, PutPost, PutUnit
from shared.kernel.codes import PostId, desk_of, parse

SEED = 7
REAL = read_geography(GEOGRAPHY)


@pytest.fixture(scope="module")
def whole() -> World:
    return street(SEED, REAL)


def last_tier(world: World) -> Counter[str]:
    return Counter(seat.type for seat in world.seats if seat.type.startswith("cw5:"))


@pytest.mark.req("S0-03", "S0-04")
def test_posts_by_type_are_the_sources_and_add_up(whole: World) -> None:
    assert last_tier(whole) == {
        "cw5:area-chief": 7,
        "cw5:community-chief": 7,
        "cw5:grid-chief": 64,
        "cw5:grid-member": 64,
        "cw5:building-head": 181,
        "cw5:floor-head": 562,
        "cw5:lane-head": 520,
        "cw5:courtyard-head": 2765,
    }
    assert sum(last_tier(whole).values()) == 4170 == STREET.posts


@pytest.mark.req("S0-02")
def test_the_street_has_its_real_communities_grids_and_residents(whole: World) -> None:
    kinds = Counter(parse(place.code).kind for place in (*whole.above, *whole.places))
    assert kinds["community"] == 7
    assert kinds["grid"] == 64
    assert sum(len(household.members) for household in whole.households) == 57_125
    names = [place.name for place in whole.places if len(place.code) == 12]
    assert names[2] == "崇文路社区居委会"
    assert [place.code for place in whole.above] == ["61", "6108", "610802", "610802006"]


@pytest.mark.req("S0-05")
def test_ratios_are_those_derived_from_the_source(whole: World) -> None:
    kinds = Counter(parse(place.code).kind for place in whole.places)
    posts = last_tier(whole)
    assert round(57_125 / kinds["grid"], 1) == 892.6
    assert round(57_125 / kinds["community"]) == 8161
    assert round(kinds["grid"] / kinds["community"], 2) == 9.14
    assert round(kinds["building"] / kinds["grid"], 2) == 2.83
    assert round(posts["cw5:floor-head"] / posts["cw5:building-head"], 2) == 3.10
    assert round(posts["cw5:courtyard-head"] / posts["cw5:lane-head"], 2) == 5.32
    assert round(57_125 / sum(posts.values()), 1) == 13.7


@pytest.mark.req("S0-14")
def test_each_grid_has_one_chief_and_one_member(whole: World) -> None:
    at_grid: dict[str, list[str]] = defaultdict(list)
    for seat in whole.seats:
        if parse(seat.unit).kind == "grid":
            at_grid[seat.unit].append(seat.type)
    assert len(at_grid) == 64
    assert {tuple(types) for types in at_grid.values()} == {("cw5:grid-chief", "cw5:grid-member")}


@pytest.mark.req("S0-20")
def test_holders_have_an_affiliation_and_volunteers_hold_posts(whole: World) -> None:
    kinds = Counter(seat.affiliation for seat in whole.seats if seat.type.startswith("cw5:"))
    assert set(kinds) == {"party-member", "self-governance-body", "staff", "volunteer"}
    assert kinds["party-member"] > kinds["volunteer"] > 0


@pytest.mark.req("S3-24")
def test_one_person_holds_two_posts_and_is_counted_once_as_a_person(whole: World) -> None:
    held = Counter(seat.holder for seat in whole.seats if seat.holder)
    assert sorted(held.values())[-2:] == [1, 2]
    (person,) = (holder for holder, posts in held.items() if posts == 2)
    both = [seat for seat in whole.seats if seat.holder == person]
    assert [seat.type for seat in both] == ["cw5:area-chief", "cw5:community-chief"]
    assert both[0].unit == both[1].unit


@pytest.mark.req("S0-07", "S0-08")
def test_every_household_has_one_main_charge_within_its_span(whole: World) -> None:
    charged: Counter[str] = Counter()
    for household in whole.households:
        assert list(household.charges) == ["main"]
        post = household.charges["main"]
        assert whole.by_post[post].unit == household.unit
        charged[post] += 1
    for seat in whole.seats:
        if seat.type == "cw5:floor-head":
            assert charged.pop(seat.post) in {5, 6}
        elif seat.type == "cw5:courtyard-head":
            assert charged.pop(seat.post) in {6, 7}
    assert not charged


def test_a_handful_of_posts_is_vacant_and_nobody_else(whole: World) -> None:
    assert Counter(seat.type for seat in whole.vacant) == VACANT


def test_the_same_seed_makes_the_same_street_and_another_seed_another() -> None:
    small = street(SEED, REAL, 120)
    assert small == street(SEED, REAL, 120)
    assert small.seats != street(SEED + 1, REAL, 120).seats


@pytest.mark.parametrize("posts", [LEAST_POSTS, 41, 200, 1000, 4169, 4170])
def test_a_smaller_street_has_exactly_so_many_posts_and_every_kind_of_place(posts: int) -> None:
    world = street(SEED, REAL, posts)
    assert sum(last_tier(world).values()) == posts == scaled(posts).posts
    assert len(last_tier(world)) == 8
    assert sum(len(household.members) for household in world.households) == world.shape.residents


@pytest.mark.parametrize("posts", [0, LEAST_POSTS - 1, STREET.posts + 1])
def test_a_street_of_another_size_is_refused(posts: int) -> None:
    with pytest.raises(ValueError, match="a street has"):
        scaled(posts)


def test_codes_and_post_ids_are_well_formed(whole: World) -> None:
    for seat in whole.seats:
        assert str(PostId.parse(seat.post)) == seat.post
        assert desk_of(seat.unit) == seat.desk
    assert len({seat.post for seat in whole.seats}) == len(whole.seats)
    assert len({place.code for place in whole.places}) == len(whole.places)


def test_bulks_hold_one_desk_each_and_name_nothing_before_it_is_told(whole: World) -> None:
    units: set[str] = set()
    posts: set[str] = set()
    attached: dict[str, str] = {}
    households = 0
    for key, changes in bulks(whole):
        assert len(changes.rows) <= MOST_ROWS
        for row in changes.rows:
            match row:
                case PutUnit():
                    parent = parse(row.code).parent()
                    assert desk_of(row.code) == key
                    assert parent is None or desk_of(parent.text) != key or parent.text in units
                    units.add(row.code)
                case AttachScheme():
                    assert row.unit in units
                    attached[row.scheme] = row.unit
                case PutPost():
                    assert PostId.parse(row.post).unit in units
                    posts.add(row.post)
                case PutHousehold():
                    assert desk_of(row.unit) == key
                    assert row.unit in units
                    assert row.charges["main"] in posts
                    households += 1
                case _:
                    pytest.fail(row.do)
    assert attached == {"city-vertical": "61", "cw5": "610802006"}
    assert (len(posts), households) == (4174, len(whole.households))
    assert whole.since == date(2023, 6, 30)
