"""An alert of another service becomes a directive to one household's chain, and closes as it is answered."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import checkpoint, screening
from shared.contracts import dispatch as contract
from shared.contracts.alerts import Alert
from shared.contracts.directives import DirectiveFact
from shared.contracts.envelope import Context, Message, message
from shared.contracts.topics import Topic
from tests.harness.api import Api
from tests.harness.log import SOURCE, Log, answer, new_id
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, Entry, area, chief, community, member, street

SOON = """
versions:
  - {valid_from: 2020-01-01T00:00:00+08:00, done: 3600, step: 1800, alert: {done: 1, step: 0.5}}
"""
pytestmark = pytest.mark.req("S4-08", "F-04", "F-09")


@pytest.fixture(scope="module")
def settings(folder: Path) -> dict[str, str]:
    path = folder / "deadlines.yaml"
    path.write_text(SOON, encoding="utf-8")
    return {"GRIDLOOP_DEADLINES": str(path)}


@pytest.fixture(autouse=True)
async def rosters(dispatch: Service, log: Log) -> None:
    known = (community(), community(SECOND), street(FIRST, SECOND))
    await log.rosters(*known)
    await has_rosters(dispatch, *known)


def raised(topic: Topic, **other: Any) -> tuple[str, Message]:
    fields: dict[str, Any] = {
        "alert": new_id("alert"),
        "rule": "fever",
        "version": "2026-01-01",
        "desk": FIRST,
        "unit": f"{FIRST}001.d101",
        "household": "household-0001",
        "charge": member(FIRST),
        "text": "体温 38.2，请上门核实。",
        "at": datetime.now(UTC),
    }
    alert = Alert(**{**fields, **other})
    (type_,) = topic.models
    context = Context(id=alert.alert, source=SOURCE, at=alert.at, actor="screening")
    return alert.alert, message(topic, type_, alert.desk, alert, context)


async def directive(log: Log, id_: str) -> DirectiveFact:
    """Return what the directives topic says last of an alert's directive."""
    facts = await log.bodies(contract.DIRECTIVES_TOPIC, contract.DIRECTIVE, id_)
    return max((fact for fact in facts if isinstance(fact, DirectiveFact)), key=lambda fact: fact.v)


async def asked(log: Log, id_: str) -> list[str]:
    """Return who was asked to decide for the addressee, in turn."""
    found = await log.bodies(contract.DELIVERIES_TOPIC, contract.DELIVERY, id_)
    return [entry.addressee for each in found if each.decide_for for entry in each.entries]


async def test_an_alert_said_twice_is_one_directive_that_its_charge_post_closes(api: Api, log: Log) -> None:
    id_, said = raised(screening.ALERTS_TOPIC)
    await log.append(said, said)
    post = member(FIRST)

    async def told() -> bool:
        work = await api.call("GET", "/directives", post, params={"addressee": post})
        return any(item["directive"] == id_ for item in work.json()["items"])

    await until(told, what="the charge post finds the alert in its work")
    await log.answers(id_, [Entry(FIRST, post, "read")])
    await api.when(id_, area(FIRST), total=1, done=1, complete=True)
    shown = (await api.call("GET", f"/directives/{id_}", area(FIRST))).json()
    assert (shown["kind"], shown["rule"], shown["household"]) == ("alert", "fever", "household-0001")
    assert (shown["issuer"], shown["status"]) == (area(FIRST), "closed")
    outcomes = await log.read(contract.OUTCOMES_TOPIC, id_)
    # Once each time it is said, and again whenever a batch comes again: always the same.
    assert len(outcomes) >= 2
    assert len({each.value for each in outcomes}) == 1
    assert json.loads(outcomes[0].value)["results"][0]["accepted"]


async def test_a_silent_chain_is_climbed_post_by_post_until_the_top_decides(api: Api, log: Log) -> None:
    id_, said = raised(checkpoint.ALERTS_TOPIC, rule="overstay")
    await log.append(said)

    async def climbed() -> bool:
        return area(FIRST) in await asked(log, id_)

    await until(climbed, what="the top of the chain is asked")
    assert list(dict.fromkeys(await asked(log, id_))) == [chief(FIRST), area(FIRST)]
    excused = answer(
        id_, Entry(FIRST, member(FIRST), "read"), "excused", by=area(FIRST), reason="已由急救中心接走"
    )
    body = {name: value for name, value in excused.model_dump(mode="json").items() if name in _POSTED}
    answered = await api.call("POST", f"/directives/{id_}/answers", area(FIRST), json=body)
    assert answered.status_code == 202, answered.text
    await api.when(id_, area(FIRST), answered_for=1, complete=True)
    assert (await directive(log, id_)).closed_at is not None


async def test_the_holder_of_the_issuing_post_may_withdraw_an_alert(api: Api, log: Log) -> None:
    id_, said = raised(screening.ALERTS_TOPIC)
    await log.append(said)
    await api.when(id_, area(FIRST), total=1)
    path, why = f"/directives/{id_}/cancellation", {"reason": "体温计故障"}
    assert (await api.call("POST", path, chief(FIRST), json=why)).status_code == 403
    assert (await api.call("POST", path, area(FIRST), json=why)).status_code == 201


async def test_an_alert_at_a_desk_nobody_knows_is_refused_for_all_to_see(api: Api, log: Log) -> None:
    del api
    id_, said = raised(screening.ALERTS_TOPIC, desk="610802999001", charge=None)
    await log.append(said)
    await until(lambda: log.read(contract.OUTCOMES_TOPIC, id_), what="its outcome")
    (outcome,) = await log.read(contract.OUTCOMES_TOPIC, id_)
    assert json.loads(outcome.value)["results"][0]["code"] == "no-chain"


_POSTED = frozenset({"desk", "version", "epoch", "addressee", "state", "by", "reason"})
