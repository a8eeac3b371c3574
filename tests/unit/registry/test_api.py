"""The routes: who may change what, what a bulk is answered with, and what the reads say."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.registry.schemes import load_schemes
from shared.contracts.registry import Appoint, EndAppointment, Recompile
from tests.builders.registry import (
    COMMUNITY,
    DAY,
    ROOT,
    SHAPES,
    STREET,
    RegistryInMemory,
    community,
    household,
    households,
    post,
    shipped,
    unit,
    vertical,
)
from tests.builders.registry_http import Http

GRID = f"{COMMUNITY}007"
CHIEF = f"{GRID}/cw5:grid-chief"
YARD = f"{GRID}.p1.l1.y1"
AREA_CHIEF = "p-610802006003-cw5-area-chief"
CITY_DUTY = "p-6108-city-vertical-duty-desk"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    registry = RegistryInMemory(shipped())
    await registry.build(vertical())
    await registry.change(COMMUNITY, *community(), *households())
    made = Http(registry, shipped())
    async with made.client:
        yield made


@pytest.mark.parametrize(
    ("person", "status"),
    [
        (AREA_CHIEF, 200),  # holds a post at the desk
        (CITY_DUTY, 200),  # holds a post above it
        ("operator", 200),
        ("anybody", 403),
        # A grid's chief who could appoint would be the community's by the next row.
        ("p-610802006003007-cw5-grid-chief", 403),
    ],
)
async def test_only_post_holders_here_or_above_change_a_desk(http: Http, person: str, status: int) -> None:
    answer = await http.post([unit(f"{COMMUNITY}011")], person)
    assert answer.status_code == status


async def test_a_floor_head_appoints_nobody_not_even_themselves(http: Http) -> None:
    head, day = f"p-{GRID}-c1-b1-f1-cw5-floor-head", DAY + timedelta(days=1)
    chief = f"{COMMUNITY}/cw5:area-chief"
    rows = [EndAppointment(post=chief, valid_to=day), Appoint(post=chief, holder=head, valid_from=day)]
    assert (await http.post(rows, head)).status_code == 403
    assert (await http.post(rows, AREA_CHIEF)).status_code == 200


async def test_whoever_holds_a_zone_that_a_community_lies_in_changes_it() -> None:
    """A post above stands in the community's path; one elsewhere in the street's desk does not."""
    schemes = load_schemes(ROOT / "schemes", SHAPES)
    registry = RegistryInMemory(schemes)
    await registry.build(vertical())
    zones = [f"{STREET}.z1", f"{STREET}.z2"]
    seats = [post(zone, "shapes:zone-head") for zone in zones]
    await registry.change(STREET, *map(unit, zones), *seats)
    await registry.change(COMMUNITY, unit(COMMUNITY, path=("61", "6108", "610802", STREET, zones[0])))
    http = Http(registry, schemes)
    async with http.client:
        rows = [unit(f"{COMMUNITY}011")]
        told = [(await http.post(rows, seat.holder or "")).status_code for seat in seats]
    assert told == [200, 403]


async def test_a_post_holder_of_one_community_does_not_change_another_or_the_street(http: Http) -> None:
    for row in (unit("610802006004"), unit(STREET)):
        assert (await http.post([row], AREA_CHIEF)).status_code == 403


async def test_authority_ends_with_the_appointment(http: Http) -> None:
    registry = http.registry
    registry.now += timedelta(days=1)
    end = EndAppointment(post=f"{COMMUNITY}/cw5:area-chief", valid_to=DAY + timedelta(days=1))
    await registry.change(COMMUNITY, end)
    assert (await http.post([unit(f"{COMMUNITY}011")], AREA_CHIEF)).status_code == 403


async def test_each_row_is_answered_by_itself_and_can_be_looked_up(http: Http) -> None:
    rows = [unit(f"{COMMUNITY}011"), post(GRID, "cw5:floor-head"), unit(f"{COMMUNITY}012")]
    answer = await http.post(rows, AREA_CHIEF, key="bulk-0001")
    told = answer.json()["results"]
    assert [(row["accepted"], row.get("code")) for row in told] == [
        (True, None), (False, "post-unit-mismatch"), (True, None),
    ]  # fmt: skip
    assert (await http.get("/outcomes/bulk-0001/1", AREA_CHIEF)).json() == told[1]
    assert (await http.get("/outcomes/bulk-0001/3", AREA_CHIEF)).status_code == 404
    assert (await http.get("/outcomes/bulk-0001")).status_code == 404, "another person's bulk"


async def test_the_same_key_again_is_the_same_answer_and_another_body_is_refused(http: Http) -> None:
    first = await http.post([unit(f"{COMMUNITY}011")], AREA_CHIEF, key="bulk-0002")
    again = await http.post([unit(f"{COMMUNITY}011")], AREA_CHIEF, key="bulk-0002")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    other = await http.post([unit(f"{COMMUNITY}012")], AREA_CHIEF, key="bulk-0002")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_an_undecided_bulk_is_answered_with_the_place_to_look(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.service.appending.WAIT_S", 0.05)
    http.holding = True
    answer = await http.post([unit(f"{COMMUNITY}011")], AREA_CHIEF, key="bulk-0003")
    assert (answer.status_code, answer.headers["location"]) == (202, "/outcomes/bulk-0003")


async def test_rows_of_two_desks_and_the_registrys_own_commands_do_not_get_in(http: Http) -> None:
    two = await http.post([unit(COMMUNITY), unit("610802006004")], "operator")
    assert (two.status_code, two.json()["reason"]) == (422, "wrong-desk")
    own = await http.post([Recompile(unit=COMMUNITY, on=DAY)], "operator")
    assert own.status_code == 403


async def test_nothing_is_read_without_a_token(http: Http) -> None:
    for path in (
        "/units/61",
        "/units?inside=61",
        "/posts?desk=61",
        "/findings?desk=61",
        "/outcomes/bulk-0001",
    ):
        assert (await http.client.get(path)).status_code == 401


@pytest.mark.req("S0-01")
async def test_a_unit_is_governed_by_one_scheme(http: Http) -> None:
    governed = {c: (await http.get(f"/units/{c}")).json()["scheme"] for c in ("61", STREET, COMMUNITY, YARD)}
    assert governed == {"61": "city-vertical", STREET: "city-vertical", COMMUNITY: "cw5", YARD: "cw5"}
    assert (await http.get(f"/units/{COMMUNITY}999")).status_code == 404
    assert (await http.get("/units/nowhere")).status_code == 400


async def test_units_inside_a_place_are_listed_page_by_page(http: Http) -> None:
    await http.registry.change(COMMUNITY, unit(f"{COMMUNITY}.z1", covers=(f"{GRID}.c1",)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await http.get("/units", inside="6108", limit=4, **cursor)).json()
        seen += [item["code"] for item in answer["items"]]
        if answer["cursor"] is None:
            break
        cursor = {"cursor": answer["cursor"]}
    assert seen == sorted(set(seen), key=lambda code: (code.partition(".")[0][:12], code))
    assert len(seen) == 16
    zone = (await http.get("/units", inside=f"{COMMUNITY}.z1")).json()["items"]
    assert [item["code"] for item in zone] == [
        f"{COMMUNITY}.z1", f"{GRID}.c1", f"{GRID}.c1.b1", f"{GRID}.c1.b1.f1", f"{GRID}.c1.b1.f2",
    ]  # fmt: skip
    grids = (await http.get("/units", inside=STREET, kind="grid")).json()["items"]
    assert [item["code"] for item in grids] == [GRID]


async def test_posts_of_a_desk_are_listed_by_type_and_vacancy(http: Http) -> None:
    of_type = (await http.get("/posts", AREA_CHIEF, desk=COMMUNITY, type="cw5:floor-head", limit=1)).json()
    assert [seat["post"] for seat in of_type["items"]] == [f"{GRID}.c1.b1.f1/cw5:floor-head"]
    assert (await http.get("/posts", AREA_CHIEF, desk=COMMUNITY, vacant=True)).json()["items"] == []
    rest = await http.get(
        "/posts", AREA_CHIEF, desk=COMMUNITY, type="cw5:floor-head", cursor=of_type["cursor"]
    )
    assert [seat["unit"] for seat in rest.json()["items"]] == [f"{GRID}.c1.b1.f2"]


@pytest.mark.req("S0-04", "S0-11", "S3-24")
async def test_the_summary_counts_with_and_without_the_types_the_source_does_not_count(http: Http) -> None:
    summary = (await http.get("/posts/summary", unit=STREET)).json()
    (cw5,) = (total for total in summary["schemes"] if total["scheme"] == "cw5")
    assert (cw5["all_types"], cw5["counted_types"], cw5["declared"], cw5["reconciles"]) == (
        12,
        10,
        4170,
        False,
    )
    assert cw5["uncounted"] == ["cw5:shop-head", "cw5:supervision-head"]
    inside = (await http.get("/posts/summary", unit=f"{GRID}.m1")).json()
    assert inside["by_type"] == {"cw5:shop-head": 1, "cw5:supervision-head": 1}
    # One person more on a second post: a post more, not a person more.
    before = (await http.get("/posts/summary", unit=COMMUNITY)).json()["own"]
    await http.registry.change(COMMUNITY, post(GRID, "cw5:grid-chief/2", holder=AREA_CHIEF))
    after = (await http.get("/posts/summary", unit=COMMUNITY)).json()["own"]
    assert (after["posts"] - before["posts"], after["people"] - before["people"]) == (1, 0)


@pytest.mark.req("S4-02")
async def test_vertical_coverage_names_every_level_and_the_desks_nobody_holds(http: Http) -> None:
    await http.registry.change("610802006004", unit("610802006004"))
    levels = (await http.get("/coverage", unit="6108")).json()["levels"]
    whole = {"desks": 1, "with_posts": 1, "held": 1}
    assert levels == {
        "city": whole, "county": whole, "street": whole,
        "community": {"desks": 2, "with_posts": 1, "held": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("person", "status"),
    [
        ("p-610802006003007-cw5-grid-chief", 200),  # holds a post at the desk
        (CITY_DUTY, 200),  # holds a post above it
        ("operator", 200),
        ("anybody", 404),
        ("p-610802006004-cw5-area-chief", 404),  # of the next community
    ],
)
async def test_who_holds_what_is_shown_to_those_who_share_the_chain(
    http: Http, person: str, status: int
) -> None:
    await http.registry.change("610802006004", *community("610802006004"))
    assert (await http.get("/posts", person, desk=COMMUNITY)).status_code == status
    assert (await http.get("/responsible", person, household="household-2")).status_code == status


async def test_who_commands_is_shown_to_the_posts_below_and_ends_with_the_appointment(http: Http) -> None:
    assert (await http.get("/posts", AREA_CHIEF, desk=STREET)).status_code == 200
    http.registry.now += timedelta(days=1)
    end = EndAppointment(post=f"{COMMUNITY}/cw5:area-chief", valid_to=DAY + timedelta(days=1))
    await http.registry.change(COMMUNITY, end)
    for desk in (STREET, COMMUNITY):
        assert (await http.get("/posts", AREA_CHIEF, desk=desk)).status_code == 404


@pytest.mark.req("F-01", "S0-13")
async def test_who_answers_for_a_household_is_one_full_chain_on_any_day(http: Http) -> None:
    registry, day = http.registry, DAY + timedelta(days=9)
    change = [EndAppointment(post=CHIEF, valid_to=day), Appoint(post=CHIEF, holder="p-next", valid_from=day)]
    await registry.change(COMMUNITY, *change)
    now = (await http.get("/responsible", AREA_CHIEF, household="household-2")).json()
    assert now["length"] == 5
    assert [link["post"].rpartition("/")[2] for link in now["links"]] == [
        "cw5:courtyard-head", "cw5:lane-head", "cw5:grid-chief", "cw5:community-chief", "cw5:area-chief",
        *["city-vertical:duty-desk"] * 4,
    ]  # fmt: skip
    then = (await http.get("/responsible", AREA_CHIEF, household="household-2", date=day.isoformat())).json()
    assert (now["links"][2]["holder"], then["links"][2]["holder"]) == (AREA_CHIEF.replace(
        "610802006003-cw5-area-chief", "610802006003007-cw5-grid-chief"), "p-next")  # fmt: skip
    assert then["length"] == 5
    for unknown in ({"household": "household-9"}, {"household": "household-2", "date": "2020-01-01"}):
        assert (await http.get("/responsible", AREA_CHIEF, **unknown)).status_code == 404


async def test_findings_of_a_desk_are_listed_open_or_all(http: Http) -> None:
    await http.registry.change(COMMUNITY, household(7, YARD, None))
    await http.registry.change(COMMUNITY, household(7, YARD, f"{YARD}/cw5:courtyard-head"))
    listed = {
        state: [
            item["code"] for item in (await http.get("/findings", desk=COMMUNITY, **query)).json()["items"]
        ]
        for state, query in (("all", {}), ("open", {"open": True}), ("closed", {"open": False}))
    }
    assert listed == {
        "all": ["household-without-charge"], "open": [], "closed": ["household-without-charge"],
    }  # fmt: skip
