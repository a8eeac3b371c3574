"""The same topology in plain aiokafka: what the pipeline costs when nothing protects it.

Same topics' partitions, same answers (bytes and model), same server, one process: relays become sheets and
deliveries, answers are merged into sheets, each batch is one majority-written transaction of the documents
it touched, then absolute tallies go to a roll-up consumer, which adds, writes and sends them on, then the
offsets are committed.

What it leaves out is what dispatch is for: no position in the transaction and no guard (a crash or a second
owner may count twice or lose), no state loaded from the store (a restart forgets), no typed headers, dead
letters or strays, no authority, frozen audience, relaying, escalation, first times, notes, close or API.
"""

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReplaceOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.contracts.dispatch import Answer, Delivered, Delivery
from shared.contracts.registry import ROSTERS_TOPIC, Roster
from shared.flow.partitions import partition_of

DESKS: Final = "raw.desks.v1"
ACKS: Final = "raw.acks.v1"
TALLIES: Final = "raw.tallies.v1"
PROGRESS: Final = "raw.progress.v1"
DELIVERIES: Final = "raw.deliveries.v1"
TOPICS: Final = (DESKS, ACKS, TALLIES, PROGRESS, DELIVERIES)
DATABASE: Final = "raw"
COLLECTIONS: Final = ("sheets", "rolls")
READY: Final = "ready"
DONE: Final = 6
BATCH: Final = 2_000
DELIVERED_MOST: Final = 200

Counts = dict[str, list[int]]
Record = tuple[str, str, bytes]


@dataclass(slots=True)
class Sheet:
    """One desk's posts by position and the state each has reached."""

    desk: str
    parent: str | None
    index: dict[str, int]
    levels: list[str]
    children: list[str]
    state: bytearray
    v: int = 0

    def counts(self) -> Counts:
        """Return [total, done] by level."""
        counts: Counts = {}
        for level, state in zip(self.levels, self.state, strict=True):
            cell = counts.setdefault(level, [0, 0])
            cell[0] += 1
            cell[1] += state >= DONE
        return counts


@dataclass(slots=True)
class Roll:
    """A desk's own newest tally and those of the desks below it."""

    own: dict[str, Any] | None = None
    below: dict[str, dict[str, Any]] = field(default_factory=dict)
    v: int = 0

    def sum(self) -> tuple[Counts, bool]:
        """Return own + below by level, and whether every expected desk has reported all of its own."""
        own = self.own or {"counts": {}, "children": []}
        counts: Counts = {level: list(cell) for level, cell in own["counts"].items()}
        for tally in self.below.values():
            for level, (total, done) in tally["counts"].items():
                cell = counts.setdefault(level, [0, 0])
                cell[0] += total
                cell[1] += done
        whole = self.own is not None and len(self.below) == len(own["children"])
        return counts, whole and all(tally["whole"] for tally in self.below.values())


