"""SIGKILL between any two steps of a batch, in checkpoint's groups: gates, passes and presence are exact."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import checkpoint as contract
from shared.contracts import screening
from shared.contracts.checkpoint import Crosser, GateFact, OpenEmergency, RevokePass
from shared.runtime.tokens import KeyPair
from tests.harness import gates
from tests.harness.api import Api
from tests.harness.gates import COMPOUND, GATES, HOMES, crosser, crossing, of_command, of_crossing
from tests.harness.log import Log, header, new_id
from tests.harness.rounds import said_once
from tests.harness.services import Service
from tests.harness.store import stored
from tests.harness.truth import decided_once
from tests.harness.waiting import until
from tests.harness.world import FIRST, chief
from tests.servers import Servers

TENTH = timedelta(seconds=6)


@pytest.fixture(scope="module")
def checkpoint(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    """A checkpoint that the test starts, and starts again."""
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    service = Service(servers, folder, name="checkpoint", database=new_id("test"), env=env, forked=True)
    yield service
    service.kill()


@pytest.mark.req("B-06", "S2-05", "S1-09", "U-20")
async def test_crashes_decide_nothing_twice(checkpoint: Service, keys: KeyPair, log: Log) -> None:
    await checkpoint.restart()
    await gates.settled(checkpoint, log)
    kept, withdrawn = new_id("pass"), new_id("pass")
    emergency = OpenEmergency(
        gate=GATES[1], issuer=chief(FIRST), kind="medical", reason="救护车通道",
        until=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    revoking = RevokePass(pass_id=withdrawn, area=COMPOUND, issuer=chief(FIRST), reason="遗失")
    commands = [
        of_command(gates.opening()), of_command(emergency), of_command(gates.issuing(kept), kept),
        of_command(gates.issuing(withdrawn, HOMES[1]), withdrawn), of_command(revoking),
        of_command(gates.opening(GATES[2])),
    ]  # fmt: skip
    ids = [dict(command.headers)["ce_id"].decode() for command in commands]
    checkpoint.kill()
    await log.append(*commands)
    await checkpoint.crash_at_every_step(
        "checkpoint.commands", lambda: bool(stored(checkpoint, "passes", kept))
    )

    async def told() -> bool:
        found = await log.bodies(contract.PASSES_TOPIC, contract.PASS, "pass-")
        return {each.pass_id: each.status for each in found} == {kept: "valid", withdrawn: "revoked"}

    await until(told, what="both passes are told")
    async with Api(checkpoint.port, keys.private) as api:
        shown = await api.call("GET", "/gates", chief(FIRST), params={"area": COMPOUND})
    states = {gate["gate"]: (gate["open"], gate["emergency_holds"]) for gate in shown.json()["items"]}
    # The third was refused: an area has one exit.
    assert states == {GATES[0]: (True, False), GATES[1]: (False, True)}
    results = [stored(checkpoint, "outcomes", id_)["results"] for id_ in ids]
    assert [result["accepted"] for (result,) in results] == [True] * 5 + [False]
    assert results[-1][0]["code"] == "another-exit-open"
    await decided_once(log, *ids, topic=contract.OUTCOMES_TOPIC)
    for gate, (is_open, is_emergency) in states.items():
        newest = max(await facts(log, gate), key=lambda fact: fact.v)
        assert (newest.open, newest.emergency is not None) == (is_open, is_emergency)
    await said_once(log, (contract.GATES_TOPIC, contract.PASSES_TOPIC, contract.OUTCOMES_TOPIC), "")


async def facts(log: Log, gate: str) -> list[GateFact]:
    found: list[GateFact] = await log.bodies(contract.GATES_TOPIC, contract.GATE, gate)
    return found


@pytest.mark.req("B-06", "F-09", "S2-06", "U-20", "U-25")
async def test_crashes_change_nobodys_whereabouts(checkpoint: Service, keys: KeyPair, log: Log) -> None:
    if checkpoint.ended():
        await checkpoint.restart()
    await gates.settled(checkpoint, log)
    await log.append(of_command(gates.opening()))
    back, out, driver = new_id("pass"), new_id("pass"), new_id("pass")
    until_ = datetime.now(UTC).replace(microsecond=0) - 2 * TENTH
    bound = {"kind": "movement", "code": "movement", "until": until_}
    nobody = Crosser(role="occupant", verdict="allow", code="emergency")
    turned_back = crosser(out, HOMES[1], verdict="deny", code="wrong-gate", temperature=None)
    crossings = [
        crossing("out", crosser(back), ago=9 * TENTH),
        crossing("in", crosser(back, temperature=38.2), ago=7 * TENTH),
        # A vehicle: its passenger shows no pass.
        crossing("out", crosser(driver, HOMES[2], role="driver"), nobody, vehicle=True, ago=TENTH),
        crossing("in", turned_back, verdict="deny"),
    ]  # fmt: skip
    sent = [of_crossing(each) for each in crossings]
    overstay = of_crossing(crossing("out", crosser(out, HOMES[1], **bound), ago=8 * TENTH))
    checkpoint.kill()
    # One of them twice: spooled again by a gate that had no answer.
    await log.append(*sent, sent[0])
    await checkpoint.crash_at_every_step(
        "checkpoint.crossings", lambda: bool(stored(checkpoint, "presence", f"{FIRST}/{back}"))
    )

    async def measured(*heats: float) -> bool:
        records = await log.read(screening.READINGS_TOPIC)
        found = {header(each, "ce_id"): json.loads(each.value)["temperature"] for each in records}
        return sorted(found.values()) == list(heats)

    await until(lambda: measured(36.5, 36.5, 38.2), what="every temperature is a reading")
    # Only now: the tick that follows from it would have come into the batch.
    await log.append(overstay, overstay)

    async def whereabouts() -> dict[str, Any]:
        shown = await api.call("GET", f"/areas/{COMPOUND}/presence", chief(FIRST))
        return {item["pass"]: (item["overdue"], item["flags"]) for item in shown.json()["items"]}

    async def overdue() -> bool:
        return (await whereabouts()).get(out, (False,))[0]

    async with Api(checkpoint.port, keys.private) as api:
        await until(overdue, what="who is not back is overdue")
        assert await whereabouts() == {out: (True, []), driver: (False, [])}
        today = (await api.call("GET", f"/gates/{GATES[0]}", chief(FIRST))).json()["today"]
    wanted = {
        "crossings": 5, "allowed": 4, "denied": 1, "vehicles": 1, "people_out": 4, "people_in": 1,
        "incomplete": 2, "no_pass": 1, "no_temperature": 2, "no_driver": 0,
    }  # fmt: skip
    assert {name: today[name] for name in wanted} == wanted

    alerts = await log.bodies(contract.ALERTS_TOPIC, contract.ALERT, HOMES[1])
    assert {(alert.rule, alert.household, alert.at) for alert in alerts} == {("overstay", HOMES[1], until_)}
    assert await measured(36.5, 36.5, 36.5, 38.2)
    await said_once(log, (contract.ALERTS_TOPIC, screening.READINGS_TOPIC), "hh-compound")
