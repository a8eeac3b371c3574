"""The gate's route, in the app as it is wired, with no server anywhere."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.checkpoint import wiring
from services.checkpoint.decisions import PATH
from services.checkpoint.keys import Keys
from services.checkpoint.presenting import Answered
from services.checkpoint.settings import CheckpointSettings
from services.checkpoint.spool import Spool, Spooled
from services.checkpoint.views import Views
from shared.contracts.checkpoint import Crossing, Team
from shared.contracts.teams import TeamMember
from shared.kernel.clock import SystemClock
from shared.messaging.follower import Follower
from shared.runtime.tokens import generate_key_pair, mint
from tests.builders.gate import AREA, GATE, filled, gate_fact, household, key_file, pass_fact, record, text

TEAM = Team(name="s:t", members=(TeamMember(person="p-guard", role="guard"),))
HOUR = timedelta(hours=1)


class Door:
    """The app with what it knows and what it keeps; nothing is connected and no loop runs."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, *, limit: int = 100, empty: bool = False
    ) -> None:
        self.views = Views() if empty else filled(pass_fact(), gate_fact(v=2, team=TEAM))
        self.age: float | None = None if empty else 0.5
        self.spools: list[Spool] = []
        patch.setattr(wiring, "Views", lambda: self.views)
        patch.setattr(wiring, "Spool", self._spool)
        patch.setattr(Follower, "data_age", property(lambda _: self.age))
        self.pair = generate_key_pair()
        self.pair.write(folder)
        self.settings = CheckpointSettings(
            spool=folder / "spool.db",
            spool_limit=limit,
            pass_keys=key_file(folder / "keys.json"),
            token_key=folder / "token.public.jwk",
            gate_devices="d-1, d-2",
        )
        self.keys = Keys(self.settings.pass_keys, SystemClock()).current()
        self.app = wiring.build_app(self.settings)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://gate")

    def _spool(self, path: Path, *, limit: int) -> Spool:
        self.spools.append(Spool(path, limit=limit))
        return self.spools[-1]

    def bearer(self, person: str, lifetime: timedelta = HOUR) -> dict[str, str]:
        token = mint(self.pair.private, person, lifetime=lifetime, now=datetime.now(UTC))
        return {"authorization": f"Bearer {token}"}

    def a_pass(self, **other: Any) -> str:
        until = int((datetime.now(UTC) + HOUR).timestamp())
        return text(self.keys, **{"until": until, **other})

    async def ask(
        self,
        gate: str = GATE,
        person: str = "p-guard",
        headers: dict[str, str] | None = None,
        **question: Any,
    ) -> httpx.Response:
        sent = self.bearer(person) | (headers or {})
        body = {"direction": "in", **question}
        return await self.http.post(f"/gates/{gate}/decisions", json=body, headers=sent)

    async def kept(self) -> list[Spooled]:
        return [each for group in await self.spools[0].oldest(10**6) for each in group.crossings]


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    made = Door(tmp_path, monkeypatch)
    async with made.http:
        yield made
    made.spools[0].close()


@pytest.mark.req("S2-06", "B-02")
async def test_an_answer_is_given_once_its_crossing_is_kept(door: Door) -> None:
    answer = await door.ask(**{"pass": door.a_pass(), "temperature": 36.6})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["verdict"], said["code"], said["incomplete"]) == ("allow", "home", [])
    (kept,) = await door.kept()
    crossing = Crossing.model_validate_json(kept.value)
    assert (kept.id, kept.actor, kept.key) == (said["crossing"], "p-guard", crossing.desk)
    assert (crossing.gate, crossing.area, crossing.verdict) == (GATE, AREA, "allow")


@pytest.mark.req("S4-15")
@pytest.mark.parametrize("person", ["p-guard", "d-1", "d-2"])
async def test_a_gates_own_people_and_devices_may_ask(door: Door, person: str) -> None:
    answer = await door.ask(person=person, claims={"household": "household-1"})
    assert answer.json()["code"] == "claimed-address"


