"""Bad data of every kind among good: each is set aside exactly once, and nothing behind it waits."""

from dataclasses import replace

import pytest

from shared.contracts import dispatch as contract
from tests.harness.api import Api
from tests.harness.log import Log, answer, new_id, of_answer, of_issue
from tests.harness.poison import check, letters, poisons
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.truth import decided_once, never_above_the_truth
from tests.harness.world import FIRST, area, community, entries_of

ISSUER = area(FIRST)
WRONG_ANSWERS = {
    "unknown enum": {"state": "dancing"},
    "huge number": {"version": 10**400},
}
WRONG_ORDERS = {
    "unknown enum": {"kind": "dance"},
    "huge number": {"deadlines": {"done": 10**400, "step": 1}},
}


@pytest.mark.req("B-06")
async def test_bad_answers_are_set_aside_once_and_good_ones_counted(
    dispatch: Service, api: Api, log: Log
) -> None:
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    entries = entries_of(roster, issuer=ISSUER)
    good = [of_answer(answer(directive, entry)) for entry in entries]
    spoiled = poisons(of_answer(answer(directive, entries[0])), WRONG_ANSWERS)
    mixed = [each.spoiled for each in spoiled]
    await log.append(*mixed[:4], good[0], *mixed[4:8], good[1], *mixed[8:], good[2])

    await api.when(directive, ISSUER, done=3, complete=True)
    found = await letters(log, contract.ACKS_TOPIC, "dispatch.sheets", len(spoiled))
    await dispatch.stop()
    # What was committed stays committed: a restart brings no second letter.
    await dispatch.restart()
    again = await api.issued(ISSUER, FIRST, mode="straight-through")
    await log.answers(again, entries)
    await api.when(again, ISSUER, done=3, complete=True)
    found = await letters(log, contract.ACKS_TOPIC, "dispatch.sheets", len(spoiled))
    check(found, "dispatch.sheets", spoiled)
    await never_above_the_truth(log, directive)


@pytest.mark.req("B-06")
async def test_bad_commands_are_set_aside_and_answered(dispatch: Service, api: Api, log: Log) -> None:
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    before, after = new_id("before"), new_id("after")
    # Each has an id of its own, as commands have; the one of another topic keeps its own.
    kinds = len(poisons(of_issue(before, ISSUER, FIRST), WRONG_ORDERS))
    ids = [new_id("bad") for _ in range(kinds)]
    spoiled = [poisons(of_issue(id_, ISSUER, FIRST), WRONG_ORDERS)[number] for number, id_ in enumerate(ids)]
    mixed = [each.spoiled for each in spoiled]
    await log.append(of_issue(before, ISSUER, FIRST), *mixed, of_issue(after, ISSUER, FIRST))

    for directive in (before, after):
        await api.when(directive, ISSUER, total=3)
    check(
        await letters(log, contract.COMMANDS_TOPIC, "dispatch.commands", len(spoiled)),
        "dispatch.commands",
        spoiled,
    )
    readable = [id_ for id_, each in zip(ids, spoiled, strict=True) if each.name != "another topic's"]
    for id_ in readable:
        outcome = stored(dispatch, "outcomes", id_)
        assert (outcome["status"], outcome["results"][0]["code"]) == ("malformed", "malformed"), id_
        assert stored(dispatch, "directives", id_) == {}
    await decided_once(log, before, after, *readable)


@pytest.mark.req("B-06")
async def test_a_command_with_an_unusable_id_does_not_stop_the_others(
    dispatch: Service, api: Api, log: Log
) -> None:
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    before = len(await letters(log, contract.COMMANDS_TOPIC, "dispatch.commands", 0))
    good = new_id("good")
    nameless = of_issue(new_id("never"), ISSUER, FIRST)
    bad_ids = [b"", b"short", b"x" * 300, b"\xff\xfe\xfd\xfc\xfb", "有空 格的编号".encode()]
    bad = [
        replace(
            nameless, headers=tuple((k, id_ if k == "ce_id" else v) for k, v in nameless.headers), value=value
        )
        for id_ in bad_ids
        for value in (nameless.value, b"not json")
    ]
    await log.append(*bad, of_issue(good, ISSUER, FIRST))
    await api.when(good, ISSUER, total=3)
    found = await letters(log, contract.COMMANDS_TOPIC, "dispatch.commands", before + len(bad))
    assert len(found) == before + len(bad)
