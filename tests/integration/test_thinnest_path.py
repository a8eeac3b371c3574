"""One desk, three posts, one answer: progress is 1 of 3, over HTTP and on the topic."""

import pytest

from shared.contracts import dispatch as contract
from tests.harness.api import Api
from tests.harness.log import Log
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.world import FIRST, area, chief, community, member


@pytest.mark.req("F-03", "S3-03")
async def test_one_answer_of_three_is_counted_and_shown(dispatch: Service, api: Api, log: Log) -> None:
    issuer = area(FIRST)
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    directive = await api.issued(issuer, FIRST, key="thinnest-path-1", mode="straight-through")
    await api.when(directive, issuer, total=3, done=0)

    answered = await api.call(
        "POST",
        f"/directives/{directive}/answers",
        member(FIRST),
        json={"desk": FIRST, "version": 1, "addressee": member(FIRST), "state": "read"},
    )
    assert answered.status_code == 202

    shown = await api.when(directive, issuer, total=3, done=1)
    assert (shown["all_reported"], shown["complete"]) == (False, False)
    published = await log.bodies(contract.PROGRESS_TOPIC, contract.PROGRESS, directive)
    newest = max(published, key=lambda progress: progress.v)
    assert (newest.total.done, newest.total.total, newest.complete) == (1, 3, False)

    delivered = await log.bodies(contract.DELIVERIES_TOPIC, contract.DELIVERY, directive)
    told = {entry.addressee for delivery in delivered for entry in delivery.entries}
    assert told == {chief(FIRST), member(FIRST), member(FIRST, 2)}


@pytest.mark.req("S3-03")
async def test_the_loop_closes_only_when_everybody_has_answered(
    dispatch: Service, api: Api, log: Log
) -> None:
    issuer = area(FIRST)
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    directive = await api.issued(issuer, FIRST, mode="straight-through")
    for post, state in ((chief(FIRST), "relayed"), (member(FIRST), "read")):
        body = {"desk": FIRST, "version": 1, "addressee": post, "state": state}
        await api.call("POST", f"/directives/{directive}/answers", post, json=body)
    shown = await api.when(directive, issuer, done=2)
    assert not shown["complete"]

    body = {"desk": FIRST, "version": 1, "addressee": member(FIRST, 2), "state": "read"}
    await api.call("POST", f"/directives/{directive}/answers", member(FIRST, 2), json=body)
    await api.when(directive, issuer, done=3, complete=True)
    closed = await api.call("GET", f"/directives/{directive}", issuer)
    assert closed.json()["status"] == "closed"
