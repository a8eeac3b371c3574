"""The routes that read: how much is covered, by name what is not, and who may see it."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any

import pytest

from services.screening.queries import Queries
from shared.contracts.screening import OpenRound, PersonSeen, ScreeningCommand
from tests.builders.screening import (
    CHIEF,
    DAY,
    DESK,
    FLOOR,
    GRID,
    GRID2,
    HOUR,
    HOUSES,
    NOON,
    OTHER,
    OTHER_HOUSES,
    ROUND,
    STREET,
    TODAY,
    VISITOR,
    Screening,
    charges,
    household,
    name_of,
    reading,
    roster,
    seen,
    visit,
)
from tests.builders.screening_http import Http

AREA = f"{DESK}/s:area"
DAYS = (TODAY, TODAY + DAY)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    rosters = [roster(desk) for desk in (STREET, DESK, OTHER)]
    world = Screening(*rosters, charges(), charges(OTHER, 1), *HOUSES, *OTHER_HOUSES)
    made = Http(world)
    async with made.client:
        yield made


async def opened(http: Http, scope: str = STREET, **other: Any) -> None:
    command = OpenRound(round=ROUND, issuer=CHIEF, scope=scope, title="第一轮", **other)
    await http.world.tell(ScreeningCommand(command=command))


async def items(http: Http, what: str, person: str = "boss", **query: Any) -> list[dict[str, Any]]:
    answer = await http.get(f"/rounds/{ROUND}/{what}", person, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["household"].removeprefix("household-") for row in rows]


# --- coverage ---


@pytest.mark.req("S3-04", "F-12")
async def test_coverage_is_a_tree_of_desks_with_parts_and_three_reports(http: Http) -> None:
    await opened(http)
    await http.world.tell(visit("h1"), visit("h2", "vacant"), visit("o1", desk=OTHER))
    tree = (await http.get(f"/rounds/{ROUND}/coverage", depth=1)).json()
    assert (tree["desk"], tree["total"]["households"], tree["total"]["covered"]) == (STREET, 6, 3)
    assert tree["reports"] == {
        "watched": {"of": 5, "have": 4, "percent": 80.0},
        "in_care": {"of": 6, "have": 5, "percent": 83.33},
        "checked": {"of": 6, "have": 3, "percent": 50.0},
    }
    first, second = tree["below"]
    assert (first["desk"], first["total"]["covered"]) == (DESK, 2)
    assert [(part["part"], part["total"]["households"]) for part in first["parts"]] == [(GRID, 3), (GRID2, 1)]
    assert first["parts"][0]["reports"]["checked"] == {"of": 3, "have": 2, "percent": 66.66}
    assert (second["desk"], second["reports"]["checked"]["percent"]) == (OTHER, 100.0)
    assert "below" not in first
    alone = (await http.get(f"/rounds/{ROUND}/coverage", desk=DESK)).json()
    assert alone == first
    assert (await http.get(f"/rounds/{ROUND}/coverage", desk="610802009")).status_code == 404


@pytest.mark.req("U-07")
async def test_a_level_is_read_at_once_and_a_level_too_wide_is_refused(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    rolls = Queries.rolls

    async def counted(self: Queries, round_: str, desks: Sequence[str]) -> Any:
        asked.append(len(desks))
        return await rolls(self, round_, desks)

    monkeypatch.setattr(Queries, "rolls", counted)
    monkeypatch.setattr("services.screening.queries.AT_ONCE", 1)
    await opened(http)
    tree = (await http.get(f"/rounds/{ROUND}/coverage", depth=6)).json()
    assert ([each["desk"] for each in tree["below"]], asked[:2]) == ([DESK, OTHER], [1, 2])
    assert sum(asked) == 3
    monkeypatch.setattr("shared.service.tree.MOST", 1)
    refused = await http.get(f"/rounds/{ROUND}/coverage", depth=1)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-query")
    assert (await http.get(f"/rounds/{ROUND}/coverage")).status_code == 200


@pytest.mark.req("S3-04")
async def test_of_nothing_there_is_no_share() -> None:
    empty = Screening(*(roster(desk) for desk in (STREET, DESK)), charges(DESK, 0))
    made = Http(empty)
    async with made.client:
        await opened(made, DESK)
        shown = (await made.get(f"/rounds/{ROUND}/coverage")).json()
    assert {report["percent"] for report in shown["reports"].values()} == {None}
    assert shown["total"]["households"] == 0


async def test_the_reports_of_a_window_count_places_once_and_checks_by_day(http: Http) -> None:
    await opened(http, DESK, days=DAYS)
    await http.world.tell(*(visit(each.household.removeprefix("household-")) for each in HOUSES))
    shown = (await http.get(f"/rounds/{ROUND}/coverage")).json()
    assert shown["reports"]["in_care"] == {"of": 5, "have": 4, "percent": 80.0}
    assert shown["reports"]["checked"] == {"of": 10, "have": 5, "percent": 50.0}
    assert {day: cell["covered"] for day, cell in shown["cells"].items()} == {
        "2026-01-01": 5, "2026-01-02": 0,
    }  # fmt: skip


# --- by name ---


@pytest.mark.req("S2-11", "S4-08")
async def test_every_household_that_is_not_covered_is_named_with_its_last_attempt(http: Http) -> None:
    await opened(http, DESK)
    await http.world.tell(visit("h1"), visit("h2", "nobody-home", means="phone"))
    rows = await items(http, "holes", desk=DESK)
    assert sorted(names(rows)) == ["h2", "h3", "h4", "h5"]
    by_name = {row["household"]: row for row in rows}
    assert by_name[name_of("h2")] == {
        "household": name_of("h2"), "unit": f"{GRID}.b1", "charge": FLOOR, "slot": "",
        "found": "nobody-home", "at": NOON.isoformat(), "means": "phone",
    }  # fmt: skip
    untouched = by_name[name_of("h3")]
    assert (untouched["charge"], untouched["found"], untouched["at"]) == (None, None, None)
    coverage = (await http.get(f"/rounds/{ROUND}/coverage")).json()["total"]
    assert len(rows) == coverage["households"] - coverage["covered"]


@pytest.mark.req("S2-11", "U-11")
async def test_every_person_and_day_without_an_answer_is_named(http: Http) -> None:
    await opened(http, DESK, days=DAYS)
    blank = visit("h2", members=(seen("h2"), PersonSeen(person="p-h2-b")))
    await http.world.tell(visit("h1"), blank, reading("h3"))
    rows = await items(http, "holes", desk=DESK, kind="persons")
    today = {row["person"] for row in rows if row["slot"] == "2026-01-01"}
    assert today == {"p-h2-b", "p-h3-b", "p-h4-a", "p-h4-b", "p-h5-a", "p-h5-b"}
    assert len([row for row in rows if row["slot"] == "2026-01-02"]) == 10
    total = (await http.get(f"/rounds/{ROUND}/coverage")).json()["total"]
    assert len(rows) == total["persons"] - total["persons_covered"]


@pytest.mark.req("S4-08")
async def test_what_came_late_or_later_stands_beside_the_holes(http: Http) -> None:
    await opened(http, DESK)
    http.world.copy(household("new"))
    await http.world.tell(visit("new"), visit("nobody", "refused"), visit("h1", at=NOON + DAY))
    answer = (await http.get(f"/rounds/{ROUND}/holes", desk=DESK)).json()
    assert answer["later"] == [
        {"household": name_of("new"), "slot": "", "found": "screened", "at": NOON.isoformat()}
    ]
    assert sorted((row["household"], row["why"]) for row in answer["listed"]) == [
        (name_of("h1"), "future"), (name_of("nobody"), "stranger"),
    ]  # fmt: skip
    assert names(answer["items"]).count("h1") == 1


@pytest.mark.parametrize("days", [(), DAYS])
async def test_times_at_the_ends_of_the_calendar_stop_nothing(http: Http, days: tuple[date, ...]) -> None:
    await opened(http, DESK, days=days)
    first, last = "1970-01-01T00:00:00+00:00", "8999-12-31T09:59:59-14:00"
    hot = (seen("h1", temperature=38.5),)
    for at in map(datetime.fromisoformat, (first, last)):
        await http.world.tell(visit("h1", at=at, members=hot), reading("h2", 39.0, at=at))
    answer = await http.get(f"/rounds/{ROUND}/holes", desk=DESK)
    whys = sorted(row["why"] for row in answer.json()["listed"])
    assert whys == (["future", "outside-window"] if days else ["future"])
    assert not http.world.watch.letters


@pytest.mark.req("S4-08")
async def test_revisits_come_oldest_attempt_first_and_end_with_the_round(http: Http) -> None:
    await opened(http, DESK)
    await http.world.tell(
        visit("h4", "refused", at=NOON - HOUR),
        visit("h1", "nobody-home", at=NOON - 3 * HOUR),
        visit("h5", "nobody-home", at=NOON - 2 * HOUR),
        visit("h3"),
    )
    assert names(await items(http, "revisits", desk=DESK)) == ["h1", "h5", "h4"]
    await http.world.tell(visit("h1"))
    assert names(await items(http, "revisits", desk=DESK)) == ["h5", "h4"]
    closed = await http.post(f"/rounds/{ROUND}/closure", {})
    assert closed.status_code == 201
    assert await items(http, "revisits", desk=DESK) == []
    assert len(await items(http, "holes", desk=DESK)) == 3


async def test_of_a_window_only_todays_homes_are_visited_again(http: Http) -> None:
    await opened(http, DESK, days=DAYS)
    await http.world.tell(visit("h1", "nobody-home"))
    assert names(await items(http, "revisits", desk=DESK)) == ["h1"]
    http.at = NOON + DAY
    assert await items(http, "revisits", desk=DESK) == []
    assert "h1" in names(await items(http, "worklist", "walker", post=VISITOR))
    http.at = NOON + 2 * DAY
    assert await items(http, "worklist", "walker", post=VISITOR) == []


# --- a post's work ---


async def test_a_posts_own_households_come_first_then_its_care_units_others(http: Http) -> None:
    http.world.copy(household("h1", charges={"main": VISITOR}))
    http.world.copy(household("h4", f"{GRID2}.b1", charges={"main": VISITOR}))
    http.world.copy(household("h2"))
    await opened(http, DESK)
    await http.world.tell(
        visit("h2", "nobody-home"), visit("h3", members=(seen("h3"), PersonSeen(person="p-h3-b")))
    )
    rows = await items(http, "worklist", "walker", post=VISITOR)
    # h5 is in no grid; h3 was screened, but nobody asked one of its two.
    assert [(name, row["own"]) for name, row in zip(names(rows), rows, strict=True)] == [
        ("h1", True), ("h4", True), ("h2", False), ("h3", False),
    ]  # fmt: skip
    assert [row["unasked"] for row in rows[2:]] == [["p-h2-a", "p-h2-b"], ["p-h3-b"]]
    await http.world.tell(visit("h1"), visit("h3"))
    assert names(await items(http, "worklist", "walker", post=VISITOR)) == ["h4", "h2"]


async def test_a_post_that_answers_for_no_place_in_particular_has_the_whole_desk(http: Http) -> None:
    await opened(http, DESK)
    assert sorted(names(await items(http, "worklist", "area", post=AREA))) == ["h1", "h2", "h3", "h4", "h5"]
    only = names(await items(http, "worklist", "area", post=VISITOR))
    assert sorted(only) == ["h1", "h2", "h3"], "somebody at the desk may look"


# --- lists, pages and who may see ---


async def test_rounds_are_listed_where_one_holds_a_post_and_above(http: Http) -> None:
    await opened(http)
    for person, count in (("walker", 1), ("boss", 1), ("anybody", 0)):
        listed = (await http.get("/rounds", person)).json()["items"]
        assert len(listed) == count
    assert (await http.get("/rounds", status="closed")).json()["items"] == []
    assert [each["round"] for each in (await http.get("/rounds", scope=STREET)).json()["items"]] == [ROUND]
    assert (await http.get("/rounds", scope=DESK)).json()["items"] == []
    assert (await http.get("/rounds", "anybody", scope=DESK)).status_code == 404
    assert (await http.get("/rounds", scope="nowhere")).status_code == 400


async def test_a_round_of_a_place_below_is_listed_by_naming_the_place(http: Http) -> None:
    await opened(http, DESK)
    assert (await http.get("/rounds")).json()["items"] == []
    (listed,) = (await http.get("/rounds", scope=DESK)).json()["items"]
    assert listed == (await http.get(f"/rounds/{ROUND}", "walker")).json()


@pytest.mark.parametrize(
    ("person", "status"), [("boss", 200), ("walker", 200), ("area", 200), ("anybody", 404)]
)
async def test_what_lies_out_of_ones_way_is_not_there(http: Http, person: str, status: int) -> None:
    await opened(http, DESK)
    for path in ("", "/coverage", f"/holes?desk={DESK}", f"/revisits?desk={DESK}", f"/worklist?post={AREA}"):
        answer = await http.client.get(f"/rounds/{ROUND}{path}", headers=http.headers(person))
        assert answer.status_code == status, path


async def test_names_of_a_neighbouring_community_are_not_shown(http: Http) -> None:
    await opened(http)
    for what in ("holes", "revisits"):
        assert (await http.get(f"/rounds/{ROUND}/{what}", "walker", desk=OTHER)).status_code == 404
        assert (await http.get(f"/rounds/{ROUND}/{what}", "boss", desk=OTHER)).status_code == 200
    counts = await http.get(f"/rounds/{ROUND}/coverage", "walker", desk=OTHER)
    assert counts.status_code == 200, "counts name nobody"


async def test_pages_are_walked_to_their_end_and_a_cursor_is_no_door(http: Http) -> None:
    await opened(http, DESK)
    seen_names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await http.get(f"/rounds/{ROUND}/holes", desk=DESK, limit=2, **cursor)).json()
        seen_names += names(answer["items"])
        if answer["cursor"] is None:
            break
        cursor = {"cursor": answer["cursor"]}
    assert sorted(seen_names) == ["h1", "h2", "h3", "h4", "h5"]
    for bad in ("WyJ4Il0", "Wy0xXQ", "!"):
        answer = await http.get(f"/rounds/{ROUND}/holes", desk=DESK, cursor=bad)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


async def test_a_desk_that_cannot_be_counted_yet_names_nothing(http: Http) -> None:
    http.world.copy(charges(DESK, 6, v=2))
    await opened(http)
    assert await items(http, "holes", desk=DESK) == []
    assert await items(http, "worklist", "walker", post=VISITOR) == []
    tree = (await http.get(f"/rounds/{ROUND}/coverage")).json()
    assert (tree["missing"], tree["unreported"]) == (1, [DESK])
    unknown = await http.get(f"/rounds/{ROUND}/worklist", "walker", post=f"{DESK}/s:ghost")
    assert unknown.status_code == 404
    for post in ("nobody", f"{GRID}x/s:grid"):
        assert (await http.get(f"/rounds/{ROUND}/worklist", "walker", post=post)).status_code == 400
