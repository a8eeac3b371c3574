"""An order said otherwise while it is under way: plain, again, refused, and withdrawn after all.

Over three desk levels: a district, its street, and two communities.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import pytest

from shared.contracts import dispatch as contract
from shared.contracts.dispatch import Progress
from shared.kernel.ids import derived_id
from tests.harness.api import Api
from tests.harness.log import Log, answer, new_id, of_answer
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.truth import never_above_the_truth, told_once
from tests.harness.waiting import until
from tests.harness.world import (
    BOSS,
    FIRST,
    SECOND,
    STREET,
    STREET_DUTY,
    Entry,
    area,
    chief,
    community,
    district,
    entries_of,
    member,
    street,
)

KNOWN = (community(), community(SECOND), street(FIRST, SECOND), district())
EVERYBODY = entries_of(*KNOWN[:3], issuer=BOSS)
POSTS = {entry.post for entry in EVERYBODY}
GROWING = ("delivered", "read", "accepted", "relayed", "executed", "excused", "answered_for")


@pytest.fixture(autouse=True)
async def rosters(dispatch: Service, log: Log) -> None:
    await log.rosters(*KNOWN)
    await has_rosters(dispatch, *KNOWN)


async def told(log: Log, directive: str, version: int) -> dict[str, str]:
    """Return who was told of a version, and the text they were told."""
    return {
        entry.addressee: delivery.text
        for delivery in await log.bodies(contract.DELIVERIES_TOPIC, contract.DELIVERY, directive)
        if delivery.version == version and not delivery.decide_for
        for entry in delivery.entries
    }


async def all_told(log: Log, directive: str, version: int, posts: Iterable[str]) -> None:
    wanted = set(posts)

    async def look() -> bool:
        return (await told(log, directive, version)).keys() == wanted

    await until(look, what=f"version {version} is told to {sorted(wanted)}")


def no_count_falls(shown: Iterable[Progress]) -> None:
    """Only a raised epoch lets a count fall."""
    by_desk: dict[tuple[str, int], dict[int, Progress]] = defaultdict(dict)
    for progress in shown:
        by_desk[progress.desk, progress.epoch][progress.v] = progress
    for (desk, _), versions in by_desk.items():
        for before, after in pairwise(versions[v] for v in sorted(versions)):
            falls = [name for name in GROWING if getattr(after.total, name) < getattr(before.total, name)]
            assert not falls, f"{falls} fell at {desk} from {before.v} to {after.v}"


@pytest.mark.req("F-03", "S3-03")
async def test_an_amendment_midway_is_told_to_all_who_had_the_order_and_their_answers_count(
    api: Api, log: Log
) -> None:
    directive = await api.issued(BOSS, STREET, text="今日18时前排查")
    await log.answers(
        directive, [Entry(STREET, STREET_DUTY, "relayed"), Entry(FIRST, area(FIRST), "relayed")]
    )
    await all_told(log, directive, 1, {STREET_DUTY, area(FIRST), area(SECOND), chief(FIRST)})
    await api.when(directive, BOSS, done=2)

    body = {"reason": "时限提前", "text": "今日12时前排查", "deadlines": {"done": 7200, "step": 900}}
    path, key = f"/directives/{directive}/amendments", new_id("amend")
    for _ in range(2):  # the second is the same request once more
        made = await api.call("POST", path, BOSS, key=key, json=body)
        assert (made.status_code, made.json()) == (201, {"directive": directive, "version": 2, "epoch": 0})
    reads = (await api.call("GET", f"/directives/{directive}", BOSS)).json()
    assert (reads["text"], reads["reason"], reads["version"]) == ("今日12时前排查", "时限提前", 2)
    await all_told(log, directive, 2, {STREET_DUTY, area(FIRST), area(SECOND), chief(FIRST)})
    assert set((await told(log, directive, 2)).values()) == {"今日12时前排查"}
    await api.when(directive, BOSS, version=2, done=2, missing=0)

    late = [entry for entry in EVERYBODY if entry.desk == FIRST]
    await log.answers(directive, late, version=1)
    await api.when(directive, BOSS, done=5)
    await log.answers(directive, [entry for entry in EVERYBODY if entry.desk == SECOND], version=2)
    shown = await api.when(directive, BOSS, total=9, done=9, complete=True)
    assert (shown["version"], shown["epoch"], shown["desks"]) == (2, 0, 4)
    assert await api.listed(directive, FIRST, BOSS) == {}
    no_count_falls(await never_above_the_truth(log, directive))
    assert await told_once(log, directive) == POSTS


@pytest.mark.req("F-03", "S3-03")
async def test_again_asks_everybody_anew_and_lists_what_was_said_before(api: Api, log: Log) -> None:
    directive = await api.issued(BOSS, STREET, mode="straight-through")
    await log.answers(directive, EVERYBODY[:-1])
    await api.when(directive, BOSS, total=9, done=8)

    path = f"/directives/{directive}/amendments"
    made = await api.call("POST", path, BOSS, json={"reason": "标准已变", "again": True})
    assert (made.status_code, made.json()["version"], made.json()["epoch"]) == (201, 2, 1)
    await all_told(log, directive, 2, POSTS)
    await api.when(directive, BOSS, version=2, epoch=1, total=9, done=0, missing=0)

    old = Entry(FIRST, member(FIRST), "read")
    await log.append(of_answer(answer(directive, old), f"{directive}-old"))

    async def listed() -> bool:
        return await api.listed(directive, FIRST, BOSS) == {f"{directive}-old": "superseded"}

    await until(listed, what="an answer to the first version is listed")
    assert (await api.progress(directive, BOSS))["total"]["done"] == 0
    await log.answers(directive, EVERYBODY, version=2, epoch=1)
    shown = await api.when(directive, BOSS, total=9, done=9, complete=True)
    assert (shown["version"], shown["epoch"]) == (2, 1)
    no_count_falls(await never_above_the_truth(log, directive))


@pytest.mark.req("U-20", "S3-03")
async def test_an_amended_order_is_withdrawn_and_then_amended_no_more(api: Api, log: Log) -> None:
    directive = await api.issued(BOSS, STREET)
    path = f"/directives/{directive}/amendments"
    await all_told(log, directive, 1, {STREET_DUTY})
    amended = await api.call("POST", path, BOSS, json={"reason": "补充", "mode": "straight-through"})
    assert amended.json()["version"] == 2
    await all_told(log, directive, 2, POSTS)

    withdrawn = await api.call("POST", f"/directives/{directive}/cancellation", BOSS, json={"reason": "误发"})
    assert (withdrawn.status_code, withdrawn.json()["version"]) == (201, 3)
    await all_told(log, directive, 3, POSTS)
    refused = await api.call("POST", path, BOSS, json={"reason": "再改", "again": True})
    assert (refused.status_code, refused.json()["reason"]) == (422, "already-cancelled")
    await log.answers(directive, EVERYBODY, version=3, state="read")
    shown = await api.when(directive, BOSS, total=9, done=9, complete=True)
    assert (shown["effect"], shown["version"]) == ("cancel", 3)
    closed = await api.call("POST", path, BOSS, json={"reason": "再改", "again": True})
    assert (closed.status_code, closed.json()["reason"]) == (422, "already-closed")
    outcomes = await log.bodies(contract.OUTCOMES_TOPIC, contract.OUTCOME, "")
    ids = {each.command for each in outcomes}
    assert derived_id("close", directive, 3, 0) in ids
    assert derived_id("close", directive, 2, 0) not in ids


@pytest.mark.req("U-20")
async def test_what_may_not_be_amended_is_refused_with_a_code(api: Api) -> None:
    issuer = area(FIRST)
    directive = await api.issued(issuer, FIRST, text="逐户排查")
    path = f"/directives/{directive}/amendments"
    for body, post, status, code, reason in (
        ({"reason": "口误"}, issuer, 422, "rejected", "nothing-to-amend"),
        (
            {"reason": "口误", "text": "逐户排查", "mode": "relayed"},
            issuer,
            422,
            "rejected",
            "nothing-to-amend",
        ),
        ({"reason": "改正", "again": True}, chief(FIRST), 403, "forbidden", "not-the-holder"),
        ({"again": True}, issuer, 422, "invalid-body", None),
        ({"reason": "改正", "text": ""}, issuer, 422, "invalid-body", None),
        ({"reason": "改正", "scope": FIRST}, issuer, 422, "rejected", "nothing-to-amend"),
    ):
        refused = await api.call("POST", path, post, json=body)
        said = refused.json()
        assert (refused.status_code, said["code"], said.get("reason")) == (status, code, reason), said
    unknown = await api.call("POST", "/directives/never-given/amendments", issuer, json={"reason": "改正"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
    now = (await api.call("GET", f"/directives/{directive}", issuer)).json()
    assert (now["version"], now["text"]) == (1, "逐户排查")
