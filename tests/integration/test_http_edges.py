"""Everything a caller can get wrong: a problem with a stable code, and nothing appended."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.contracts import dispatch as contract
from shared.contracts.directives import IssueDirective
from shared.runtime.http import encode_cursor
from shared.runtime.tokens import generate_key_pair
from tests.harness.api import Api
from tests.harness.log import Log, new_id, of_command
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.waiting import until
from tests.harness.world import (
    BOSS,
    FIRST,
    SECOND,
    STREET,
    STREET_DUTY,
    area,
    chief,
    community,
    district,
    entries_of,
    holder,
    member,
    street,
)

ISSUER = area(FIRST)
FIRST_ROSTER, SECOND_ROSTER = community(), community(SECOND)
KNOWN = (FIRST_ROSTER, SECOND_ROSTER, street(FIRST, SECOND), district())
GOOD: dict[str, Any] = {
    "issuer": ISSUER,
    "scope": FIRST,
    "text": "逐户排查",
    "deadlines": {"done": 3600, "step": 1800},
}
APPENDED_TO = (contract.COMMANDS_TOPIC, contract.ACKS_TOPIC, contract.DESKS_TOPIC, contract.DIRECTIVES_TOPIC)


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"GRIDLOOP_OPEN_LIMIT": "2", "GRIDLOOP_AUDIENCE_LIMIT": "8"}


@pytest.fixture(autouse=True)
async def rosters(dispatch: Service, log: Log) -> None:
    await log.rosters(*KNOWN)
    await has_rosters(dispatch, *KNOWN)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Fail unless the answer is this problem; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    assert body["title"]
    assert body["title_zh"]
    return body


def nested(depth: int) -> bytes:
    return b'{"text":' + b"[" * depth + b"]" * depth + b"}"


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "not-json"),
    "broken": (b'{"issuer": ', 400, "not-json"),
    "not-utf-8": (b'{"text": "\xff\xfe"}', 400, "not-json"),
    "nan": (json.dumps(GOOD)[:-1].encode() + b', "x": NaN}', 400, "not-json"),
    "infinity": (json.dumps(GOOD).replace("3600", "1e400").encode(), 400, "not-json"),
    "deep": (nested(100), 400, "too-deep"),
    "very-deep": (nested(50_000), 400, "too-deep"),
    "a-list": (b"[]", 422, "invalid-body"),
    "wrong-type": (json.dumps(GOOD | {"text": 17}).encode(), 422, "invalid-body"),
    "missing": (json.dumps({k: v for k, v in GOOD.items() if k != "issuer"}).encode(), 422, "invalid-body"),
    "bad-post": (json.dumps(GOOD | {"issuer": "no post"}).encode(), 422, "invalid-body"),
    "post-without-desk": (json.dumps(GOOD | {"issuer": "abc/t:area"}).encode(), 422, "invalid-body"),
    "bad-code": (json.dumps(GOOD | {"scope": "../etc"}).encode(), 422, "invalid-body"),
    "no-deadline": (
        json.dumps(GOOD | {"deadlines": {"done": 0, "step": -1}}).encode(),
        422,
        "invalid-body",
    ),
    "unknown-mode": (json.dumps(GOOD | {"mode": "sideways"}).encode(), 422, "invalid-body"),
    "too-long-text": (json.dumps(GOOD | {"text": "长" * 4_001}).encode(), 422, "invalid-body"),
    "too-large": (json.dumps(GOOD | {"pad": "x" * 262_144}).encode(), 413, "body-too-large"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_order_is_a_problem_and_nothing_is_appended(
    api: Api, log: Log, name: str
) -> None:
    body, status, code = BODIES[name]
    before = await log.ends(APPENDED_TO)
    problem(await api.call("POST", "/directives", ISSUER, content=body), status, code)
    assert await log.ends(APPENDED_TO) == before


async def test_a_body_without_a_length_is_cut_off_at_the_limit(api: Api, log: Log) -> None:
    before = await log.ends(APPENDED_TO)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b"[" * 8_192

    problem(await api.call("POST", "/directives", ISSUER, content=endless()), 413, "body-too-large")
    assert await log.ends(APPENDED_TO) == before


async def test_without_a_valid_token_nobody_is_anybody(api: Api, log: Log) -> None:
    before = await log.ends(APPENDED_TO)
    person = holder(ISSUER)
    headers: list[dict[str, str]] = [
        {},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer not.a.token"},
        {"authorization": "Bearer " + "x" * 5_000},
        api.bearer(person, key=generate_key_pair().private),
        api.bearer(person, lifetime=timedelta(seconds=-60)),
    ]
    for each in headers:
        for method, path in (
            ("POST", "/directives"),
            ("GET", "/directives"),
            ("GET", "/directives/whatever/progress"),
            ("POST", "/directives/whatever/answers"),
            ("POST", "/directives/whatever/amendments"),
            ("POST", "/directives/whatever/cancellation"),
            ("GET", "/outcomes/whatever"),
        ):
            answer = await api.http.request(method, path, headers=each, json=GOOD)
            problem(answer, 401, "unauthorised")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert await log.ends(APPENDED_TO) == before


BEYOND: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown-post": ({"issuer": f"{FIRST}/t:ghost"}, ISSUER, "unknown-issuer"),
    "unknown-desk": ({"issuer": f"{STREET}999/t:area"}, ISSUER, "unknown-issuer"),
    "held-by-another": ({}, member(FIRST), "not-the-holder"),
    "unknown-scope": ({"scope": f"{STREET}777"}, ISSUER, "unknown-scope"),
    "unknown-unit": ({"scope": f"{FIRST}099"}, ISSUER, "unknown-scope"),
    "sideways": ({"scope": SECOND}, ISSUER, "outside-scope"),
    "upwards": ({"scope": STREET}, ISSUER, "outside-scope"),
    "grid-to-community": ({"issuer": chief(FIRST)}, chief(FIRST), "outside-scope"),
}


@pytest.mark.parametrize("name", BEYOND)
async def test_an_order_beyond_ones_post_is_forbidden_and_nothing_is_appended(
    api: Api, log: Log, name: str
) -> None:
    changed, person, reason = BEYOND[name]
    before = await log.ends(APPENDED_TO)
    answer = await api.call("POST", "/directives", person, json=GOOD | changed)
    assert problem(answer, 403, "forbidden")["reason"] == reason
    assert await log.ends(APPENDED_TO) == before


@pytest.mark.parametrize("name", BEYOND)
async def test_the_same_order_straight_on_the_topic_is_rejected_and_moves_nothing(
    dispatch: Service, log: Log, name: str
) -> None:
    """The edge only saves a round trip: the decision is the consumer's, whoever appended the command."""
    changed, person, reason = BEYOND[name]
    before = await log.ends((contract.DESKS_TOPIC, contract.DIRECTIVES_TOPIC))
    directive = new_id("beyond")
    command = IssueDirective.model_validate({"directive": directive, **GOOD, **changed})
    await log.append(of_command(command, directive, holder(person)))
    outcome = await until(lambda: stored(dispatch, "outcomes", directive), what="an outcome")
    assert [(result["accepted"], result["code"]) for result in outcome["results"]] == [(False, reason)]
    assert stored(dispatch, "directives", directive) == {}
    assert await log.ends((contract.DESKS_TOPIC, contract.DIRECTIVES_TOPIC)) == before


