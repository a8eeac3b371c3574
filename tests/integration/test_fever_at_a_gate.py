"""A fever measured at a gate, through three services: somebody is told, answers, and it closes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import dispatch, screening
from shared.contracts.alerts import Alert
from shared.contracts.catalog import BY_NAME
from shared.contracts.screening import Reading
from shared.runtime.tokens import KeyPair
from tests.harness import gates
from tests.harness.api import Api
from tests.harness.gates import COMPOUND, GATES, HOMES
from tests.harness.log import Log, new_id
from tests.harness.services import Service, running
from tests.harness.store import stored
from tests.harness.waiting import until
from tests.harness.world import FIRST, area, chief, member
from tests.servers import Servers

GATE, CHARGE = GATES[0], member(FIRST)
HEALTHY, ILL = HOMES[:2]
JUST_BELOW, FEVER, HIGHER = 37.2, 38.6, 39.1
SERVICES = ("checkpoint", "screening", "dispatch")


@dataclass
class City:
    """The three services over HTTP; nobody but the topics connects them."""

    checkpoint: Api
    screening: Api
    dispatch: Api

    async def passes(self, house: str) -> str:
        """Issue a home pass to a household's first member and return its text."""
        new = {
            "issuer": chief(FIRST), "kind": "home", "area": COMPOUND, "household": house,
            "person": f"p-{house}-a", "until": (datetime.now(UTC) + timedelta(hours=8)).isoformat(),
        }  # fmt: skip
        answer = await self.checkpoint.call("POST", "/passes", chief(FIRST), json=new)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["text"])

    async def goes(self, direction: str, text: str, temperature: float) -> None:
        """Go through the gate, measured by whoever is on duty there."""
        asked = {"direction": direction, "pass": text, "temperature": temperature}
        answer = await self.checkpoint.call("POST", f"/gates/{GATE}/decisions", CHARGE, json=asked)
        assert (answer.status_code, answer.json().get("verdict")) == (200, "allow"), answer.text

    async def owed(self, post: str) -> list[dict[str, Any]]:
        """Return what a post is told to do and has not done."""
        answer = await self.dispatch.call("GET", "/directives", post, params={"addressee": post})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])


@pytest.fixture(scope="module")
def services(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[dict[str, Service]]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    database = new_id("test")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                running(Service(servers, folder, name=name, database=database, env=env), ready=False)
            )
            for name in SERVICES
        }


@pytest.fixture
async def city(services: dict[str, Service], keys: KeyPair, log: Log) -> AsyncIterator[City]:
    for service in services.values():
        await service.ready()
    await gates.settled(services["checkpoint"], log)
    wanted = [("screening", "households", house) for house in HOMES]
    wanted += [(name, "rosters", FIRST) for name in ("screening", "dispatch")]
    await until(
        lambda: all(stored(services[name], kind, id_) for name, kind, id_ in wanted),
        what="everybody knows who answers for whom",
    )
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(Api(services[name].port, keys.private)) for name in SERVICES]
        yield City(*apis)


@pytest.mark.req("S2-06", "S4-08", "F-08")
async def test_a_fever_at_a_gate_is_told_to_the_households_chain_which_answers(city: City, log: Log) -> None:
    await opened(city)
    healthy, ill = [await city.passes(house) for house in (HEALTHY, ILL)]
    await city.goes("out", healthy, JUST_BELOW)
    await city.goes("out", ill, FEVER)

    # checkpoint: what was measured is a reading of the pass's pseudonym.
    reading, *_ = await until(lambda: readings(log, ILL), what="the measurement is a reading")
    assert (reading.temperature, reading.means, reading.gate) == (FEVER, "gate", GATE)
    # screening: at or above the rule it is an alert to whoever answers for the household.
    alert, *_ = await until(lambda: alerts(log, ILL), what="the fever is an alert")
    assert (alert.rule, alert.charge, alert.household) == ("fever", CHARGE, ILL)
    assert alert.subject == reading.person
    # dispatch: and a directive of its own, which the charge post finds in its work.
    id_ = alert.alert
    await until(lambda: is_owed(city, id_), what="the charge post is told")
    shown = (await city.dispatch.call("GET", f"/directives/{id_}", CHARGE)).json()
    assert (shown["kind"], shown["rule"], shown["household"], shown["status"]) == (
        "alert", "fever", ILL, "open",
    )  # fmt: skip
    assert (shown["issuer"], shown["desk"], shown["text"]) == (area(FIRST), FIRST, alert.text)

    # Measured again on the way back, it is the same fever.
    await city.goes("in", ill, HIGHER)
    await until(lambda: said_twice(log), what="the second measurement is told")
    assert {each.alert for each in await alerts(log, ILL)} == {id_}

    executed = {"desk": FIRST, "version": 1, "addressee": CHARGE, "state": "executed"}
    answer = await city.dispatch.call("POST", f"/directives/{id_}/answers", CHARGE, json=executed)
    assert answer.status_code == 202, answer.text
    await city.dispatch.when(id_, area(FIRST), total=1, done=1, complete=True)
    shown = (await city.dispatch.call("GET", f"/directives/{id_}", CHARGE)).json()
    assert shown["status"] == "closed"
    assert await city.owed(CHARGE) == []
    told = await log.bodies(dispatch.DELIVERIES_TOPIC, dispatch.DELIVERY, id_)
    assert {entry.addressee for each in told for entry in each.entries} == {CHARGE}

    # Both went through the same gate in turn: whoever was below the rule has been looked at too.
    assert {each.temperature for each in await readings(log, HEALTHY)} == {JUST_BELOW}
    assert await alerts(log, HEALTHY) == []
    await nobody_is_named(log)


async def opened(city: City) -> None:
    """Open the gate, and wait until those who decide there know it."""
    body = {"issuer": chief(FIRST), "duty": CHARGE}
    answer = await city.checkpoint.call("POST", f"/gates/{GATE}/opening", chief(FIRST), json=body)
    assert answer.status_code == 201, answer.text

    async def answers() -> bool:
        said = await city.checkpoint.call(
            "POST", f"/gates/{GATE}/decisions", CHARGE, json={"direction": "in"}
        )
        return said.status_code == 200

    await until(answers, what="the gate answers")


async def is_owed(city: City, directive: str) -> bool:
    return directive in {item["directive"] for item in await city.owed(CHARGE)}


async def said_twice(log: Log) -> bool:
    return len(await alerts(log, ILL)) > 1


async def readings(log: Log, house: str) -> list[Reading]:
    return await log.bodies(screening.READINGS_TOPIC, screening.READING, house)


async def alerts(log: Log, house: str) -> list[Alert]:
    return await log.bodies(screening.ALERTS_TOPIC, screening.ALERT, house)


async def nobody_is_named(log: Log) -> None:
    """Fail if a resident's handle stands on any topic that is not registry's own: a pass is a pseudonym's."""
    for topic in BY_NAME.values():
        if topic.name.startswith("registry."):
            continue
        for record in await log.read(topic):
            for house in HOMES:
                assert f"p-{house}".encode() not in (record.value or b""), topic.name