async def test_who_may_not_ask_leaves_no_crossing(door: Door) -> None:
    stranger = await door.ask(person="p-else")
    expired = await door.ask(headers=door.bearer("p-guard", timedelta(minutes=-5)))
    nobody = await door.http.post(f"/gates/{GATE}/decisions", json={"direction": "in"})
    forged = await door.ask(headers={"authorization": "Bearer x.y.z"})
    assert [each.status_code for each in (stranger, expired, nobody, forged)] == [403, 401, 401, 401]
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert await door.kept() == []


@pytest.mark.parametrize("gate", [AREA, "nowhere", f"{AREA}.k99", "x" * 500, "%00"])
async def test_a_gate_that_there_is_not_is_not_found(door: Door, gate: str) -> None:
    assert (await door.ask(gate, person="d-1")).status_code == 404
    assert await door.kept() == []


@pytest.mark.req("U-17")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"direction":"up"}', 422),
        (b'{"direction":"in","temperature":20}', 422),
        (b'{"direction":"in","temperature":NaN}', 400),
        (b'{"direction":"in","at":"2026-01-01T00:00:00"}', 422),
        (b'{"direction":"in","vehicle":{}}', 422),
        (b'{"direction":"in","pass":"' + b"A" * 5_000 + b'"}', 422),
        (b'{"direction":"in","more":' + b"[" * 100 + b"]" * 100 + b"}", 200),
        (b'{"direction":"in","pass":"' + b"A" * 4_000 + b'"}', 200),
        (b" " * 300_000, 413),
    ],
    ids=lambda each: repr(each[:40]) if isinstance(each, bytes) else str(each),
)
async def test_every_body_has_its_answer(door: Door, body: bytes, status: int) -> None:
    answer = await door.http.post(f"/gates/{GATE}/decisions", content=body, headers=door.bearer("d-1"))
    assert answer.status_code == status, answer.text
    assert len(await door.kept()) == (status == 200)


async def test_a_retried_question_is_the_same_crossing(door: Door) -> None:
    key = {"idempotency-key": "gate-1-question-7"}
    assert {(await door.ask(headers=key)).json()["crossing"] for _ in range(2)} == {"gate-1-question-7"}
    assert (await door.ask(headers={"idempotency-key": "!"})).status_code == 400


async def test_a_full_spool_is_said_and_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(tmp_path, monkeypatch, limit=1)
    async with door.http:
        answers = [await door.ask(person="d-1") for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 503]
        assert answers[1].json()["code"] == "spool-full"
    door.spools[0].close()


@pytest.mark.req("B-02")
async def test_without_any_data_whoever_has_a_token_is_answered_and_everybody_is_referred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(tmp_path, monkeypatch, empty=True)
    async with door.http:
        answer = await door.ask(person="p-guard", **{"pass": door.a_pass()})
        said = answer.json()
        assert (answer.status_code, said["verdict"], said["code"]) == (200, "refer", "stale")
        ready = await door.http.get("/readyz")
        assert "views" in ready.json()["waiting_for"]
        for fact in (gate_fact(), household()):
            door.views.apply(record(fact))
        door.age = 0.1
        assert (await door.ask(person="p-guard")).status_code == 403
        said = (await door.ask(person="d-1", **{"pass": door.a_pass()})).json()
        assert (said["verdict"], said["code"]) == ("allow", "signature-only")
    door.spools[0].close()


@pytest.mark.req("F-08")
async def test_public_keys_are_for_everybody_and_only_they(door: Door) -> None:
    shown = (await door.http.get("/pass-keys")).json()
    assert shown["keys"][0]["kty"] == "OKP"
    assert {name for key in shown["keys"] for name in key} == {
        "kty",
        "crv",
        "alg",
        "use",
        "kid",
        "x",
        "since",
    }


