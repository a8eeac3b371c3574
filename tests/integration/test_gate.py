"""A gate on real servers: passes, answers, what is merged of them, and the servers away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts import checkpoint as contract
from shared.contracts import registry, screening
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.topics import Topic
from shared.runtime.tokens import KeyPair, mint
from tests.builders.checkpoint import (
    AREA,
    CHIEF,
    DESK,
    GATE,
    GATE2,
    GATE3,
    HOUSEHOLD,
    LEADER,
    STREET,
    household,
    roster,
    unit,
)  # fmt: skip
from tests.harness.log import SOURCE, Log, new_id
from tests.harness.services import Service, running
from tests.harness.store import stored
from tests.harness.waiting import until
from tests.servers import Servers

PERSON, DEVICE, CHIEF_OF_AREA = "p-resident", "d-1", "p-leader"
HOUR = timedelta(hours=1)
# Every answered question is a crossing: what is merged in the end is exactly this many.
ASKED: Counter[str] = Counter()
FACTS: tuple[tuple[Topic, str, str, Model], ...] = (
    (registry.ROSTERS_TOPIC, registry.ROSTER, DESK, roster()),
    (registry.ROSTERS_TOPIC, registry.ROSTER, STREET, roster(STREET, (CHIEF,))),
    *((registry.UNITS_TOPIC, registry.UNIT, code, unit(code)) for code in (GATE, GATE2, GATE3)),
    (registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, HOUSEHOLD, household(members=(PERSON,))),
)


class Gate:
    """A gate's device and the people who run it, over HTTP."""

    def __init__(self, service: Service, keys: KeyPair) -> None:
        self.service = service
        self._keys = keys
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=10)

    def bearer(self, person: str) -> dict[str, str]:
        token = mint(self._keys.private, person, lifetime=HOUR, now=datetime.now(UTC))
        return {"authorization": f"Bearer {token}"}

    async def say(self, path: str, **body: Any) -> dict[str, Any]:
        """Say something that must be accepted, as the leader who runs the gate."""
        body = {"issuer": LEADER, **body}
        answer = await self.http.post(path, json=body, headers=self.bearer(CHIEF_OF_AREA))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def read(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.http.get(path, params=query, headers=self.bearer(CHIEF_OF_AREA))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def answer(
        self, direction: str = "in", gate: str = GATE, text: str | None = None, **more: Any
    ) -> httpx.Response:
        """Ask at a gate."""
        body = {"direction": direction, "temperature": 36.5, **({"pass": text} if text else {}), **more}
        answer = await self.http.post(f"/gates/{gate}/decisions", json=body, headers=self.bearer(DEVICE))
        ASKED[self.service.database] += answer.status_code == 200
        return answer

    async def ask(self, *question: Any, **more: Any) -> dict[str, Any]:
        """Ask at a gate that there is: every question has an answer."""
        answer = await self.answer(*question, **more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def says(self, code: str, **question: Any) -> dict[str, Any]:
        """Ask until the answer has a code: facts take a moment to arrive, that of a new gate too."""
        said: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal said
            said = (await self.answer(**question)).json()
            return bool(said["code"] == code)

        await until(look, what=f"{code} at the gate")
        return said

    async def issued(self, kind: str = "movement", lasts: timedelta = HOUR) -> dict[str, Any]:
        return await self.say(
            "/passes",
            kind=kind,
            area=AREA,
            household=HOUSEHOLD,
            person=PERSON,
            until=(datetime.now(UTC) + lasts).isoformat(),
        )

    async def outside(self) -> dict[str, dict[str, Any]]:
        """Return who is outside, by pass."""
        found = await self.read(f"/areas/{AREA}/presence", limit=200)
        return {item["pass"]: item for item in found["items"]}

    async def counted(self) -> int:
        """Return how many crossings of the day are merged, over every gate of the area."""
        found = await self.read("/gates", area=AREA)
        return int(found["today"]["total"]["crossings"])

    async def opened(self, gate: str = GATE, **more: Any) -> None:
        """Have a gate open, and known to be open to those who decide."""
        await self.say(f"/gates/{gate}/opening", duty=LEADER, **more)
        await self.says("no-pass", gate=gate)


def known(service: Service) -> bool:
    """Return whether the copies that a decision rests on are there."""
    found = [("households", HOUSEHOLD), ("rosters", DESK), ("rosters", STREET)]
    found += [("units", code) for code in (GATE, GATE2, GATE3)]
    return all(stored(service, collection, id_) for collection, id_ in found)


def of_fact(topic: Topic, type_: str, key: str, body: Model) -> Message:
    return message(topic, type_, key, body, Context(id=new_id("fact"), source=SOURCE, at=datetime.now(UTC)))


@pytest.fixture(scope="module")
def checkpoint(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk"), "GRIDLOOP_GATE_DEVICES": DEVICE}
    with running(Service(servers, folder, name="checkpoint", database=new_id("test"), env=env)) as service:
        yield service


@pytest.fixture
async def gate(checkpoint: Service, keys: KeyPair, log: Log) -> AsyncIterator[Gate]:
    made = Gate(checkpoint, keys)
    async with made.http:
        if not await asyncio.to_thread(known, checkpoint):
            await log.append(*(of_fact(*fact) for fact in FACTS))
            await until(lambda: known(checkpoint), what="registry's facts arrive")
            await made.opened()
        yield made


@pytest.mark.req("S2-06", "F-08", "U-25")
async def test_a_pass_goes_out_and_comes_back(gate: Gate, log: Log) -> None:
    issued = await gate.issued()
    said = await gate.says("movement", direction="out", text=issued["text"])
    assert (said["verdict"], said["incomplete"]) == ("allow", [])

    async def is_out() -> dict[str, Any] | None:
        out = await _outside(gate, issued["pass"])
        # The first crossings may have gone by the signature alone: they know of no household.
        return out if out and out["household"] else None

    out = await until(is_out, what="the holder is outside")
    assert (out["gate"], out["household"], out["overdue"]) == (GATE, HOUSEHOLD, False)

    assert (await gate.ask("in", text=issued["text"]))["code"] == "movement"
    await until(lambda: _inside(gate, issued["pass"]), what="the holder is inside again")
    shown = await gate.read(f"/passes/{issued['pass']}")
    assert (shown["text"], shown["status"]) == (issued["text"], "valid")
    drawn = await gate.http.get(issued["qr"], headers=gate.bearer(CHIEF_OF_AREA))
    assert drawn.headers["content-type"] == "image/svg+xml"

    readings = await log.bodies(screening.READINGS_TOPIC, screening.READING, HOUSEHOLD)
    assert readings
    everything = [record.value for record in await log.read(contract.CROSSINGS_TOPIC)]
    assert PERSON.encode() not in b"".join(everything)


async def _outside(gate: Gate, pass_id: str) -> dict[str, Any] | None:
    return (await gate.outside()).get(pass_id)


async def _inside(gate: Gate, pass_id: str) -> bool:
    return pass_id not in await gate.outside()


@pytest.mark.req("F-08", "S4-15")
async def test_a_revocation_reaches_the_gate(gate: Gate) -> None:
    issued = await gate.issued("home")
    assert (await gate.says("home", direction="out", text=issued["text"]))["verdict"] == "allow"
    await gate.say(f"/passes/{issued['pass']}/revocation", reason="搬离")
    assert (await gate.says("revoked", direction="out", text=issued["text"]))["verdict"] == "deny"
    entry = await gate.ask("in", text=issued["text"])
    assert (entry["verdict"], entry["refer_to"]) == ("refer", [LEADER])


@pytest.mark.req("F-08", "S1-09")
async def test_an_altered_pass_and_one_that_is_over_open_nothing(gate: Gate) -> None:
    text = (await gate.issued())["text"]
    middle = len(text) // 2
    altered = f"{text[:middle]}{'A' if text[middle] != 'A' else 'B'}{text[middle + 1 :]}"
    refused = await gate.ask("out", text=altered)
    assert (refused["verdict"], refused["code"]) == ("deny", "pass-invalid")

    short = await gate.issued(lasts=timedelta(seconds=4))
    over = await gate.says("expired", direction="out", text=short["text"])
    assert over["verdict"] == "deny"


@pytest.mark.req("F-08")
async def test_a_device_whose_clock_is_an_hour_off_changes_no_answer(gate: Gate) -> None:
    text = (await gate.issued("home"))["text"]
    await gate.says("home", direction="out", text=text)
    for wrong in (-HOUR, HOUR):
        said = await gate.ask("in", text=text, at=(datetime.now(UTC) + wrong).isoformat())
        assert (said["verdict"], said["code"], said["clock_skew"]) == ("allow", "home", True)


@pytest.mark.req("U-25", "F-08")
async def test_one_pass_at_two_gates_within_a_second_is_referred(gate: Gate) -> None:
    await gate.opened(GATE2, purpose="turn-back")
    issued = await gate.issued("home")
    await gate.says("home", direction="out", text=issued["text"])
    second = await gate.ask("out", GATE2, issued["text"])
    assert (second["verdict"], second["code"]) == ("refer", "seen-elsewhere")
    assert (await gate.ask("out", GATE, issued["text"]))["code"] == "home"


@pytest.mark.req("F-09")
async def test_whoever_is_not_back_in_time_raises_one_alert(gate: Gate, log: Log) -> None:
    issued = await gate.issued(lasts=timedelta(seconds=4))
    await gate.says("movement", direction="out", text=issued["text"])

    async def overdue() -> bool:
        return bool((await gate.outside()).get(issued["pass"], {}).get("overdue"))

    await until(overdue, what="overdue")
    alerts = await log.bodies(contract.ALERTS_TOPIC, contract.ALERT, HOUSEHOLD)
    assert [(alert.rule, alert.charge) for alert in alerts][-1:] == [("overstay", LEADER)]
    late = await gate.ask("in", text=issued["text"])
    assert (late["verdict"], late["code"]) == ("allow", "late-return")
    await until(lambda: _inside(gate, issued["pass"]), what="back, and no longer overdue")


@pytest.mark.req("S4-15")
async def test_an_emergency_opening_ends_by_itself(gate: Gate) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=3)
    await gate.say(f"/gates/{GATE3}/emergency", kind="fire", reason="火警", until=ends.isoformat())
    assert (await gate.says("emergency", gate=GATE3))["verdict"] == "allow"
    shut = await gate.says("gate-closed", gate=GATE3)
    assert datetime.now(UTC) >= ends
    assert (shut["verdict"], shut["open_gate"]) == ("refer", GATE)

    async def gone() -> bool:
        return "emergency" not in await gate.read(f"/gates/{GATE3}")

    await until(gone, what="the fact says so too")


@pytest.mark.req("B-02", "U-25")
@pytest.mark.timeout(200)
async def test_answers_go_on_without_any_server_and_all_of_them_are_merged(
    servers: Servers, gate: Gate, checkpoint: Service
) -> None:
    stack = servers.local
    issued = await gate.issued("home")
    await gate.says("home", text=issued["text"])
    await until(lambda: _all_merged(gate), what="everything so far is merged")
    for server in ("kafka", "mongo"):
        await asyncio.to_thread(stack.stop, server)
    try:
        said = [await gate.ask("in", text=issued["text"]) for _ in range(40)]
        assert {answer["code"] for answer in said} == {"home"}
        await until(lambda: _is_older_than(gate, 2.0), what="the age of its data is said and grows")
        # A process that is killed now has nothing but its file.
        checkpoint.kill()
        checkpoint.start()
        await until(lambda: _answers(gate), what="it answers though nothing is there")
        blind = [await gate.ask("in", text=issued["text"]) for _ in range(10)]
        assert {(answer["verdict"], answer["code"]) for answer in blind} == {("refer", "stale")}
        assert (await gate.http.get("/readyz")).status_code == 503
        assert (await gate.http.get("/healthz")).status_code == 200
    finally:
        for server in ("mongo", "kafka"):
            await asyncio.to_thread(stack.resume, server)
    await checkpoint.ready()
    await until(lambda: _all_merged(gate), what="everything is merged, once", within_s=60)
    await until(lambda: _nothing_waits(gate), what="the spool is empty")
    assert await _all_merged(gate)


async def _answers(gate: Gate) -> bool:
    try:
        return bool(await gate.ask())
    except httpx.TransportError:
        return False


async def _is_older_than(gate: Gate, seconds: float) -> bool:
    return float((await gate.ask())["data_age"]) > seconds


async def _all_merged(gate: Gate) -> bool:
    return await gate.counted() == ASKED[gate.service.database]


async def _nothing_waits(gate: Gate) -> bool:
    return "gridloop_gate_spooled_crossings 0.0" in (await gate.http.get("/metrics")).text


@pytest.mark.req("B-02")
async def test_a_damaged_spool_is_refused_by_name(servers: Servers, folder: Path, keys: KeyPair) -> None:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    service = Service(
        servers, folder, name="checkpoint", instance="damaged", database=new_id("test"), env=env
    )
    service.spool.write_bytes(b"no database at all " * 400)
    service.start()
    await until(service.ended, what="it refuses to start")
    assert service.exit == 78
    assert service.spool.name in service.log.read_text()
