"""Telling registry the street, and asking it back: posts reconcile, chains resolve, gaps are known."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

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
from shared.contracts.envelope import Context, message
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import (
    CHANGES,
    COMMANDS_TOPIC,
    OUTCOMES_TOPIC,
    ROSTERS_TOPIC,
    Roster,
)
from shared.flow.records import Record

LOOK_EVERY_S = 0.2
LEVELS = 5


@dataclass
class Loaded:
    """What registry has said so far of what it was told."""

    world: World
    waiting: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    rosters: dict[str, Roster] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)

    def hear(self, record: Record) -> None:
        match record.body:
            case Outcome(command=command) as outcome if command in self.waiting:
                self.waiting.discard(command)
                self.refused += [f"{row.code}: {row.detail}" for row in outcome.results if not row.accepted]
            case Roster() as body:
                self.ends[record.origin.partition] = record.origin.offset + 1
                known = self.rosters.get(body.desk)
                if known is None or body.v > known.v:
                    self.rosters[body.desk] = body

    def is_whole(self) -> bool:
        """Whether every command is answered and every roster says what lies below it."""
        return not self.waiting and all(self._is_known(desk) for desk in self.world.desks)

    def _is_known(self, desk: str) -> bool:
        roster = self.rosters.get(desk)
        below = sum(self.world.seats_by_desk[each] for each in self.world.below[desk])
        commanded = roster is not None and all(child.commander for child in roster.children)
        return roster is not None and commanded and roster.posts == below


async def tell(stage: Stage) -> None:
    """Append the whole street, and wait until all is decided and every service has the rosters."""
    loaded = Loaded(stage.world)
    records = []
    for key, changes in bulks(stage.world):
        context = Context(stage.ulids.new(), SOURCE, stage.clock.now(), OPERATOR)
        records.append(message(COMMANDS_TOPIC, CHANGES, key, changes, context))
        loaded.waiting.add(context.id)
    await stage.producer.append(records)
    async with tail(stage.stack.kafka, OUTCOMES_TOPIC, ROSTERS_TOPIC) as answers:
        async for answer in answers:
            loaded.hear(answer)
            if loaded.refused:
                raise UserError(f"registry refused a row of the demonstration's street: {loaded.refused[0]}")
            if loaded.is_whole():
                break
    for group in ROSTERS_TOPIC.groups:
        await until_read(stage.stack.kafka, group, loaded.ends)


async def until_read(servers: str, group: str, ends: Mapping[int, int]) -> None:
    """Wait until a group has stored what was published so far: it has committed these offsets."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        while True:
            # A broker that was killed comes back.
            with suppress(KafkaError):
                offsets = await admin.list_consumer_group_offsets(group)
                read = {place.partition: committed.offset for place, committed in offsets.items()}
                if all(read.get(partition, 0) >= end for partition, end in ends.items()):
                    return
            await asyncio.sleep(LOOK_EVERY_S)
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
