"""SIGKILL between any two steps of a batch, in every group: after the restart everything is exact."""

from datetime import UTC, datetime

import pytest

from cli.stack.probes import service_is_ready
from shared.contracts import checkpoint, screening
from shared.contracts import dispatch as contract
from shared.contracts.alerts import Alert
from shared.flow.crash import STEPS
from shared.runtime.tokens import KeyPair
from tests.harness.api import Api
from tests.harness.log import Log, new_id, of_issue
from tests.harness.rounds import fact
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.truth import decided_once, never_above_the_truth, told_once
from tests.harness.waiting import until
from tests.harness.world import FIRST, Entry, area, community, entries_of, member

ISSUER = area(FIRST)
CASES = [
    *(("dispatch.commands", step, 1) for step in STEPS),
    # The relay's batch, and one with answers in it.
    *(("dispatch.sheets", step, time) for step in STEPS for time in (1, 2)),
    *(("dispatch.progress", step, 1) for step in STEPS),
]


@pytest.fixture(scope="module", autouse=True)
def forked(service: Service) -> None:
    service.forked = True


@pytest.mark.req("B-06", "F-03", "U-20")
@pytest.mark.parametrize(("group", "step", "time"), CASES, ids=[f"{g}-{s}-{t}" for g, s, t in CASES])
async def test_a_crash_changes_nothing_that_is_counted(
    service: Service, keys: KeyPair, log: Log, group: str, step: str, time: int
) -> None:
    roster = community()
    await log.rosters(roster)
    service.start(GRIDLOOP_CRASH_AT=f"{group}:{step}:{time}")
    await has_rosters(service, roster)
    directive = new_id("crash")
    issue = of_issue(directive, ISSUER, FIRST)
    await log.append(issue)
    # One more record a partition after each that is decided or counted: a batch is not always a single one.
    await log.answers(directive, entries_of(roster, issuer=ISSUER)[:1])
    await log.answers(directive, entries_of(roster, issuer=ISSUER)[1:])
    if time > 1:
        # It may have crashed before that, if the answers above were a batch of their own.
        await until(lambda: service.ended() or service_is_ready(service.port), what="ready or crashed")
        await log.answers(directive, entries_of(roster, issuer=ISSUER))
    await service.crashed()

    # Nothing is sent again before all is right: what was in hand must come back by itself.
    await service.restart()
    async with Api(service.port, keys.private) as api:
        await api.when(directive, ISSUER, total=3, done=3, read=3, relayed=1, complete=True)
        before = len(await log.read(contract.OUTCOMES_TOPIC, directive))
        await log.append(issue)

        async def answered_again() -> bool:
            return len(await log.read(contract.OUTCOMES_TOPIC, directive)) > before

        await until(answered_again, what="the command sent again is answered again")
    await service.stop()

    await never_above_the_truth(log, directive)
    await decided_once(log, directive)
    assert await told_once(log, directive) <= {entry.post for entry in entries_of(roster, issuer=ISSUER)}
    outcome = stored(service, "outcomes", directive)
    assert (outcome["v"], [result["accepted"] for result in outcome["results"]]) == (1, [True])
    facts = await log.bodies(contract.DIRECTIVES_TOPIC, contract.DIRECTIVE, directive)
    assert max(facts, key=lambda fact: fact.v).order.status == "closed"


@pytest.mark.req("B-06", "S4-08", "F-09", "U-20")
async def test_a_crash_makes_no_alert_two_directives(service: Service, keys: KeyPair, log: Log) -> None:
    roster, charge = community(), member(FIRST)
    await log.rosters(roster)
    await service.restart()
    await has_rosters(service, roster)
    service.kill()
    topics = {new_id("alert"): screening.ALERTS_TOPIC, new_id("alert"): checkpoint.ALERTS_TOPIC}
    for id_, topic in topics.items():
        alert = Alert(
            alert=id_, rule="fever", version="2026-01-01", desk=FIRST, unit=f"{FIRST}001.b1",
            household="household-0001", charge=charge, text="体温 38.2，请上门核实。", at=datetime.now(UTC),
        )  # fmt: skip
        (type_,) = topic.models
        await log.append(fact(topic, type_, FIRST, alert, id_=id_))

    await service.crash_at_every_step("dispatch.alerts")
    async with Api(service.port, keys.private) as api:
        for id_ in topics:
            await api.when(id_, area(FIRST), total=1)
            await log.answers(id_, [Entry(FIRST, charge, "read")])
            await api.when(id_, area(FIRST), total=1, done=1, complete=True)
    await service.stop()
    await decided_once(log, *topics)
    for id_ in topics:
        assert await told_once(log, id_) == {charge}
        assert stored(service, "outcomes", id_)["v"] == 1
