"""Twelve kinds of bad data among good: each is set aside exactly once, and nothing behind it waits."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord

from shared.contracts import dispatch as contract
from shared.contracts import registry
from shared.contracts.envelope import Context, Message, message
from shared.contracts.topics import Topic
from tests.harness.api import Api
from tests.harness.log import Log, answer, header, new_id, of_answer, of_issue
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.truth import decided_once, never_above_the_truth
from tests.harness.waiting import until
from tests.harness.world import FIRST, area, community, entries_of

ISSUER = area(FIRST)
DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000


@dataclass(frozen=True)
class Poison:
    """A record that is no good, by the code it is set aside under."""

    name: str
    code: str
    spoiled: Message


def poisons(good: Message) -> list[Poison]:
    """Spoil a good record in twelve ways; each keeps whatever of it is not spoiled."""
    body = json.loads(good.value or b"")

    def changed(**fields: object) -> bytes:
        inner = body.get("command")
        return json.dumps({"command": inner | fields} if inner else body | fields).encode()

    def without(name: str) -> bytes:
        inner = dict(body.get("command") or body)
        del inner[name]
        return json.dumps({"command": inner} if "command" in body else inner).encode()

    def headed(name: str, value: bytes) -> tuple[tuple[str, bytes], ...]:
        return tuple((key, value if key == name else old) for key, old in good.headers)

    foreign = community()
    other = message(
        registry.ROSTERS_TOPIC, registry.ROSTER, FIRST, foreign,
        Context(id=new_id("foreign"), source="/test", at=datetime.now(UTC)),
    )  # fmt: skip
    return [
        Poison("empty", "empty", replace(good, value=b"")),
        Poison("null", "empty", replace(good, value=None)),
        Poison("non-json", "invalid-body", replace(good, value=b"not json")),
        Poison("non-utf-8 body", "invalid-body", replace(good, value=b'{"text":"\xff\xfe"}')),
        Poison("non-utf-8 header", "not-utf-8", replace(good, headers=headed("ce_type", b"\xff\xfe"))),
        Poison("wrong type", "invalid-body", replace(good, value=changed(directive=["no", "string"]))),
        Poison("missing field", "invalid-body", replace(good, value=without("directive"))),
        Poison("unknown enum", "invalid-body", replace(good, value=changed(state="dancing", kind="dance"))),
        Poison(
            "huge number",
            "invalid-body",
            replace(good, value=changed(version=10**400, deadlines={"done": 10**400, "step": 1})),
        ),
        Poison("deep nesting", "invalid-body", replace(good, value=DEEP)),
        Poison(
            "wrong version",
            "unknown-type",
            replace(good, headers=headed("ce_type", b"gridloop.dispatch.x.v9")),
        ),
        Poison("another topic's", "unknown-type", replace(other, topic=good.topic, key=good.key)),
    ]


async def letters(log: Log, topic: Topic, group: str, count: int) -> list[ConsumerRecord]:
    """Wait for so many dead letters and return all there are; one sent again must be the same letter."""

    async def enough() -> list[ConsumerRecord]:
        found: dict[str, ConsumerRecord] = {}
        for letter in await log.read(topic.dead_letters(group)):
            first = found.setdefault(header(letter, "dlq_id"), letter)
            assert (first.value, first.headers) == (letter.value, letter.headers)
        return list(found.values()) if len(found) >= count else []

    return list(await until(enough, what=f"{count} dead letters of {group}")) if count else await enough()


def check(found: list[ConsumerRecord], group: str, spoiled: list[Poison]) -> None:
    """Fail unless there is one letter a poison, as it came, saying where it stood and what was wrong."""
    assert len(found) == len(spoiled)
    assert Counter(header(letter, "dlq_code") for letter in found) == Counter(each.code for each in spoiled)
    assert Counter(letter.value or b"" for letter in found) == Counter(
        each.spoiled.value or b"" for each in spoiled
    )
    came = Counter(dict(each.spoiled.headers)["ce_id"] for each in spoiled)
    assert Counter(dict(letter.headers)["ce_id"] for letter in found) == came
    for letter in found:
        assert header(letter, "dlq_group") == group
        topic, partition, offset = header(letter, "dlq_id").split("/")
        assert topic in (contract.ACKS_TOPIC.name, contract.COMMANDS_TOPIC.name)
        assert int(partition) >= 0
        assert int(offset) >= 0
        datetime.fromisoformat(header(letter, "dlq_first_failed_at"))


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
    spoiled = poisons(of_answer(answer(directive, entries[0])))
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
    ids = [new_id("bad") for _ in range(12)]
    spoiled = [poisons(of_issue(id_, ISSUER, FIRST))[number] for number, id_ in enumerate(ids)]
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
