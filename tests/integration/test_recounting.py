"""Four services after a little of everything: the raw log comes to what each has stored, and rebuilds it."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from pymongo import MongoClient

from cli.rebuild.services import SERVICES
from shared.contracts import dispatch
from shared.contracts.catalog import TOPICS
from shared.flow.partitions import partition_of
from tests.harness.command import Said, gridloop
from tests.harness.log import Log, answer, new_id, of_answer
from tests.harness.services import Service, running
from tests.harness.story import DESK, GATES, GRID, HOUSES, MEMBER, Story
from tests.harness.world import Entry
from tests.servers import PARTITIONS, Servers

Document = dict[str, Any]
WAIT = ("--wait", "60")


@pytest.fixture(scope="module")
def services(servers: Servers, folder: Path) -> Iterator[dict[str, Service]]:
    database = new_id("test")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                running(Service(servers, folder, name=name, database=database, forked=True), ready=False)
            )
            for name in SERVICES
        }


@pytest.fixture(scope="module")
def story(servers: Servers, services: dict[str, Service]) -> Story:
    async def played() -> Story:
        async with Log(servers.kafka) as log:
            for service in services.values():
                await service.ready()
            story = Story(log, services)
            await story.play()
            return story

    return asyncio.run(played())


async def said(story: Story, *words: str) -> Said:
    service = story.services["dispatch"]
    return await gridloop(service.servers, *words, GRIDLOOP_DATABASE=service.database)


@contextmanager
def changed(story: Story, service: str, collection: str, id_: str, change: Callable[[Document], None]) -> Any:
    """Have one document changed by hand for the length of the block."""
    of = story.services[service]
    with MongoClient[Document](of.servers.mongo, serverSelectionTimeoutMS=5000) as client:
        documents = client[f"{of.database}_{service}"][collection]
        before = documents.find_one({"_id": id_})
        assert before is not None
        after = dict(before)
        change(after)
        assert after != before
        documents.replace_one({"_id": id_}, after)
        try:
            yield
        finally:
            documents.replace_one({"_id": id_}, before)


@pytest.mark.req("B-06")
async def test_everything_each_service_says_follows_from_the_log(story: Story) -> None:
    verified = await said(story, "verify", *WAIT)
    assert verified.status == 0, verified.out
    assert verified.out.count(", equal\n") == len(SERVICES), verified.out
    assert verified.out.count("not compared: ") >= len(SERVICES)


@pytest.mark.req("B-06")
@pytest.mark.parametrize("service", SERVICES)
async def test_outcomes_and_facts_come_to_the_same_state_again(story: Story, log: Log, service: str) -> None:
    ends = await log.ends(TOPICS)
    rebuilt = await said(story, "rebuild", service, "--database", "again", *WAIT)
    assert rebuilt.status == 0, rebuilt.out
    live, again = (line.split()[0] for line in rebuilt.out.splitlines()[-2:])
    assert live == again
    # Nothing was said a second time, and what is there is not written over.
    assert await log.ends(TOPICS) == ends
    full = await said(story, "rebuild", service, "--database", "again", *WAIT)
    assert (full.status, "not empty" in full.out) == (2, True)


def less_one_member(household: Document) -> None:
    *states, now = household["states"]
    household["states"] = [*states, {**now, "members": now["members"][1:]}]


def all_executed(sheet: Document) -> None:
    sheet["state"] = bytes([6]) * len(sheet["state"])


def nobody_found(sheet: Document) -> None:
    sheet["found"] = bytes(len(sheet["found"]))


def one_crossing_less(day: Document) -> None:
    day["ids"] = day["ids"][:-8]


async def test_what_was_changed_by_hand_is_named(story: Story) -> None:
    entry, household = f"{story.amended} at {DESK}: {MEMBER}", f"household {HOUSES[0]}"
    planted = [
        ("registry", "households", HOUSES[0], less_one_member, f"{household}:"),
        ("dispatch", "sheets", f"{story.amended}/{DESK}", all_executed, entry),
        ("screening", "sheets", f"{story.round}/{DESK}/{GRID}", nobody_found, f"{household} in the round"),
        ("checkpoint", "gate_days", gate_day(story), one_crossing_less, f"gate {GATES[1]} on "),
    ]
    for service, collection, id_, change, place in planted:
        with changed(story, service, collection, id_, change):
            verified = await said(story, "verify", service, *WAIT)
        assert verified.status == 1, f"{service}: {verified.out}"
        assert place in verified.out, f"{service}: {verified.out}"


async def test_a_digest_names_the_document_that_differs(story: Story) -> None:
    with changed(story, "registry", "households", HOUSES[0], less_one_member):
        rebuilt = await said(story, "rebuild", "registry", "--database", "differing", *WAIT)
    assert rebuilt.status == 1
    assert f"1 documents differ\n  {HOUSES[0]}\n" in rebuilt.out


async def test_nothing_is_compared_while_something_flows(story: Story, log: Log) -> None:
    story.services["dispatch"].send(signal.SIGSTOP)
    try:
        await log.append(of_answer(answer(story.amended, Entry(DESK, MEMBER, "read"), version=2)))
        verified = await said(story, "verify", "dispatch", "--wait", "0")
    finally:
        story.services["dispatch"].send(signal.SIGCONT)
    assert (verified.status, "dispatch.sheets is 1 records behind" in verified.out) == (4, True)
    verified = await said(story, "verify", "dispatch", *WAIT)
    assert verified.status == 0, verified.out


async def test_what_retention_has_removed_is_not_counted_again(story: Story, servers: Servers) -> None:
    topic = dispatch.ACKS_TOPIC.name
    place = TopicPartition(topic, partition_of(DESK.encode(), PARTITIONS))
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
    for words in (("verify", "dispatch"), ("rebuild", "dispatch", "--database", "cut")):
        answered = await said(story, *words, *WAIT)
        assert (answered.status, topic in answered.out, "snapshots" in answered.out) == (3, True, True)
    # Of the others nothing is missing.
    assert (await said(story, "verify", "registry", *WAIT)).status == 0


def gate_day(story: Story) -> str:
    of = story.services["checkpoint"]
    with MongoClient[Document](of.servers.mongo, serverSelectionTimeoutMS=5000) as client:
        found = client[f"{of.database}_checkpoint"]["gate_days"].find_one({"gate": GATES[1]})
    assert found is not None
    return str(found["_id"])
