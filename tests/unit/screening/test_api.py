"""The routes that append: who may say what, what a bad body is answered with, and what is appended then."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.screening.api import BULK_MOST
from shared.contracts import screening as contract
from shared.contracts.envelope import header
from shared.contracts.screening import Visit
from tests.builders.screening import (
    CHIEF,
    DAY,
    DESK,
    GRID,
    HOUR,
    HOUSES,
    NOON,
    OTHER,
    OTHER_HOUSES,
    STREET,
    VISITOR,
    Screening,
    charges,
    name_of,
    roster,
    visit,
)
from tests.builders.screening_http import Http

AREA = f"{DESK}/s:area"
NEW = {"issuer": AREA, "scope": DESK, "title": "第一轮入户排查"}


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    rosters = [roster(desk) for desk in (STREET, DESK, OTHER)]
    world = Screening(*rosters, charges(), charges(OTHER, 1), *HOUSES, *OTHER_HOUSES)
    made = Http(world)
    async with made.client:
        yield made


def row(name: str = "h1", found: str = "screened", **other: Any) -> dict[str, Any]:
    """Return a visit as somebody sends it, without a time."""
    body = visit(name, found).model_dump(mode="json", exclude_none=True, exclude={"at"})
    return body | other


async def opened(http: Http, person: str = "area", key: str = "round-0001", **other: Any) -> str:
    answer = await http.post("/rounds", NEW | other, person, key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["round"])


# --- rounds ---


@pytest.mark.req("S4-08")
async def test_rounds_are_numbered_and_one_is_open_at_a_time(http: Http) -> None:
    first = await http.post("/rounds", NEW, "area", "round-0001")
    assert (first.status_code, first.json()) == (201, {"round": "round-0001", "number": 1})
    assert first.headers["location"] == "/rounds/round-0001"
    second = await http.post("/rounds", NEW, "area", "round-0002")
    assert (second.status_code, second.json()["reason"]) == (422, "round-already-open")
    closed = await http.post("/rounds/round-0001/closure", {}, "area")
    assert (closed.status_code, closed.json()["status"]) == (201, "closed")
    third = await http.post("/rounds", NEW, "area", "round-0003")
    assert third.json()["number"] == 2


async def test_the_same_key_is_the_same_round_and_another_body_is_refused(http: Http) -> None:
    first = await http.post("/rounds", NEW, "area", "round-0001")
    again = await http.post("/rounds", NEW, "area", "round-0001")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    other = await http.post("/rounds", NEW | {"title": "别的"}, "area", "round-0001")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("person", "changed", "reason"),
    [
        ("boss", {}, "not-the-holder"),
        ("area", {"scope": OTHER}, "outside-scope"),
        ("area", {"scope": STREET}, "outside-scope"),
        ("walker", {"issuer": VISITOR}, "outside-scope"),
        ("area", {"issuer": f"{DESK}/s:ghost"}, "unknown-issuer"),
        ("area", {"scope": f"{DESK}099"}, "unknown-scope"),
    ],
)
async def test_a_round_beyond_ones_post_is_forbidden_and_nothing_is_appended(
    http: Http, person: str, changed: dict[str, str], reason: str
) -> None:
    answer = await http.post("/rounds", NEW | changed, person)
    assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    assert http.log == []


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("/rounds", {**NEW, "days": ["2026-01-02", "2026-01-01"]}, "days"),
        ("/rounds", {**NEW, "title": ""}, "title"),
        ("/rounds", {**NEW, "issuer": "somebody"}, "issuer"),
        ("/criteria", {**NEW, "name": "返乡", "text": "x"}, "name"),
        ("/criteria", {**NEW, "name": "returned", "text": "x", "areas": ["61"] * 1_001}, "areas"),
        ("/visits", [], ""),
        ("/visits", row() | {"found": "hiding"}, "found"),
        ("/visits", row() | {"found": "nobody-home"}, ""),
        ("/visits", row(household="王 芳"), "household"),
        ("/visits", row(at="2026-01-01T12:00:00"), "at"),
        ("/visits", row(members=[{"person": "p-h1-a", "temperature": 77}]), "members.0.temperature"),
        ("/visits/bulk", {"visits": []}, "visits"),
        ("/visits/bulk", {"visits": [1] * (BULK_MOST + 1)}, "visits"),
        (
            "/readings",
            {"desk": DESK, "household": "hh-00000001", "person": "p-1", "means": "door"},
            "temperature",
        ),
    ],
)
async def test_a_body_that_is_nothing_is_a_problem_and_nothing_is_appended(
    http: Http, path: str, body: Any, at: str
) -> None:
    answer = await http.post(path, body, "area")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert [fault["at"] for fault in answer.json()["errors"]] == [at]
    assert http.log == []


async def test_a_body_is_read_up_to_its_limit_and_a_bulk_up_to_its_own(http: Http) -> None:
    for path, size in (("/visits", 8_193), ("/visits/bulk", 524_289)):
        answer = await http.client.post(path, content=b" " * size, headers=http.headers("area"))
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_a_round_is_closed_by_who_covers_its_scope_and_nobody_else(http: Http) -> None:
    round_ = await opened(http)
    below = await http.post(f"/rounds/{round_}/closure", {"issuer": VISITOR}, "walker")
    assert (below.status_code, below.json()["reason"]) == (403, "outside-scope")
    above = await http.post(f"/rounds/{round_}/closure", {"issuer": CHIEF}, "boss")
    assert above.status_code == 201
    again = await http.post(f"/rounds/{round_}/closure", {"issuer": CHIEF}, "boss")
    assert (again.status_code, again.json()["reason"]) == (422, "already-closed")
    assert (await http.post("/rounds/no-such-round/closure", {}, "boss")).status_code == 404


async def test_a_criterion_is_widened_as_a_new_version_and_never_narrowed(http: Http) -> None:
    criterion = {"name": "returned", "issuer": AREA, "scope": DESK, "text": "返乡人员"}
    versions = [
        (await http.post("/criteria", criterion | {"areas": areas}, "area")).json().get("version")
        for areas in (["4201"], ["4201", "3302"], ["4201", "3302"])
    ]
    assert versions == [1, 2, 2]
    narrower = await http.post("/criteria", criterion | {"areas": ["3302"]}, "area")
    assert (narrower.status_code, narrower.json()["reason"]) == (422, "not-wider")
    await opened(http, criterion="returned")
    assert (await http.get("/rounds/round-0001")).json()["criterion_version"] == 2


async def test_an_undecided_command_is_answered_with_the_place_to_look(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.service.appending.WAIT_S", 0.02)
    http.holding = True
    answer = await http.post("/rounds", NEW, "area", "round-0001")
    assert (answer.status_code, answer.headers["location"]) == (202, "/outcomes/round-0001")
    assert (await http.get("/outcomes/round-0001", "area")).status_code == 404
    await http.world.settle(http.log)
    assert (await http.get("/outcomes/round-0001", "area")).json()["results"][0]["accepted"] is True
    assert (await http.get("/outcomes/round-0001", "boss")).status_code == 404, "another person's"


# --- visits ---


@pytest.mark.req("U-12")
async def test_a_visit_is_appended_for_its_desk_with_the_time_of_the_clock(http: Http) -> None:
    round_ = await opened(http)
    http.log.clear()
    answer = await http.post("/visits", row(round=round_), "walker", "visit-0001")
    assert (answer.status_code, answer.json()) == (202, {"visit": "visit-0001"})
    (appended,) = http.log
    assert (appended.topic, appended.key) == ("screening.visits.v1", DESK.encode())
    assert (header(appended.headers, "ce_id"), header(appended.headers, "ce_actor")) == (
        "visit-0001",
        "walker",
    )
    body = Visit.model_validate_json(appended.value or b"")
    assert (body.at, len(body.members)) == (NOON, 2)
    assert http.world.coverage().total.covered == 1


@pytest.mark.parametrize(
    ("person", "by", "desk", "status"),
    [
        ("walker", VISITOR, DESK, 202),
        ("area", AREA, DESK, 202),
        ("boss", CHIEF, DESK, 202),  # from above
        ("boss", CHIEF, OTHER, 202),
        ("boss", VISITOR, DESK, 403),  # not the holder
        ("walker", VISITOR, OTHER, 403),  # another community
        ("area", AREA, STREET, 403),  # from below
        ("boss", CHIEF, "610802009001", 403),  # a desk nobody here knows
        ("walker", "nowhere/s:grid", DESK, 422),
    ],
)  # fmt: skip
async def test_who_speaks_holds_the_post_and_it_is_of_the_desk_or_above_it(
    http: Http, person: str, by: str, desk: str, status: int
) -> None:
    answer = await http.post("/visits", row(by=by, desk=desk), person)
    assert answer.status_code == status, answer.text
    reading = {
        "desk": desk,
        "household": name_of("h1"),
        "person": "p-h1-a",
        "temperature": 36.6,
        "means": "phone",
    }
    said = await http.post("/readings", reading | {"by": by}, person)
    assert said.status_code == status
    bulk = await http.post("/visits/bulk", {"visits": [row(by=by, desk=desk)]}, person)
    assert (bulk.status_code, bulk.json()["accepted"]) == (200, int(status == 202))
    assert len(http.log) == (3 if status == 202 else 0)


async def test_a_time_ahead_is_taken_as_far_as_a_phones_clock_may_be_wrong(http: Http) -> None:
    for ahead, status in ((timedelta(seconds=300), 202), (timedelta(seconds=301), 422), (DAY, 422)):
        answer = await http.post("/visits", row(at=(NOON + ahead).isoformat()), "walker")
        assert answer.status_code == status
    assert answer.json()["reason"] == "from-the-future"
    past = await http.post("/visits", row(at=(NOON - 3 * DAY).isoformat()), "walker")
    assert past.status_code == 202
    assert len(http.log) == 2


async def test_a_reading_says_whose_word_it_is(http: Http) -> None:
    reading = {
        "desk": DESK,
        "household": name_of("h1"),
        "person": "p-h1-a",
        "temperature": 36.6,
        "means": "phone",
    }
    nobodys = await http.post("/readings", reading, "walker")
    assert (nobodys.status_code, nobodys.json()["code"]) == (422, "invalid-body")
    said = await http.post("/readings", reading | {"by": VISITOR}, "walker", "reading-0001")
    assert (said.status_code, said.json()) == (202, {"reading": "reading-0001"})
    (appended,) = http.log
    assert header(appended.headers, "ce_type") == contract.READING


async def test_a_bulk_is_right_or_wrong_row_by_row(http: Http) -> None:
    rows: list[Any] = [
        row("h1"),
        row("h2") | {"found": "hiding"},
        row("h3", by=CHIEF),
        "no visit at all",
        row("h4", at=(NOON + HOUR).isoformat()),
        row("h5", "nobody-home", at=(NOON - HOUR).isoformat()),
    ]
    answer = (await http.post("/visits/bulk", {"visits": rows}, "walker", "import-0001")).json()
    assert (answer["accepted"], answer["refused"]) == (2, 4)
    assert [item["index"] for item in answer["items"]] == list(range(6))
    refused = [item["problem"] for item in answer["items"] if not item["accepted"]]
    assert [problem.get("reason", problem["code"]) for problem in refused] == [
        "invalid-body", "forbidden", "invalid-body", "from-the-future",
    ]  # fmt: skip
    assert [fault["at"] for fault in refused[0]["errors"]] == ["found"]
    accepted = [item["id"] for item in answer["items"] if item["accepted"]]
    assert [header(each.headers, "ce_id") for each in http.log] == accepted
    assert {Visit.model_validate_json(each.value or b"").household for each in http.log} == {
        name_of("h1"), name_of("h5"),
    }  # fmt: skip


async def test_a_bulk_sent_again_has_the_same_ids_and_another_persons_has_others(http: Http) -> None:
    body = {"visits": [row("h1", by=AREA), row("h2", by=AREA)]}
    first, again = [(await http.post("/visits/bulk", body, "area", "import-0001")).json() for _ in range(2)]
    assert first == again
    other = {"visits": [row("h1"), row("h2")]}
    others = (await http.post("/visits/bulk", other, "walker", "import-0001")).json()
    keyless = (await http.post("/visits/bulk", body, "area")).json()
    ids = [item["id"] for each in (first, others, keyless) for item in each["items"]]
    assert len(set(ids)) == 6


async def test_a_thousand_rows_are_one_append_and_one_question_of_authority(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    inner = type(http.world.storage).body

    def counted(storage: Any, collection: str, id_: str) -> Any:
        nonlocal asked
        asked += collection == "rosters"
        return inner(storage, collection, id_)

    monkeypatch.setattr(type(http.world.storage), "body", counted)
    http.holding = True
    rows = [row(f"x{number}", "refused", by=CHIEF) for number in range(BULK_MOST)]
    answer = await http.post("/visits/bulk", {"visits": rows}, "boss")
    assert answer.json()["accepted"] == len(http.log) == BULK_MOST
    assert asked == 1


async def test_when_nobody_can_say_what_was_appended_the_caller_is_told_so(http: Http) -> None:
    http.away = True
    for path, body in (("/visits", row()), ("/visits/bulk", {"visits": [row()]})):
        answer = await http.post(path, body, "walker", "import-0001")
        assert (answer.status_code, answer.json()["code"]) == (503, "append-unknown")
    nothing = await http.post("/visits/bulk", {"visits": ["no visit"]}, "walker")
    assert (nothing.status_code, nothing.json()["accepted"]) == (200, 0)


async def test_without_a_valid_token_nobody_is_anybody(http: Http) -> None:
    paths = [
        ("POST", "/rounds"), ("POST", "/rounds/x/closure"), ("POST", "/criteria"), ("POST", "/visits"),
        ("POST", "/visits/bulk"), ("POST", "/readings"), ("GET", "/rounds"), ("GET", "/rounds/x"),
        ("GET", "/rounds/x/coverage"), ("GET", f"/rounds/x/holes?desk={GRID}"),
        ("GET", f"/rounds/x/revisits?desk={DESK}"), ("GET", f"/rounds/x/worklist?post={VISITOR}"),
        ("GET", "/outcomes/round-0001"),
    ]  # fmt: skip
    for method, path in paths:
        answer = await http.client.request(method, path, json={})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorised"), path
    assert http.log == []
