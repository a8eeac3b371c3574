"""Telling registry the street, and asking it back: posts reconcile, chains resolve, gaps are known."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from cli.demo.asking import read
from cli.demo.changes import bulks
from cli.demo.stage import Stage
from cli.demo.tail import tail
from cli.demo.voice import SOURCE
from cli.demo.world import STREET_OFFICE, World
from cli.errors import UserError
from cli.stack.keys import OPERATOR
from cli.waiting import within
from shared.contracts.envelope import Context, message
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import (
    CHANGES,
    CHARGES_TOPIC,
    COMMANDS_TOPIC,
    HOUSEHOLDS_TOPIC,
    OUTCOMES_TOPIC,
    ROSTERS_TOPIC,
    UNITS_TOPIC,
    Changes,
    Charges,
    Roster,
)
from shared.contracts.topics import Topic
from shared.flow.records import Record
from shared.kernel.errors import Transient
from shared.messaging.admin import TopicAdmin

LOOK_EVERY_S = 0.2
TOLD_WITHIN_S = 180.0
READ_WITHIN_S = 120.0
LEVELS = 5
COPIED = (ROSTERS_TOPIC, UNITS_TOPIC, CHARGES_TOPIC, HOUSEHOLDS_TOPIC)


@dataclass
class Loaded:
    """What registry has said so far of what it was told."""

    world: World
    waiting: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    rosters: dict[str, Roster] = field(default_factory=dict)
    charges: dict[str, Charges] = field(default_factory=dict)

    def hear(self, record: Record) -> None:
        match record.body:
            case Outcome(command=command) as outcome if command in self.waiting:
                self.waiting.discard(command)
                self.refused += [f"{row.code}: {row.detail}" for row in outcome.results if not row.accepted]
            case Roster() as body:
                known = self.rosters.get(body.desk)
                if known is None or body.v > known.v:
                    self.rosters[body.desk] = body
            case Charges() as counted:
                before = self.charges.get(counted.desk)
                if before is None or counted.v > before.v:
                    self.charges[counted.desk] = counted

    def is_whole(self) -> bool:
        """Whether every command is answered, every roster says what lies below it, and all are counted."""
        counted = sum(each.households for each in self.charges.values())
        are_counted = counted == len(self.world.households)
        return are_counted and not self.waiting and all(self._is_known(desk) for desk in self.world.desks)

    def _is_known(self, desk: str) -> bool:
        roster = self.rosters.get(desk)
        below = sum(self.world.seats_by_desk[each] for each in self.world.below[desk])
        commanded = roster is not None and all(child.commander for child in roster.children)
        return roster is not None and commanded and roster.posts == below


async def tell(stage: Stage) -> None:
    """Append the whole street, and wait until all is decided and every service has its copies of it."""
    loaded = Loaded(stage.world)
    told = list(bulks(stage.world))
    communities = stage.world.communities
    async with (
        tail(stage.stack.kafka, OUTCOMES_TOPIC, ROSTERS_TOPIC, CHARGES_TOPIC) as answers,
        within(TOLD_WITHIN_S, "registry has not taken in the street"),
    ):
        # A household's care unit is a matter of the scheme attached above its desk, as of when it is told.
        await _append(stage, loaded, [each for each in told if each[0] not in communities])
        await _hear(answers, loaded, lambda: not loaded.waiting)
        await _append(stage, loaded, [each for each in told if each[0] in communities])
        await _hear(answers, loaded, loaded.is_whole)
    await _until_copied(stage)


async def _append(stage: Stage, loaded: Loaded, told: Iterable[tuple[str, Changes]]) -> None:
    records = []
    for key, changes in told:
        context = Context(stage.ulids.new(), SOURCE, stage.clock.now(), OPERATOR)
        records.append(message(COMMANDS_TOPIC, CHANGES, key, changes, context))
        loaded.waiting.add(context.id)
    await stage.producer.append(records)


async def _hear(answers: AsyncIterator[Record], loaded: Loaded, enough: Callable[[], bool]) -> None:
    async for answer in answers:
        loaded.hear(answer)
        if loaded.refused:
            raise UserError(f"registry refused a row of the demonstration's street: {loaded.refused[0]}")
        if enough():
            return


async def _until_copied(stage: Stage) -> None:
    """Wait for the slowest copy: an act that began before would be about half a street."""
    servers, least = stage.stack.kafka, len(stage.world.households)
    # Facts follow their outcome within a moment, in no order.
    async with within(READ_WITHIN_S, "registry has not published all households"):
        while True:
            # A broker that was killed comes back.
            with suppress(KafkaError, Transient):
                ends = await _ends(servers, *COPIED)
                if sum(ends[HOUSEHOLDS_TOPIC.name].values()) >= least:
                    break
            await asyncio.sleep(LOOK_EVERY_S)
    for topic in COPIED:
        for group in topic.groups:
            await until_read(servers, group, ends[topic.name])


async def _ends(servers: str, *topics: Topic) -> dict[str, dict[int, int]]:
    """Return the end of each partition of some topics that holds anything."""
    async with TopicAdmin(servers) as admin:
        partitions = await admin.partitions()
    places = [TopicPartition(each.name, n) for each in topics for n in range(partitions[each.name])]
    observer = AIOKafkaConsumer(bootstrap_servers=servers, client_id="gridloop-demo", group_id=None)
    try:
        await observer.start()
        ends = await observer.end_offsets(places)
    finally:
        await observer.stop()
    return {
        each.name: {place.partition: end for place, end in ends.items() if end and place.topic == each.name}
        for each in topics
    }


async def until_read(servers: str, group: str, ends: Mapping[int, int]) -> None:
    """Wait until a group has stored what was published so far: it has committed these offsets."""
    async with within(READ_WITHIN_S, f"{group} has not read what was published"):
        while True:
            # A broker that was killed comes back.
            with suppress(KafkaError):
                read = await _committed(servers, group)
                if all(read.get(partition, 0) >= end for partition, end in ends.items()):
                    return
            await asyncio.sleep(LOOK_EVERY_S)


async def _committed(servers: str, group: str) -> dict[int, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(group)
        return {place.partition: committed.offset for place, committed in offsets.items()}
    finally:
        await admin.close()


async def check(stage: Stage) -> tuple[list[str], list[str]]:
    """Ask registry what it makes of the street; return its open findings, and what differs from the told."""
    world = stage.world
    summary = (await _ask(stage, "/posts/summary", unit=STREET_OFFICE))["by_type"]
    told = Counter(seat.type for seat in world.seats if seat.desk.startswith(STREET_OFFICE))
    differences = [
        f"posts of {type_}: told {told[type_]}, registry counts {summary.get(type_, 0)}"
        for type_ in sorted(told.keys() | summary.keys())
        if told[type_] != summary.get(type_, 0)
    ]
    for household in (world.households[0], world.households[-1]):
        chain = await _ask(stage, "/responsible", household=household.household)
        links = [link["post"] for link in chain["links"]]
        if (chain["length"], len(links)) != (LEVELS, LEVELS + len(world.above)):
            differences.append(f"chain of {household.household}: {' → '.join(links)}")
    items = [
        item
        for desk in world.desks
        for item in (await _ask(stage, "/findings", desk=desk, open="true"))["items"]
    ]
    findings = [f"{item['code']} {item['subject']}" for item in items]
    return findings, differences + _not_as_told(world, items)


def _not_as_told(world: World, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare open findings with the gaps that were told: vacant posts that households depend on."""
    gaps = {seat.post for seat in world.vacant if seat.takes_charge}
    # A smaller street cannot add up to what the source declares; that is what this finding is for.
    told = set() if world.is_whole else {"total-does-not-reconcile"}
    found = {item["subject"]: item["code"] for item in items if item["code"] not in told}
    missing = [f"finding missing: {post} is vacant" for post in sorted(gaps - found.keys())]
    return missing + [f"finding {found[each]}: {each}" for each in sorted(found.keys() - gaps)]


async def _ask(stage: Stage, path: str, **query: str) -> dict[str, Any]:
    return await read(stage.clients["registry"], path, params=query, headers=stage.tokens.of(OPERATOR))
