"""What happens when an order is withdrawn midway, when a post is silent, and when a desk has no roster.

Over three desk levels: a district, its street, and two communities.
"""

from typing import Any

import pytest

from shared.contracts import dispatch as contract
from tests.harness.api import Api
from tests.harness.log import Log, answer, of_answer
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

THIRD = f"{STREET}005"
FIRST_ROSTER, SECOND_ROSTER, STREET_ROSTER = community(), community(SECOND), street(FIRST, SECOND)
KNOWN = (FIRST_ROSTER, SECOND_ROSTER, STREET_ROSTER, district())
POSTS = {entry.post for entry in entries_of(*KNOWN[:3], issuer=BOSS)}
SOON = {"done": 1, "step": 0.5}


@pytest.fixture(autouse=True)
async def rosters(dispatch: Service, log: Log) -> None:
    # The newest street wins: a test that knew a third community does not leave it behind.
    again = (FIRST_ROSTER, SECOND_ROSTER, street(FIRST, SECOND), KNOWN[3])
    await log.rosters(*again)
    await has_rosters(dispatch, *again)


async def deliveries(log: Log, directive: str) -> list[Any]:
    return await log.bodies(contract.DELIVERIES_TOPIC, contract.DELIVERY, directive)


async def told(log: Log, directive: str, effect: str) -> set[str]:
    return {
        entry.addressee
        for delivery in await deliveries(log, directive)
        if delivery.effect == effect and not delivery.decide_for
        for entry in delivery.entries
    }


async def asked(log: Log, directive: str) -> dict[str, set[str]]:
    """Return who was asked to decide, and for whom."""
    by_post: dict[str, set[str]] = {}
    for delivery in await deliveries(log, directive):
        for entry in delivery.entries if delivery.decide_for else ():
            by_post.setdefault(entry.addressee, set()).update(
                open_.addressee for open_ in delivery.decide_for
            )
    return by_post


@pytest.mark.req("F-03", "U-22")
async def test_an_order_goes_down_post_by_post_and_comes_back(api: Api, log: Log) -> None:
    directive = await api.issued(BOSS, STREET)
    await until(lambda: told(log, directive, "order"), what="the street is told")
    assert await told(log, directive, "order") == {STREET_DUTY}
    await log.answers(directive, [Entry(STREET, STREET_DUTY, "relayed")])

    async def areas_told() -> bool:
        return await told(log, directive, "order") == {STREET_DUTY, area(FIRST), area(SECOND)}

    await until(areas_told, what="both communities are told, and nobody below")
    for desk in (FIRST, SECOND):
        await log.answers(
            directive, [Entry(desk, area(desk), "relayed"), Entry(desk, chief(desk), "relayed")]
        )

    async def all_told() -> bool:
        return await told(log, directive, "order") == POSTS

    await until(all_told, what="everybody is told")
    await log.answers(
        directive, [Entry(desk, member(desk, n), "read") for desk in (FIRST, SECOND) for n in (1, 2)]
    )
    shown = await api.when(directive, BOSS, total=9, done=9, complete=True)
    assert (shown["desks"], shown["missing"]) == (4, 0)
    tree = await api.progress(directive, BOSS, depth=2)
    below = {node["desk"]: node for node in tree["below"][0]["below"]}
    assert {desk: node["total"]["done"] for desk, node in below.items()} == {FIRST: 4, SECOND: 4}
    await never_above_the_truth(log, directive)
    assert await told_once(log, directive) == POSTS


@pytest.mark.req("U-20", "S3-03")
async def test_a_cancel_midway_reaches_everybody_also_where_the_order_never_came(api: Api, log: Log) -> None:
    directive = await api.issued(BOSS, STREET)
    await log.answers(directive, [Entry(STREET, STREET_DUTY, "relayed")], state="delivered")
    await api.when(directive, BOSS, delivered=1)
    assert await told(log, directive, "order") == {STREET_DUTY}

    cancelled = await api.call("POST", f"/directives/{directive}/cancellation", BOSS, json={"reason": "误发"})
    assert (cancelled.status_code, cancelled.json()["version"]) == (201, 2)

    async def all_told() -> bool:
        return await told(log, directive, "cancel") == POSTS

    await until(all_told, what="everybody is told that the order is withdrawn")
    late = answer(directive, Entry(FIRST, chief(FIRST), "relayed"))
    await log.append(of_answer(late, f"{directive}-late"))
    everybody = entries_of(*KNOWN[:3], issuer=BOSS)
    await log.answers(directive, everybody, version=2, state="read")
    shown = await api.when(directive, BOSS, total=9, done=9, complete=True)
    assert (shown["effect"], shown["version"]) == ("cancel", 2)
    assert (await api.listed(directive, FIRST, BOSS)) == {f"{directive}-late": "late"}
    again = await api.call("POST", f"/directives/{directive}/cancellation", BOSS, json={"reason": "再次"})
    assert (again.status_code, again.json()["reason"]) == (422, "already-closed")


