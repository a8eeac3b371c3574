"""A gate on real servers: passes, answers, what is merged of them, and the servers away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts import checkpoint as contract
from shared.contracts import screening
from shared.contracts.checkpoint import Crossing
from shared.contracts.envelope import Context, message
from shared.runtime.tokens import KeyPair
from tests.builders.checkpoint import (
    GATE,
    GATE2,
    GATE3,
    GRID_CHIEF,
    HOLDERS,
    HOUSEHOLD,
    LEADER,
    OTHER_AREA,
    OTHER_GATE,
    crosser,
    crossing,
)  # fmt: skip
from tests.harness.door import DEVICE, HOUR, PERSON, Gate
from tests.harness.log import SOURCE, Log, header, new_id
from tests.harness.services import Service, running
from tests.harness.waiting import until
from tests.servers import Servers


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
        await made.has_facts(log)
        yield made


@pytest.mark.req("S2-06", "F-08", "U-25")
async def test_a_pass_goes_out_and_comes_back(gate: Gate, log: Log) -> None:
    issued = await gate.issued()
    said = await gate.says("movement", direction="out", text=issued["text"])
    assert (said["verdict"], said["incomplete"]) == ("allow", [])

    out = await until(lambda: _outside(gate, issued["pass"]), what="the holder is outside")
    assert (out["gate"], out["household"], out["overdue"]) == (GATE, HOUSEHOLD, False)

    assert (await gate.ask("in", text=issued["text"]))["code"] == "movement"
    await until(lambda: _inside(gate, issued["pass"]), what="the holder is inside again")
    shown = await gate.read(f"/passes/{issued['pass']}")
    assert (shown["text"], shown["status"]) == (issued["text"], "valid")
    drawn = await gate.http.get(issued["qr"], headers=gate.bearer(HOLDERS[LEADER]))
    assert drawn.headers["content-type"] == "image/svg+xml"

    readings = await log.bodies(screening.READINGS_TOPIC, screening.READING, HOUSEHOLD)
    assert readings
    everything = [record.value for record in await log.read(contract.CROSSINGS_TOPIC)]
    assert PERSON.encode() not in b"".join(everything)


async def _outside(gate: Gate, pass_id: str) -> dict[str, Any] | None:
    return (await gate.outside()).get(pass_id)


async def _inside(gate: Gate, pass_id: str) -> bool:
    return pass_id not in await gate.outside()


@pytest.mark.req("S2-06", "F-09")
async def test_who_went_by_the_signature_alone_is_known_by_the_pass(gate: Gate, log: Log) -> None:
    issued = await gate.issued(lasts=timedelta(seconds=4))
    pass_id, id_ = issued["pass"], new_id("crossing")
    ends = datetime.fromisoformat((await gate.read(f"/passes/{pass_id}"))["until"])
    # What a gate says that has the pass before it and not the fact of it yet.
    holder = crosser(pass_id=pass_id, household=None, subject="ps-unheard", until=ends, code="signature-only")
    went = crossing(at=datetime.now(UTC), people=(holder,))
    context = Context(id_, SOURCE, went.at, DEVICE)
    await log.append(message(contract.CROSSINGS_TOPIC, contract.CROSSING, went.desk, went, context))
    gate.answered.add(id_)

    readings = await until(
        lambda: log.bodies(screening.READINGS_TOPIC, screening.READING, "ps-unheard"), what="its reading"
    )
    assert {(each.household, each.temperature) for each in readings} == {(HOUSEHOLD, 36.5)}
    alerts = await until(
        lambda: log.bodies(contract.ALERTS_TOPIC, contract.ALERT, "ps-unheard"), what="its overstay is told"
    )
    assert {(each.household, each.charge) for each in alerts} == {(HOUSEHOLD, LEADER)}
    assert (await gate.outside())[pass_id]["household"] == HOUSEHOLD


@pytest.mark.req("S2-06", "U-25")
async def test_a_pass_of_another_gates_area_opens_nothing_and_is_counted(gate: Gate, log: Log) -> None:
    await gate.opened(OTHER_GATE, issuer=GRID_CHIEF)
    issued = await gate.issued("home")
    await until(gate.all_merged, what="everything so far is merged")
    before = (await gate.read(f"/gates/{OTHER_GATE}"))["today"]
    said = [
        await gate.ask("out", OTHER_GATE, issued["text"]),
        await gate.ask("in", OTHER_GATE, issued["text"]),
        # Whoever claims an address there is for people to judge, whatever the pass says.
        await gate.ask("in", OTHER_GATE, issued["text"], claims={"unit": f"{OTHER_AREA}.b1.d1"}),
    ]
    assert [(each["verdict"], each["code"]) for each in said] == [
        ("deny", "wrong-gate"), ("deny", "wrong-gate"), ("refer", "wrong-gate"),
    ]  # fmt: skip

    await until(gate.all_merged, what="they are merged")
    today = (await gate.read(f"/gates/{OTHER_GATE}"))["today"]
    assert [today[name] - before[name] for name in ("crossings", "denied", "referred", "allowed")] == [
        3, 2, 1, 0,
    ]  # fmt: skip
    kept = {header(record, "ce_id"): record.value for record in await log.read(contract.CROSSINGS_TOPIC)}
    for each in said:
        went = Crossing.model_validate_json(kept[each["crossing"]])
        assert (went.gate, went.area, went.verdict) == (OTHER_GATE, OTHER_AREA, each["verdict"])
        assert [(person.pass_id, person.code) for person in went.people] == [(issued["pass"], "wrong-gate")]
    assert await _outside(gate, issued["pass"]) is None


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
    await until(gate.all_merged, what="everything so far is merged")
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
    await until(gate.all_merged, what="everything is merged, once", within_s=60)
    await until(lambda: _nothing_waits(gate), what="the spool is empty")
    assert await gate.all_merged()


async def _answers(gate: Gate) -> bool:
    try:
        return bool(await gate.ask())
    except httpx.TransportError:
        return False


async def _is_older_than(gate: Gate, seconds: float) -> bool:
    return float((await gate.ask())["data_age"]) > seconds


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
