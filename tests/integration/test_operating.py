"""What an operator asks of a running system: `dlq`, `doctor` and `topics diff`, each with faults to find.

The faults get worse from test to test; the last ones leave a log that no service should be started on.
"""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pymongo import MongoClient

from shared.contracts import dispatch as contract
from shared.contracts.envelope import Message
from shared.contracts.topics import Topic
from shared.flow.dead_letters import is_letter
from shared.messaging.admin import DEAD_LETTER_RETENTION_MS, MAX_RECORD_BYTES
from shared.runtime.tokens import KeyPair
from tests.harness.api import Api
from tests.harness.command import Said, gridloop
from tests.harness.faulty import SPOILS
from tests.harness.log import Log, answer, header, new_id, of_answer, of_issue
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.truth import never_above_the_truth
from tests.harness.waiting import until
from tests.harness.world import FIRST, area, community, entries_of
from tests.servers import Servers

ISSUER = area(FIRST)
ACKS, GROUP = contract.ACKS_TOPIC, "dispatch.sheets"
LETTERS = ACKS.dead_letters(GROUP)


@pytest.fixture(scope="module")
def service(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    """A dispatch of a release with a fault, until a test mends it."""
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    made = Service(servers, folder, database=new_id("test"), env=env, program="tests.harness.faulty")
    yield made
    made.kill()


async def letters(log: Log, topic: Topic, group: str, *ids: str) -> list[ConsumerRecord]:
    """Wait for a letter about each of these records; return one of each, in this order."""

    async def all_there() -> list[ConsumerRecord]:
        found = [each for each in await log.read(topic.dead_letters(group)) if is_letter(each.headers)]
        by_id = {header(each, "ce_id"): each for each in found}
        return [by_id[id_] for id_ in ids] if by_id.keys() >= set(ids) else []

    return list(await until(all_there, what=f"{len(ids)} dead letters of {group}"))


def odd(good: Message, **headers: bytes) -> Message:
    """Return a record that no release will ever read, with a header of a stranger's."""
    return replace(good, value=b'{"phone": "139-secret"}', headers=(*good.headers, *headers.items()))


@pytest.mark.req("B-06")
async def test_a_letter_is_replayed_once_and_counts_once(
    servers: Servers, dispatch: Service, api: Api, log: Log
) -> None:
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    directive = await api.issued(ISSUER, FIRST, mode="straight-through")
    entries = entries_of(roster, issuer=ISSUER)
    await api.when(directive, ISSUER, total=3, done=0)
    spoiled = of_answer(answer(directive, entries[0], reason=SPOILS))
    hopeless = odd(of_answer(answer(directive, entries[1])), x_note=b"139-secret")
    command = odd(of_issue(new_id("bad"), ISSUER, FIRST))
    await log.append(spoiled, hopeless, command, *(of_answer(answer(directive, e)) for e in entries[1:]))
    await api.when(directive, ISSUER, done=2)
    found = await letters(log, ACKS, GROUP, header_id(spoiled), header_id(hopeless))
    await letters(log, contract.COMMANDS_TOPIC, "dispatch.commands", header_id(command))
    place = {header(each, "dlq_code"): header(each, "dlq_id") for each in found}

    listed = (await gridloop(servers, "dlq", "list", "--json")).json
    assert {row["topic"]: (row["waiting"], row["replayed"], row["codes"]) for row in listed} == {
        LETTERS: (2, 0, {"invalid-body": 1, "rule-failed": 1}),
        contract.COMMANDS_TOPIC.dead_letters("dispatch.commands"): (1, 0, {"invalid-body": 1}),
    }
    each = (await gridloop(servers, "dlq", "list", LETTERS, "--json")).json
    assert {row["place"]: row["state"] for row in each} == dict.fromkeys(place.values(), "waiting")

    # What a stranger wrote is shown when asked for, and only then.
    shown = await gridloop(servers, "dlq", "show", place["invalid-body"])
    assert "139-secret" not in shown.out
    assert shown.json[0]["other_headers"] == 1
    assert shown.json[0]["headers"]["ce_id"] == header_id(hopeless)
    whole = (await gridloop(servers, "dlq", "show", place["invalid-body"], "--body")).json[0]
    assert (json.loads(whole["body"]), whole["headers"]["x_note"]) == ({"phone": "139-secret"}, "139-secret")

    # Mended: the release without the fault takes over, and the letter is taken up.
    await dispatch.stop()
    dispatch.program = ""
    await dispatch.restart()
    replayed = await gridloop(servers, "dlq", "replay", "--all", "--code", "rule-failed")
    assert (replayed.status, replayed.out.splitlines()) == (
        0,
        [f"replayed {place['rule-failed']}", "1 replayed, 0 left"],
    )
    await api.when(directive, ISSUER, done=3, complete=True)
    assert (await gridloop(servers, "dlq", "replay", "--all", "--code", "rule-failed")).out == (
        "0 replayed, 0 left\n"
    )
    # Asked for by name it is said why not; told `--again` it comes again, and changes nothing.
    refused = await gridloop(servers, "dlq", "replay", place["rule-failed"])
    assert (refused.status, f"left     {place['rule-failed']}: replayed" in refused.out) == (1, True)
    assert (await gridloop(servers, "dlq", "replay", place["rule-failed"], "--again")).status == 0
    copies = [each for each in await log.read(ACKS) if header(each, "ce_id") == header_id(spoiled)]
    assert [each.key for each in copies] == [spoiled.key] * 3
    assert {each.value for each in copies} == {spoiled.value}
    assert [header(each, "replay_of") for each in copies] == ["", place["rule-failed"], place["rule-failed"]]
    await never_above_the_truth(log, directive)


@pytest.mark.req("B-06")
async def test_what_is_still_bad_comes_back_and_names_where_it_was(
    servers: Servers, dispatch: Service, log: Log
) -> None:
    del dispatch
    bad = odd(of_answer(answer(new_id("nobodys"), entries_of(community(), issuer=ISSUER)[0])))
    await log.append(bad)

    async def about_it() -> list[str]:
        """Return the places of the letters about this record, oldest first."""
        found = [each for each in await log.read(LETTERS) if is_letter(each.headers)]
        places = [header(each, "dlq_id") for each in found if header(each, "ce_id") == header_id(bad)]
        return list(dict.fromkeys(places))

    (place,) = await until(about_it, what="it is set aside")
    assert (await gridloop(servers, "dlq", "replay", place)).status == 0

    async def again() -> list[str]:
        found = await about_it()
        return found if len(found) > 1 else []

    _, second = await until(again, what="it is set aside again")
    (shown,) = (await gridloop(servers, "dlq", "show", second)).json
    assert (shown["state"], shown["headers"]["replay_of"]) == ("waiting", place)


@pytest.mark.req("B-06")
async def test_a_command_that_was_answered_is_left(servers: Servers, dispatch: Service, log: Log) -> None:
    del dispatch
    bad = odd(of_issue(new_id("bad"), ISSUER, FIRST))
    await log.append(bad)
    (letter,) = await letters(log, contract.COMMANDS_TOPIC, "dispatch.commands", header_id(bad))
    place = header(letter, "dlq_id")
    said = await gridloop(servers, "dlq", "replay", place, "nowhere/0/1")
    assert said.status == 1
    assert {f"left     {place}: answered", "left     nowhere/0/1: unknown"} < set(said.out.splitlines())


def header_id(message: Message) -> str:
    return dict(message.headers)["ce_id"].decode()


def codes(said: Said, level: str = "fail") -> set[str]:
    return {finding["code"] for finding in said.json if finding["level"] == level}


async def doctor(servers: Servers, service: Service, *words: str, **env: str) -> Said:
    """Ask the doctor about the module's system, in which only dispatch runs."""
    own = {"GRIDLOOP_DATABASE": service.database, **env}
    return await gridloop(servers, "doctor", "--json", "--patience", "20", *words, **own)


async def test_the_doctor_finds_nothing_wrong_but_who_is_not_there(
    servers: Servers, dispatch: Service
) -> None:
    said = await doctor(servers, dispatch, "--service", f"dispatch=http://127.0.0.1:{dispatch.port}")
    # Nobody runs the other services, and the letters of the tests before lie there.
    assert codes(said) <= {"group-empty"}, said.out
    assert codes(said, "warn") <= {"group-empty", "dead-letters"}
    assert {group.partition(".")[0] for group in re.findall(r"nobody reads for (\S+);", said.out)} == {
        "registry", "screening", "checkpoint",
    }  # fmt: skip
    assert codes(said, "ok") >= {
        "profile", "auto-creation", "unclean-election", "broker-session", "topic-drift", "broker-clock",
        "transactions", "database-clock", "positions", "service",
    }  # fmt: skip


async def test_the_doctor_counts_letters_that_wait(servers: Servers, dispatch: Service, log: Log) -> None:
    bad = odd(of_answer(answer(new_id("nobodys"), entries_of(community(), issuer=ISSUER)[0])))
    await log.append(bad)
    await letters(log, ACKS, GROUP, header_id(bad))
    said = await doctor(servers, dispatch)
    assert "dead-letters" in codes(said, "warn")
    assert f"in {LETTERS}: invalid-body" in said.out


async def test_the_doctor_tells_a_profile_that_is_no_production(servers: Servers, dispatch: Service) -> None:
    said = await doctor(servers, dispatch, GRIDLOOP_LOCAL="false")
    assert codes(said) >= {"kafka-plaintext", "mongo-plaintext", "mongo-no-identity", "token-key", "replicas"}
    assert said.status == 2


async def test_the_doctor_tells_a_group_that_does_not_move(
    servers: Servers, dispatch: Service, log: Log
) -> None:
    dispatch.send(signal.SIGSTOP)
    try:
        await log.rosters(community())
        said = await gridloop(
            servers, "doctor", "--json", "--patience", "0", GRIDLOOP_DATABASE=dispatch.database
        )
    finally:
        dispatch.send(signal.SIGCONT)
    # The frozen member's session may have ended meanwhile: then there is nobody at all.
    assert codes(said) & {"group-stuck", "group-empty"}
    assert "dispatch.rosters" in " ".join(f["text"] for f in said.json if f["level"] == "fail")


async def test_the_doctor_tells_a_broker_and_a_service_that_are_gone(
    servers: Servers, dispatch: Service
) -> None:
    said = await doctor(
        servers, dispatch, "--service", "dispatch=http://127.0.0.1:1", GRIDLOOP_KAFKA="127.0.0.1:1"
    )
    assert codes(said) == {"broker", "broker-clock", "positions", "lag", "dead-letters", "service"}


async def test_drift_is_shown_and_nothing_is_changed(servers: Servers, dispatch: Service) -> None:
    assert await gridloop(servers, "topics", "diff") == Said(0, "")
    gone, grown = contract.TALLIES_TOPIC.dead_letters("dispatch.progress"), ACKS.dead_letters(GROUP)
    brief = contract.DESKS_TOPIC.dead_letters(GROUP)
    extra = ACKS.dead_letters("dispatch.earlier")
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    try:
        await admin.delete_topics([gone])
        await admin.create_topics([NewTopic(extra, 1, 1)])
        await admin.create_partitions({grown: NewPartitions(2)})
        short = {"retention.ms": "1000", "max.message.bytes": str(MAX_RECORD_BYTES)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, brief, short)])
    finally:
        await admin.close()
    wanted = {
        f"drift: {gone}: missing",
        f"drift: {grown}: 2 partitions, wanted 1",
        f"drift: {extra}: not declared",
        f"drift: {brief}: retention.ms is 1000, wanted {DEAD_LETTER_RETENTION_MS}",
    }

    async def told() -> bool:
        said = await gridloop(servers, "topics", "diff")
        return said.status == 1 and set(said.out.splitlines()) == wanted

    await until(told, what="the drift is known")
    assert await told()
    said = await doctor(servers, dispatch)
    assert "topic-drift" in codes(said)
    assert {f"drift: {f['text']}" for f in said.json if f["code"] == "topic-drift"} == wanted


async def test_the_doctor_tells_a_log_that_is_not_the_services(servers: Servers, dispatch: Service) -> None:
    await dispatch.stop()
    with MongoClient[dict[str, Any]](servers.mongo) as client:
        positions = client[f"{dispatch.database}_dispatch"]["positions"]
        any_of_rosters = {"_id": {"$regex": "^dispatch.rosters/"}}
        named = positions.update_one(any_of_rosters, {"$set": {"log_id": "another"}}).modified_count
    said = await doctor(servers, dispatch)
    assert named == 1
    assert "another-log" in codes(said)

    # A topic that was wiped under what was made of it.
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    try:
        await admin.delete_topics([contract.COMMANDS_TOPIC.name])
    finally:
        await admin.close()

    async def recreated() -> bool:
        said = await gridloop(servers, "topics", "apply")
        return f"created {contract.COMMANDS_TOPIC.name}" in said.out

    await until(recreated, what="the topic is there again, and empty")
    assert "log-shorter-than-state" in codes(await doctor(servers, dispatch))