@pytest.mark.req("F-04", "U-22", "S3-03")
async def test_a_silent_post_climbs_to_its_superior_who_decides_and_the_loop_closes(
    api: Api, log: Log
) -> None:
    directive = await api.issued(BOSS, STREET, mode="straight-through", deadlines=SOON)
    silent = Entry(FIRST, member(FIRST), "read")
    await log.answers(
        directive, [entry for entry in entries_of(*KNOWN[:3], issuer=BOSS) if entry.post != silent.post]
    )
    await api.when(directive, BOSS, total=9, done=8, overdue=1)

    async def chief_asked() -> bool:
        return silent.post in (await asked(log, directive)).get(chief(FIRST), set())

    await until(chief_asked, what="the superior is asked")
    worklist = await api.call("GET", "/directives", chief(FIRST), params={"addressee": chief(FIRST)})
    mine = [item for item in worklist.json()["items"] if item["directive"] == directive]
    assert [item["decide_for"] for item in mine] == [[silent.post]]

    async def all_asked() -> bool:
        return {chief(FIRST), area(FIRST), STREET_DUTY, BOSS} == set(await asked(log, directive))

    await until(all_asked, what="it climbs to the issuer and no further")
    decided = answer(directive, silent, "excused", by=chief(FIRST), reason="外出，已电话告知")
    await log.append(of_answer(decided))
    shown = await api.when(directive, BOSS, done=9, complete=True)
    assert (shown["total"]["excused"], shown["total"]["answered_for"], shown["total"]["overdue"]) == (1, 1, 0)


@pytest.mark.req("F-04")
async def test_a_vacant_post_is_skipped_at_once_and_its_superior_answers_for_it(
    dispatch: Service, api: Api, log: Log
) -> None:
    vacant = community(FIRST, vacant=[chief(FIRST)])
    await log.rosters(vacant)
    await has_rosters(dispatch, vacant)
    issuer = area(FIRST)
    directive = await api.issued(issuer, FIRST)  # the deadline is an hour away: nobody waits for it

    async def superior_asked() -> bool:
        return chief(FIRST) in (await asked(log, directive)).get(issuer, set())

    await until(superior_asked, what="the superior of the vacant post is asked")

    async def members_told() -> bool:
        return await told(log, directive, "order") == {member(FIRST), member(FIRST, 2)}

    await until(members_told, what="those below it do not wait for it")
    await log.answers(directive, [Entry(FIRST, member(FIRST, n), "read") for n in (1, 2)])
    await api.when(directive, issuer, total=3, done=2, vacant=1)
    for_it = answer(directive, Entry(FIRST, chief(FIRST), "relayed"), "excused", by=issuer, reason="空缺")
    await log.append(of_answer(for_it))
    await api.when(directive, issuer, done=3, vacant=0, complete=True)


@pytest.mark.req("F-04", "S3-03")
async def test_a_desk_without_a_roster_is_one_open_entry_until_it_has_one(
    dispatch: Service, api: Api, log: Log
) -> None:
    with_third = street(FIRST, SECOND, THIRD)
    await log.rosters(with_third)
    await has_rosters(dispatch, with_third)
    directive = await api.issued(BOSS, STREET, mode="straight-through", deadlines=SOON)
    await log.answers(directive, entries_of(*KNOWN[:3], issuer=BOSS))
    shown = await api.when(directive, BOSS, total=10, done=9, unreached=1)
    assert not shown["all_reported"]
    assert list(await api.entries(directive, THIRD, BOSS)) == [f"{THIRD}/*"]

    async def street_asked() -> bool:
        return f"{THIRD}/*" in (await asked(log, directive)).get(STREET_DUTY, set())

    await until(street_asked, what="the desk above is asked to decide for it")
    third = community(THIRD)
    await log.rosters(third)
    await api.when(directive, BOSS, total=13, done=9)
    await log.answers(directive, entries_of(third, issuer=BOSS))
    await api.when(directive, BOSS, total=13, done=13, complete=True)
    await never_above_the_truth(log, directive)


@pytest.mark.req("S3-03")
async def test_a_desk_that_joins_a_live_order_is_owed_it(api: Api, log: Log) -> None:
    directive = await api.issued(BOSS, STREET, mode="straight-through")
    await api.when(directive, BOSS, total=9)
    late = f"{STREET}006"
    joined, fuller = community(late), street(FIRST, SECOND, late)
    await log.rosters(joined, fuller)
    await api.when(directive, BOSS, total=13)
    await log.answers(directive, entries_of(*KNOWN[:3], issuer=BOSS))
    shown = await api.when(directive, BOSS, total=13, done=9)
    assert not shown["complete"]
    await log.answers(directive, entries_of(joined, issuer=BOSS))
    shown = await api.when(directive, BOSS, total=13, done=13, complete=True)
    assert shown["changes"] == 1