class Raw:
    """Two consumer loops over one producer and one database."""

    def __init__(self, servers: str, mongo: str, partitions: int) -> None:
        self._servers = servers
        self._partitions = partitions
        self._client: Any = AsyncIOMotorClient(mongo)
        self._database = self._client[DATABASE]
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=131_072,
        )
        self._rosters: dict[str, Roster] = {}
        self._sheets: dict[tuple[str, str], Sheet] = {}
        self._rolls: dict[tuple[str, str], Roll] = {}

    async def run(self) -> None:
        """Read the rosters, say that this is ready, and work until cancelled."""
        await self._producer.start()
        await self._read_rosters()
        loops = ((self._sheets_of, "raw.sheets", (DESKS, ACKS)), (self._rolls_of, "raw.rolls", (TALLIES,)))
        waiting = [asyncio.Event() for _ in loops]
        tasks = [
            asyncio.create_task(self._consume(fold, group, topics, assigned))
            for (fold, group, topics), assigned in zip(loops, waiting, strict=True)
        ]
        await asyncio.gather(*(assigned.wait() for assigned in waiting))
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        try:
            await asyncio.gather(*tasks)
        finally:
            await self._producer.stop()

    async def _read_rosters(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers, enable_auto_commit=False)
        await consumer.start()
        places = [TopicPartition(ROSTERS_TOPIC.name, number) for number in range(self._partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=50)).values():
                for record in records:
                    roster = Roster.model_validate_json(record.value)
                    self._rosters[roster.desk] = roster
        await consumer.stop()

    async def _consume(
        self,
        fold: Callable[[Iterable[Any]], tuple[str, list[Any], list[Record]]],
        group: str,
        topics: tuple[str, ...],
        assigned: asyncio.Event,
    ) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_wait_ms=100,
        )
        consumer.subscribe(topics, listener=Assigned(assigned))
        await consumer.start()
        try:
            while True:
                polled = await consumer.getmany(timeout_ms=20, max_records=BATCH)
                if polled:
                    records = [record for part in polled.values() for record in part]
                    collection, documents, messages = fold(records)
                    await self._write(collection, documents)
                    await self._publish(messages)
                    await consumer.commit()
        finally:
            await consumer.stop()

    async def _write(self, collection: str, documents: list[Any]) -> None:
        operations = [ReplaceOne({"_id": body["_id"]}, body, upsert=True) for body in documents]
        async with (
            await self._client.start_session() as session,
            session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")
            ),
        ):
            await self._database[collection].bulk_write(operations, ordered=False, session=session)

    async def _publish(self, messages: list[Record]) -> None:
        sent = [
            await self._producer.send(
                topic, value, key.encode(), partition=partition_of(key.encode(), self._partitions)
            )
            for topic, key, value in messages
        ]
        await asyncio.gather(*sent)

    def _sheets_of(self, records: Iterable[Any]) -> tuple[str, list[Any], list[Record]]:
        """Merge relays and answers; return touched documents, then fan-outs and tallies."""
        messages: list[Record] = []
        touched: dict[tuple[str, str], Sheet] = {}
        for record in records:
            if record.topic == DESKS:
                relay = json.loads(record.value)
                key = relay["directive"], relay["to"]
                self._sheets[key] = sheet = _sheet(self._rosters[relay["to"]], relay)
                messages += _fan_out(sheet, relay, self._rosters[sheet.desk])
            else:
                answer = Answer.model_validate_json(record.value)
                key = answer.directive, answer.desk
                sheet = self._sheets[key]
                position = sheet.index[answer.addressee]
                sheet.state[position] = max(sheet.state[position], DONE)
            touched[key] = sheet
        for (directive, desk), sheet in touched.items():
            sheet.v += 1
            tally = {"v": sheet.v, "desk": desk, "directive": directive, "to": desk, "parent": sheet.parent}
            tally |= {"counts": sheet.counts(), "children": sheet.children}
            messages.append((TALLIES, f"{desk}/{directive}", json.dumps(tally).encode()))
        documents = [
            {"_id": "/".join(key), "v": sheet.v, "state": bytes(sheet.state)}
            for key, sheet in touched.items()
        ]
        return "sheets", documents, messages

    def _rolls_of(self, records: Iterable[Any]) -> tuple[str, list[Any], list[Record]]:
        """Keep the newest tally of each desk; return touched documents, then sums and tallies upward."""
        touched: dict[tuple[str, str], Roll] = {}
        for record in records:
            tally = json.loads(record.value)
            key = tally["directive"], tally["to"]
            touched[key] = roll = self._rolls.setdefault(key, Roll())
            if tally["desk"] == tally["to"]:
                roll.own = tally if roll.own is None or tally["v"] > roll.own["v"] else roll.own
            elif tally["v"] > roll.below.get(tally["desk"], {"v": 0})["v"]:
                roll.below[tally["desk"]] = tally
        messages: list[Record] = []
        documents = []
        for (directive, desk), roll in touched.items():
            roll.v += 1
            messages += _rolled(directive, desk, roll)
            below = list(roll.below.values())
            documents.append({"_id": f"{directive}/{desk}", "v": roll.v, "own": roll.own, "below": below})
        return "rolls", documents, messages


class Assigned(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Says when a group has given this process its partitions."""

    def __init__(self, assigned: asyncio.Event) -> None:
        self._assigned = assigned

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Do nothing: there is one process and it keeps all in memory."""

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Note it."""
        del assigned
        self._assigned.set()


def _sheet(roster: Roster, relay: dict[str, Any]) -> Sheet:
    seats = [seat for seat in roster.seats if seat.post != relay["issuer"]]
    return Sheet(
        desk=roster.desk,
        parent=relay["sender"],
        index={seat.post: position for position, seat in enumerate(seats)},
        levels=[seat.level for seat in seats],
        children=[child.desk for child in roster.children],
        state=bytearray(len(seats)),
    )


def _fan_out(sheet: Sheet, relay: dict[str, Any], roster: Roster) -> list[Record]:
    entries = [
        Delivered(addressee=seat.post, holder=seat.holder or "-")
        for seat in roster.seats
        if seat.post in sheet.index
    ]
    deliveries = [
        Delivery(
            directive=relay["directive"],
            version=1,
            epoch=0,
            desk=sheet.desk,
            effect="order",
            text=relay["text"],
            entries=tuple(entries[first : first + DELIVERED_MOST]),
        )
        for first in range(0, len(entries), DELIVERED_MOST)
    ]
    out = [(DELIVERIES, sheet.desk, delivery.model_dump_json().encode()) for delivery in deliveries]
    for child in sheet.children:
        down = {**relay, "to": child, "sender": sheet.desk}
        out.append((DESKS, child, json.dumps(down).encode()))
    return out


def _rolled(directive: str, desk: str, roll: Roll) -> list[Record]:
    own = roll.own
    if own is None:
        return []
    counts, whole = roll.sum()
    cells = {level: {"total": total, "done": done} for level, (total, done) in counts.items()}
    total = {name: sum(cell[name] for cell in cells.values()) for name in ("total", "done")}
    shown = {"directive": directive, "desk": desk, "v": roll.v, "total": total, "cells": cells}
    shown["all_reported"] = whole and total["total"] == total["done"]
    out = [(PROGRESS, f"{directive}/{desk}", json.dumps(shown).encode())]
    if own["parent"] is not None:
        up = {"v": roll.v, "desk": desk, "directive": directive, "to": own["parent"]}
        up |= {"counts": counts, "whole": whole}
        out.append((TALLIES, f"{own['parent']}/{directive}", json.dumps(up).encode()))
    return out


async def main(servers: str, mongo: str, partitions: str) -> None:
    """Run until SIGTERM."""
    work = asyncio.create_task(Raw(servers, mongo, int(partitions)).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