async def test_a_refusal_of_the_decision_keeps_its_own_reason(api: Api) -> None:
    answer = await api.call("POST", "/directives", ISSUER, json=GOOD | {"kind": "alert"})
    assert problem(answer, 422, "rejected")["reason"] == "unsupported-kind"


@pytest.mark.req("U-20")
async def test_the_audience_and_the_open_orders_of_one_post_are_capped(api: Api, log: Log) -> None:
    answer = await api.issue(BOSS, STREET)
    assert problem(answer, 422, "rejected")["reason"] == "audience-too-large"

    chief_of_second = area(SECOND)
    opened = [await api.issued(chief_of_second, SECOND, mode="straight-through") for _ in range(2)]
    problem(await api.issue(chief_of_second, SECOND), 409, "too-many-open-directives")
    await log.answers(opened[0], entries_of(SECOND_ROSTER, issuer=chief_of_second))
    await api.when(opened[0], chief_of_second, complete=True)
    await api.issued(chief_of_second, SECOND)


@pytest.mark.req("U-20")
async def test_the_same_key_is_the_same_order_and_another_body_is_refused(api: Api, log: Log) -> None:
    key = new_id("retried")
    first = await api.issue(ISSUER, FIRST, key=key, mode="straight-through")
    second = await api.issue(ISSUER, FIRST, key=key, mode="straight-through")
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert first.status_code == 201
    problem(await api.issue(ISSUER, FIRST, key=key, text="另一件事"), 422, "idempotency-key-reused")
    problem(await api.issue(area(SECOND), SECOND, key=key), 422, "idempotency-key-reused")
    await log.answers(key, entries_of(FIRST_ROSTER, issuer=ISSUER))
    await api.when(key, ISSUER, total=3, done=3, complete=True)
    facts = await log.bodies(contract.DIRECTIVES_TOPIC, contract.DIRECTIVE, key)
    assert {fact.v for fact in facts} == {1, 2}
    assert {fact.order.text for fact in facts} == {"逐户排查"}


async def test_a_key_that_is_none_is_refused_not_replaced(api: Api, log: Log) -> None:
    before = await log.ends(APPENDED_TO)
    for key in ("short", "with space in it", "x" * 65, "semi;colon;key"):
        problem(await api.issue(ISSUER, FIRST, key=key), 400, "invalid-idempotency-key")
    assert await log.ends(APPENDED_TO) == before


