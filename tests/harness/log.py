"""The log as a test uses it: append anything anywhere, and read topics whole."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared.contracts import dispatch, registry
from shared.contracts.directives import CancelDirective, DirectiveCommand, IssueDirective
from shared.contracts.dispatch import Answer
from shared.contracts.envelope import Context, Headers, Message, message
from shared.contracts.registry import Roster
from shared.contracts.topics import Topic
from shared.flow.partitions import partition_of
from tests.harness.world import Entry, holder
from tests.servers import PARTITIONS

SOURCE = "/test"


def new_id(prefix: str = "t") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:20]}"


def answer(directive: str, entry: Entry, state: str | None = None, **other: Any) -> Answer:
    """Return an answer that makes the entry done, unless told otherwise."""
    fields: dict[str, Any] = {
        "directive": directive,
        "version": 1,
        "epoch": 0,
        "desk": entry.desk,
        "addressee": entry.post,
        "state": state or entry.done,
        "at": datetime.now(UTC),
    }
    return Answer(**{**fields, **other})


def of_answer(body: Answer, id_: str | None = None) -> Message:
    context = Context(
        id=id_ or new_id("answer"), source=SOURCE, at=body.at, actor=holder(body.by or body.addressee)
    )
    return message(dispatch.ACKS_TOPIC, dispatch.ANSWER, body.desk, body, context)


def of_command(command: IssueDirective | CancelDirective, id_: str, actor: str) -> Message:
    body = DirectiveCommand(command=command)
    desk = body.command.issuer.split("/")[0][:12]
    context = Context(id=id_, source=SOURCE, at=datetime.now(UTC), actor=actor)
    key = f"{desk}/{body.command.directive}"
    return message(dispatch.COMMANDS_TOPIC, dispatch.COMMAND, key, body, context)


def of_issue(directive: str, issuer: str, scope: str, **other: Any) -> Message:
    """Return the command that gives an order; its id is the directive's, as the API does it."""
    fields = {"text": "逐户排查", "deadlines": {"done": 3600, "step": 1800}, **other}
    command = IssueDirective(directive=directive, issuer=issuer, scope=scope, **fields)
    return of_command(command, directive, holder(issuer))


def header(record: ConsumerRecord, name: str) -> str:
    return next((value.decode(errors="replace") for key, value in record.headers if key == name), "")


class Log:
    """A producer that stays open, and a consumer for every read."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def append(self, *messages: Message, partition: int | None = None) -> None:
        """Append in order; to the partition of each key, or to one named."""
        sent = [
            await self._producer.send(
                each.topic,
                each.value,
                each.key,
                partition=partition_of(each.key, self._partitions(each.topic))
                if partition is None
                else partition,
                headers=list(each.headers),
            )
            for each in messages
        ]
        for acknowledged in sent:
            await acknowledged

    async def append_packed(self, *messages: Message) -> None:
        """Append as somebody who compresses: what is small on the wire may be large in a process."""
        async with AIOKafkaProducer(
            bootstrap_servers=self._kafka, max_request_size=2**26, compression_type="gzip"
        ) as packing:
            for each in messages:
                place = partition_of(each.key, self._partitions(each.topic))
                await packing.send_and_wait(
                    each.topic, each.value, each.key, partition=place, headers=list(each.headers)
                )

    async def rosters(self, *rosters: Roster) -> None:
        now = datetime.now(UTC)
        await self.append(
            *(
                message(
                    registry.ROSTERS_TOPIC, registry.ROSTER, roster.desk, roster,
                    Context(id=f"roster-{roster.desk}-{roster.v}", source=SOURCE, at=now),
                )
                for roster in rosters
            )
        )  # fmt: skip

    async def answers(self, directive: str, entries: Iterable[Entry], **other: Any) -> None:
        await self.append(*(of_answer(answer(directive, entry, **other)) for entry in entries))

    async def read(self, topic: Topic | str, key: str = "") -> list[ConsumerRecord]:
        """Return what the topic holds now, partition by partition; `key`: only keys that contain it."""
        name = topic if isinstance(topic, str) else topic.name
        consumer = AIOKafkaConsumer(
            name, bootstrap_servers=self._kafka, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            return [
                record
                for place, end in sorted(ends.items())
                for record in await _drained(consumer, place, end)
                if key.encode() in (record.key or b"")
            ]
        finally:
            await consumer.stop()

    async def bodies(self, topic: Topic, type_: str, directive: str) -> list[Any]:
        """Return the bodies of one type that name a directive."""
        return [
            topic.models[type_].model_validate_json(record.value)
            for record in await self.read(topic)
            if header(record, "ce_type") == type_ and directive.encode() in record.value
        ]

    async def ends(self, topics: Sequence[Topic]) -> dict[str, int]:
        """Return how many records each topic has ever had."""
        names = [topic.name for topic in topics]
        consumer = AIOKafkaConsumer(*names, bootstrap_servers=self._kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
        finally:
            await consumer.stop()
        return {name: sum(end for place, end in ends.items() if place.topic == name) for name in names}

    def _partitions(self, topic: str) -> int:
        # What the producer knows, once it has sent there; a test's topics all have the same number.
        known = self._producer.client.cluster.partitions_for_topic(topic)
        return len(known) if known else PARTITIONS


async def _drained(consumer: AIOKafkaConsumer, place: TopicPartition, end: int) -> list[ConsumerRecord]:
    records: list[ConsumerRecord] = []
    while await consumer.position(place) < end:
        records += (await consumer.getmany(place, timeout_ms=500)).get(place, [])
    return records


def raw(topic: Topic, key: bytes, value: bytes | None, headers: Headers) -> Message:
    """Return a record as nobody of ours would make it."""
    return Message(topic.name, key, value, headers)
