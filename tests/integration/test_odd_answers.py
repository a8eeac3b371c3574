"""Answers as they come: twice, late, early, elsewhere, from strangers. Each counts once or is listed."""

import random

import pytest

from tests.harness.api import Api
from tests.harness.log import Log, answer, new_id, of_answer, of_issue
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.truth import never_above_the_truth
from tests.harness.waiting import until
from tests.harness.world import (
    BOSS,
    FIRST,
    SECOND,
    STREET,
    Entry,
    area,
    chief,
    community,
    district,
    entries_of,
    member,
    street,
)
from tests.servers import PARTITIONS

pytestmark = pytest.mark.req("B-06", "F-03")
ISSUER = area(FIRST)
ROSTER = community()
ENTRIES = entries_of(ROSTER, issuer=ISSUER)


@pytest.fixture(autouse=True)
async def rosters(dispatch: Service, log: Log) -> None:
    await log.rosters(ROSTER)
    await has_rosters(dispatch, ROSTER)


async def test_the_same_answer_many_times_in_any_order_counts_once(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    states = {"relayed": ("delivered", "read", "accepted", "relayed"), "read": ("delivered", "read")}
    said = [
        of_answer(
            answer(directive, entry, state), id_=f"{directive}-{entry.post[-3:].replace('/', '-')}-{state}"
        )
        for entry in ENTRIES
        for state in states[entry.done]
    ]
    chaos = said * 5
    random.Random(20).shuffle(chaos)
    await log.append(*chaos)
    shown = await api.when(directive, ISSUER, total=3, done=3, complete=True)
    assert shown["total"] | {"delivered": 3, "read": 3, "accepted": 1, "relayed": 1} == shown["total"]
    await never_above_the_truth(log, directive)


async def test_an_answer_before_its_order_waits_for_it(api: Api, log: Log) -> None:
    directive = new_id("early")
    await log.answers(directive, ENTRIES)
    await log.append(of_issue(directive, ISSUER, FIRST))
    await api.when(directive, ISSUER, total=3, done=3, complete=True)


async def test_an_answer_on_the_wrong_partition_is_moved_and_counted_once(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    for partition in range(PARTITIONS):
        await log.append(of_answer(answer(directive, ENTRIES[0]), f"{directive}-same"), partition=partition)
    for entry, partition in zip(ENTRIES[1:], range(PARTITIONS), strict=False):
        await log.append(of_answer(answer(directive, entry)), partition=partition)
    await api.when(directive, ISSUER, total=3, done=3, complete=True)
    await never_above_the_truth(log, directive)


async def test_a_command_on_the_wrong_partition_is_decided_once(api: Api, log: Log) -> None:
    directive = new_id("moved")
    for partition in range(PARTITIONS):
        await log.append(of_issue(directive, ISSUER, FIRST), partition=partition)
    await log.answers(directive, ENTRIES)
    await api.when(directive, ISSUER, total=3, done=3, complete=True)


async def test_a_stranger_is_listed_and_never_counted(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    stranger = Entry(FIRST, f"{FIRST}009/t:ghost", "read")
    await log.append(of_answer(answer(directive, stranger), f"{directive}-ghost"))
    await log.answers(directive, ENTRIES[:1])
    shown = await api.when(directive, ISSUER, total=3, done=1)
    assert shown["total"]["delivered"] == 1
    assert await api.listed(directive, FIRST, ISSUER) == {f"{directive}-ghost": "stranger"}


async def test_an_answer_for_another_needs_a_superior(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    silent = Entry(FIRST, member(FIRST), "read")
    by_peer = answer(directive, silent, "executed", by=member(FIRST, 2), reason="他没空")
    by_itself = answer(directive, silent, "excused")
    await log.append(of_answer(by_peer, f"{directive}-peer"), of_answer(by_itself, f"{directive}-self"))
    await log.append(of_answer(answer(directive, silent, "excused", by=chief(FIRST), reason="住院")))
    shown = await api.when(directive, ISSUER, total=3, done=1, excused=1)
    assert shown["total"]["answered_for"] == 1
    listed = await api.listed(directive, FIRST, ISSUER)
    assert listed == {f"{directive}-peer": "not-entitled", f"{directive}-self": "not-entitled"}


async def test_an_answer_after_the_close_is_kept_and_marked_late(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    await log.answers(directive, ENTRIES)
    before = await api.when(directive, ISSUER, done=3, complete=True)
    late = Entry(FIRST, member(FIRST), "read")
    await log.append(of_answer(answer(directive, late, "executed"), f"{directive}-late"))

    async def listed() -> bool:
        return (await api.listed(directive, FIRST, ISSUER)).get(f"{directive}-late") == "late"

    await until(listed, what="the late answer is listed")
    after = await api.progress(directive, ISSUER)
    assert after["total"] == before["total"]


async def test_an_answer_at_another_desk_does_not_count_there(dispatch: Service, api: Api, log: Log) -> None:
    second = community(SECOND)
    above = [district(), street(FIRST, SECOND)]
    await log.rosters(second, *above)
    await has_rosters(dispatch, second, *above)
    directive = await api.issued(BOSS, STREET, mode="straight-through")
    misplaced = Entry(SECOND, member(FIRST), "read")
    await log.append(of_answer(answer(directive, misplaced), f"{directive}-misplaced"))
    await log.answers(directive, [Entry(FIRST, member(FIRST), "read")])
    await api.when(directive, BOSS, total=9, done=1)
    assert await api.listed(directive, SECOND, BOSS) == {f"{directive}-misplaced": "stranger"}


async def test_a_refusal_is_never_done_until_a_superior_decides(api: Api, log: Log) -> None:
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    refuser = Entry(FIRST, member(FIRST), "read")
    await log.append(of_answer(answer(directive, refuser, "refused", reason="不同意")))
    await log.append(of_answer(answer(directive, refuser, "read")))
    await log.answers(directive, [entry for entry in ENTRIES if entry.post != refuser.post])
    shown = await api.when(directive, ISSUER, total=3, done=2, refused=1)
    assert not shown["all_reported"]
    decided = answer(directive, refuser, "executed", by=chief(FIRST), reason="已代办")
    await log.append(of_answer(decided))
    await api.when(directive, ISSUER, done=3, refused=0, complete=True)
