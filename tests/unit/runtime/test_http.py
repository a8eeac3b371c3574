"""The HTTP edge as callers meet it: limits, codes, pages, keys, context."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from shared.kernel.ids import UlidFactory, is_ulid
from shared.runtime.health import Health
from shared.runtime.http import (
    Page,
    check_json,
    decode_cursor,
    encode_cursor,
    idempotency_key,
    page,
    parse_model,
    read_model,
)
from shared.runtime.metrics import Metrics
from shared.runtime.problems import CATALOGUE, Problem, rejection
from shared.runtime.server import new_app

LIMIT = 1_000
SECRET = "the text of an error"


class FixedClock:
    def now(self) -> datetime:
        return datetime(2022, 4, 20, 12, tzinfo=UTC)


class Reading(BaseModel):
    degrees: float
    note: Any = None


def build_app(metrics: Metrics, health: Health) -> FastAPI:
    ulids = UlidFactory(FixedClock())
    app = new_app(title="test", health=health, metrics=metrics, ulids=ulids)

    @app.post("/readings")
    async def post(request: Request) -> Reading:
        return await read_model(request, Reading, LIMIT)

    @app.get("/readings/{number}")
    async def get(number: int) -> dict[str, object]:
        return {"number": number, "context": structlog.contextvars.get_contextvars()}

    @app.get("/readings")
    async def listed(part: Annotated[Page, Depends(page)]) -> dict[str, object]:
        return {"limit": part.limit, "after": part.after}

    @app.post("/keys")
    async def key(request: Request) -> str:
        return idempotency_key(request, ulids)

    @app.post("/fails")
    async def fails() -> JSONResponse:
        raise RuntimeError(SECRET)

    @app.post("/refused")
    async def refused() -> JSONResponse:
        raise rejection("cycle-of-superiors", "610802006")

    return app


class Edge:
    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.health = Health(waits_for=("consumer",))
        transport = httpx.ASGITransport(build_app(self.metrics, self.health), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def post(self, body: bytes, **headers: str) -> httpx.Response:
        return await self.client.post("/readings", content=body, headers=headers)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    edge = Edge()
    yield edge
    await edge.client.aclose()
    structlog.contextvars.clear_contextvars()


def shows(answer: httpx.Response, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert answer.status_code == body["status"] == CATALOGUE[code].status
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["title"] == CATALOGUE[code].en
    assert body["title_zh"] == CATALOGUE[code].zh
    return body


async def test_a_good_body(edge: Edge) -> None:
    answer = await edge.post(b'{"degrees": 36.5}')
    assert (answer.status_code, answer.json()["degrees"]) == (200, 36.5)


@pytest.mark.req("S04")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-json"),
        (b"{", "not-json"),
        (b"degrees=36", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b'{"degrees": 36, "note": "\xff"}', "not-json"),
        (b'{"degrees": 36, "note": "\\ud800"}', "not-json"),
        (b'{"degrees": NaN}', "not-json"),
        (b'{"degrees": -Infinity}', "not-json"),
        (b'{"degrees": 1e400}', "not-json"),
        (b'{"degrees": 36, "note": [{"a": -1e400}]}', "not-json"),
        (b'{"degrees": 36, "note": ' + b"[" * 32 + b"]" * 32 + b"}", "too-deep"),
        (b'{"degrees": 36, "note": ' + b"[" * 400, "too-deep"),
        (b'{"degrees": "warm"}', "invalid-body"),
        (b'{"degrees": {"$gt": 0}}', "invalid-body"),
        (b"{}", "invalid-body"),
        (b"[]", "invalid-body"),
        (b"null", "invalid-body"),
        (b'{"degrees": 36, "note": "' + b"x" * LIMIT + b'"}', "body-too-large"),
    ],
)
async def test_each_bad_body_has_its_code(edge: Edge, body: bytes, code: str) -> None:
    shows(await edge.post(body), code)


def test_depth_is_exact() -> None:
    check_json(b"[" * 32 + b"1" + b"]" * 32)
    check_json(b'[{"a":' * 16 + b"1" + b"}]" * 16)
    for body in (b"[" * 33 + b"]" * 33, b"[" * 33 + b"1" + b"]" * 33):
        with pytest.raises(Problem) as caught:
            check_json(body)
        assert caught.value.code == "too-deep"


def test_a_very_deep_body_costs_nothing() -> None:
    with pytest.raises(Problem) as caught:
        check_json(b"[" * 100_000)
    assert caught.value.code == "too-deep"


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_model_or_a_problem(body: bytes) -> None:
    try:
        parsed = parse_model(body, Reading)
    except Problem as problem:
        assert problem.status in {400, 422}  # noqa: PT017 (either way is right)
    else:
        json.dumps(parsed.model_dump(), allow_nan=False)


@pytest.mark.req("S04")
async def test_reading_stops_at_the_limit_whatever_was_declared(edge: Edge) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * 400

    answer = await edge.client.post("/readings", content=endless(), headers={"content-length": "10"})
    assert shows(answer, "body-too-large")["limit"] == LIMIT


@pytest.mark.req("S04")
async def test_a_declared_length_above_the_limit_is_enough(edge: Edge) -> None:
    shows(await edge.post(b"{}", **{"content-length": "1001"}), "body-too-large")
    strange = await edge.client.post("/readings", content=b"{}", headers=[(b"content-length", b"\xb2")])
    shows(strange, "invalid-body")


async def test_faults_name_the_place_without_the_value(edge: Edge) -> None:
    body = shows(await edge.post(b'{"degrees": "warm-secret"}'), "invalid-body")
    assert [(fault["at"], fault["type"]) for fault in body["errors"]] == [("degrees", "float_parsing")]
    assert "warm-secret" not in json.dumps(body)


async def test_the_frameworks_own_answers_are_problems(edge: Edge) -> None:
    shows(await edge.client.get("/nowhere"), "not-found")
    answer = await edge.client.delete("/readings")
    shows(answer, "method-not-allowed")
    assert answer.headers["allow"]
    shows(await edge.client.get("/readings/x"), "invalid-query")


async def test_an_unforeseen_error_tells_nothing(edge: Edge) -> None:
    answer = await edge.client.post("/fails")
    shows(answer, "internal")
    assert SECRET not in answer.text


async def test_a_refusal_keeps_its_own_code(edge: Edge) -> None:
    body = shows(await edge.client.post("/refused"), "rejected")
    assert (body["reason"], body["detail"]) == ("cycle-of-superiors", "610802006")
    assert rejection("too-many-open-directives").status == 409


def test_a_code_outside_the_table_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Problem("no-such-code")


def test_an_extra_member_cannot_pass_for_a_standard_one() -> None:
    assert Problem("internal", status=200, title="fine").body()["status"] == 500


@pytest.mark.req("S04")
@pytest.mark.parametrize("query", ["limit=201", "limit=0", "limit=x", "cursor=" + "a" * 513])
async def test_pages_have_bounds(edge: Edge, query: str) -> None:
    shows(await edge.client.get(f"/readings?{query}"), "invalid-query")


async def test_a_cursor_brings_back_the_sort_key(edge: Edge) -> None:
    cursor = encode_cursor("610802006", 7, "学院")
    answer = await edge.client.get("/readings", params={"limit": 200, "cursor": cursor})
    assert answer.json() == {"limit": 200, "after": ["610802006", 7, "学院"]}
    assert (await edge.client.get("/readings")).json() == {"limit": 50, "after": None}


@given(st.lists(st.text() | st.integers(-(2**63), 2**63)))
def test_cursors_survive_both_ways(parts: list[str | int]) -> None:
    assert decode_cursor(encode_cursor(*parts)) == tuple(parts)


@pytest.mark.req("S13")
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "a",
        "学",
        "bnVsbA",
        "eyIkZ3QiOiAiIn0",
        "W3siJGd0IjogIiJ9XQ",
        "W3RydWVd",
        "WzEuNV0",
        "W1tdXQ",
        "/w",
    ],
)
def test_other_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(cursor)
    assert caught.value.code == "invalid-cursor"


@pytest.mark.parametrize("key", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "12345678", "a" * 64, "a_b-c_d-E"])
async def test_the_callers_key_is_taken(edge: Edge, key: str) -> None:
    answer = await edge.client.post("/keys", headers={"idempotency-key": key})
    assert answer.json() == key


@pytest.mark.parametrize(
    "key",
    ["", "short", "a" * 65, "with space", "desk/*/1234", "$where1234", str(uuid5(NAMESPACE_URL, "close"))],
)
async def test_a_malformed_key_is_not_replaced(edge: Edge, key: str) -> None:
    answer = await edge.client.post("/keys", headers={"idempotency-key": key})
    shows(answer, "invalid-idempotency-key")


async def test_without_a_key_a_new_one_each_time(edge: Edge) -> None:
    keys = {(await edge.client.post("/keys")).json() for _ in range(3)}
    assert len(keys) == 3
    assert all(map(is_ulid, keys))


async def test_the_callers_correlation_id_is_bound_and_returned(edge: Edge) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    headers = {"x-correlation-id": "case-1234", "traceparent": trace}
    answer = await edge.client.get("/readings/1", headers=headers)
    assert answer.headers["x-correlation-id"] == "case-1234"
    assert answer.json()["context"] == {"correlation_id": "case-1234", "traceparent": trace}


async def test_a_strange_correlation_id_is_replaced(edge: Edge) -> None:
    answer = await edge.client.get("/readings/1", headers={"x-correlation-id": "a b{}", "traceparent": "x"})
    assert is_ulid(answer.headers["x-correlation-id"])
    assert answer.json()["context"] == {"correlation_id": answer.headers["x-correlation-id"]}


async def test_requests_are_counted_by_template(edge: Edge) -> None:
    await edge.client.get("/readings/1")
    await edge.client.get("/readings/2")
    await edge.client.get("/nowhere/3")
    await edge.client.request("BREW", "/readings/2")
    await edge.client.post("/fails")
    text = (await edge.client.get("/metrics")).text
    for line in (
        'gridloop_http_requests_total{method="GET",route="/readings/{number}",status="200"} 2.0',
        'gridloop_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'method="OTHER"',
        'gridloop_http_requests_total{method="POST",route="/fails",status="500"} 1.0',
        'gridloop_http_seconds_count{method="GET",route="/readings/{number}"} 2.0',
    ):
        assert line in text


async def test_operations_routes(edge: Edge) -> None:
    assert (await edge.client.get("/healthz")).status_code == 200
    waiting = await edge.client.get("/readyz")
    assert (waiting.status_code, waiting.json()["waiting_for"]) == (503, {"consumer": "starting"})
    edge.health.set_ready("consumer", True)
    assert (await edge.client.get("/readyz")).status_code == 200


async def test_only_the_interface_is_described_and_as_json_only(edge: Edge) -> None:
    paths = (await edge.client.get("/openapi.json")).json()["paths"]
    assert set(paths) == {"/readings", "/readings/{number}", "/keys", "/fails", "/refused"}
    for page_of_docs in ("/docs", "/redoc"):
        assert (await edge.client.get(page_of_docs)).status_code == 404