async def test_an_order_for_one_community_is_not_listed_for_its_neighbour(api: Api, log: Log) -> None:
    directive = await api.issued(STREET_DUTY, FIRST, mode="straight-through")
    for post, sees in ((STREET_DUTY, True), (ISSUER, True), (area(SECOND), False)):
        listed = await api.call("GET", "/directives", post)
        assert (directive in {each["directive"] for each in listed.json()["items"]}) is sees
        read = await api.call("GET", f"/directives/{directive}", post)
        assert read.status_code == (200 if sees else 404)
    body = {"desk": FIRST, "version": 1, "addressee": member(FIRST), "state": "read"}
    problem(await api.call("POST", "/directives/x/answers", member(FIRST), json=body), 422, "invalid-body")
    await log.answers(directive, entries_of(FIRST_ROSTER, issuer=STREET_DUTY))
    await api.when(directive, STREET_DUTY, complete=True)
    query = {"desk": FIRST, "cursor": encode_cursor("a-text")}
    problem(
        await api.call("GET", f"/directives/{directive}/entries", ISSUER, params=query), 400, "invalid-cursor"
    )


async def test_an_answer_is_accepted_only_from_who_may_give_it(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    before = await log.ends(APPENDED_TO)
    path = f"/directives/{directive}/answers"
    body = {"desk": FIRST, "version": 1, "addressee": member(FIRST), "state": "read"}
    problem(await api.call("POST", path, member(FIRST, 2), json=body), 403, "forbidden")
    for changed in ({"state": "dancing"}, {"version": 0}, {"version": 1e3 + 0.5}, {"desk": "x"}):
        problem(await api.call("POST", path, member(FIRST), json=body | changed), 422, "invalid-body")
    for unreasoned in ({"state": "refused"}, {"by": chief(FIRST)}):
        person = unreasoned.get("by", member(FIRST))
        problem(await api.call("POST", path, person, json=body | unreasoned), 422, "invalid-body")
    assert await log.ends(APPENDED_TO) == before
    await log.answers(directive, entries_of(FIRST_ROSTER, issuer=ISSUER))
    await api.when(directive, ISSUER, complete=True)


async def test_what_lies_elsewhere_is_not_there(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    outsider = area(SECOND)
    for path in ("", "/progress", f"/entries?desk={FIRST}"):
        problem(await api.call("GET", f"/directives/{directive}{path}", outsider), 404, "not-found")
        inside = await api.call("GET", f"/directives/{directive}{path}", STREET_DUTY)
        problem(inside, 404, "not-found")
    problem(await api.call("GET", f"/outcomes/{directive}", outsider), 404, "not-found")
    own = await api.call("GET", f"/outcomes/{directive}", ISSUER)
    assert own.status_code == 200
    problem(await api.call("GET", "/directives", outsider, params={"addressee": ISSUER}), 404, "not-found")
    for query in ({"limit": 0}, {"limit": 201}, {"limit": "x"}, {"status": "odd"}):
        problem(await api.call("GET", "/directives", ISSUER, params=query), 400, "invalid-query")
    for cursor in ("!", "e30", "W10x" * 100):
        problem(
            await api.call("GET", "/directives", ISSUER, params={"cursor": cursor}), 400, "invalid-cursor"
        )
    await log.answers(directive, entries_of(FIRST_ROSTER, issuer=ISSUER))
    await api.when(directive, ISSUER, complete=True)


async def test_authority_ends_with_the_appointment(dispatch: Service, api: Api, log: Log) -> None:
    """The last test of the module: the post's holder leaves, and with the next roster so do their rights."""
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    assert (await api.call("GET", f"/directives/{directive}", ISSUER)).status_code == 200
    vacant = community(vacant=[ISSUER])
    await log.rosters(vacant)
    await has_rosters(dispatch, vacant)
    problem(await api.call("GET", f"/directives/{directive}", ISSUER), 404, "not-found")
    problem(
        await api.call("POST", f"/directives/{directive}/cancellation", ISSUER, json={"reason": "误发"}),
        403,
        "forbidden",
    )
    assert problem(await api.issue(ISSUER, FIRST), 403, "forbidden")["reason"] == "not-the-holder"
    body = {"desk": FIRST, "version": 1, "addressee": member(FIRST), "state": "excused", "by": ISSUER}

    async def refused() -> httpx.Response | None:
        path = f"/directives/{directive}/answers"
        answer = await api.call("POST", path, ISSUER, json=body | {"reason": "离任"})
        return answer if answer.status_code != 202 else None

    # Who holds a post is remembered for a second: every answer asks.
    problem(await until(refused, what="the answer is refused", within_s=3), 403, "forbidden")
    still = await api.call("GET", f"/directives/{directive}", chief(FIRST))
    assert still.status_code == 200