async def test_answers_are_counted_by_verdict_and_code_and_under_their_route(door: Door) -> None:
    await door.ask(**{"pass": door.a_pass()})
    await door.ask()
    lines = (await door.http.get("/metrics")).text.splitlines()
    assert 'gridloop_gate_decisions_total{code="home",verdict="allow"} 1.0' in lines
    assert 'gridloop_gate_decisions_total{code="no-pass",verdict="deny"} 1.0' in lines
    route = 'method="POST",route="/gates/{gate}/decisions",status="200"'
    assert f"gridloop_http_requests_total{{{route}}} 2.0" in lines


async def test_what_needs_the_servers_says_that_they_are_not_there(door: Door) -> None:
    body = {"issuer": f"{AREA}/s:leader", "duty": f"{AREA}/s:leader"}
    answer = await door.http.post(f"/gates/{GATE}/opening", json=body, headers=door.bearer("p-1"))
    assert answer.status_code == 503
    assert (await door.http.get(f"/gates/{GATE}", headers=door.bearer("p-1"))).status_code == 503
    assert (await door.http.get(f"/gates/{GATE}")).status_code == 401


async def described(door: Door) -> dict[str, Any]:
    """Return what the document says of the gate's question, its references followed one step."""
    document = (await door.http.get("/openapi.json")).json()
    said = document["paths"][PATH]["post"]
    for part in (said["requestBody"], said["responses"]["200"]):
        content = part["content"]["application/json"]
        content["schema"] = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return dict(said)


async def test_the_gates_question_stands_in_the_document_like_every_route(door: Door) -> None:
    said = await described(door)
    question = said["requestBody"]["content"]["application/json"]["schema"]
    assert set(question["properties"]) == {"pass", "temperature", "claims", "direction", "at", "vehicle"}
    assert question["required"] == ["direction"]
    assert set(said["responses"]) == {"200", "400", "401", "403", "404", "413", "422", "503"}
    assert [each["name"].lower() for each in said["parameters"]] == ["gate", "idempotency-key"]


async def test_every_answer_is_what_the_document_says(door: Door) -> None:
    shown = (await described(door))["responses"]["200"]["content"]["application/json"]["schema"]
    vehicle = {"driver": {"pass": door.a_pass(kind="movement")}, "occupants": [{"temperature": 36.6}]}
    wrong = (datetime.now(UTC) - HOUR).isoformat()
    asked: list[dict[str, Any]] = [
        {"pass": door.a_pass()},
        {"claims": {"household": "household-1"}},
        {"direction": "out", "pass": door.a_pass(kind="movement", pass_id="pass-0002"), "at": wrong},
        {"vehicle": vehicle},
        {"pass": "no pass"},
    ]
    seen: set[str] = set()
    for question in asked:
        answer = (await door.ask(**question)).json()
        Answered.model_validate(answer)
        assert set(shown["required"]) <= set(answer) <= set(shown["properties"])
        seen |= set(answer)
    # All but where another gate stands open: this one does.
    assert seen == set(shown["properties"]) - {"open_gate"}


async def test_every_refusal_is_one_that_the_document_names(door: Door) -> None:
    said = (await described(door))["responses"]
    refused = [
        await door.ask(person="p-else"),
        await door.ask(headers={"authorization": "Bearer x.y.z"}),
        await door.ask(headers={"idempotency-key": "!"}),
        await door.ask(f"{AREA}.k99", person="d-1"),
        await door.ask(direction="up"),
        await door.http.post(f"/gates/{GATE}/decisions", content=b"{", headers=door.bearer("d-1")),
        await door.http.post(f"/gates/{GATE}/decisions", content=b" " * 300_000, headers=door.bearer("d-1")),
    ]
    for answer in refused:
        content = said[str(answer.status_code)]["content"][answer.headers["content-type"]]["schema"]
        assert answer.json()["code"] in content["properties"]["code"]["enum"]
        assert set(content["required"]) <= set(answer.json())
    assert (await door.http.get(f"/gates/{GATE}/decisions")).status_code == 405
