"""The raw log, read whole by a plain consumer: no group, nothing committed, nothing trusted."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from shared.contracts.base import Model
from shared.contracts.outcomes import Outcome
from shared.contracts.topics import Topic
from shared.kernel.codes import InvalidCode
from shared.kernel.errors import GridloopError, Transient
from shared.messaging.admin import TopicAdmin
from shared.messaging.security import Security

POLL_MS: Final = 500
MAX_RECORDS: Final = 5_000
SILENT_S: Final = 60.0
ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
MALFORMED: Final = ("malformed",)
MET_MS: Final = 30_000
"""A record so near another one, on another topic, may have been read on either side of it."""


class LogCut(GridloopError):  # noqa: N818 - named by what happened
    """A topic no longer starts at its beginning, so that nobody can say what its records came to."""


@dataclass(frozen=True, slots=True)
class Said:
    """One record, as far as its headers can be read; the body is read when somebody asks for it."""

    topic: str
    partition: int
    offset: int
    at: int
    key: str
    type: str
    id: str
    actor: str
    value: bytes

    @property
    def routing(self) -> str:
        """The part of the key that decides the partition: a community, a desk, a directive."""
        return self.key.partition("/")[0]


@dataclass(slots=True)
class Log:
    """Every record of some topics, by topic, in the order of each partition, and how many partitions."""

    records: dict[str, list[Any]] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)

    def said(self, topic: Topic) -> Iterator[Said]:
        """Yield the records of a topic whose headers are readable."""
        for raw in self.records.get(topic.name, ()):
            said = _said(raw)
            if said is not None:
                yield said

    def of(self, topic: Topic, *models: type[Model]) -> Iterator[tuple[Said, Any]]:
        """Yield the records of these models that belong under their keys; bad data is nobody's."""
        for said in self.said(topic):
            model = topic.models.get(said.type)
            body = _body(topic, model, said) if model in models else None
            if body is not None:
                yield said, body

    def newest(self, topic: Topic, model: type[Model]) -> dict[str, Any]:
        """Return the last body under each key: what a compacted topic keeps."""
        last: dict[str, Said] = {
            said.key: said for said in self.said(topic) if topic.models.get(said.type) is model
        }
        return {key: body for key, said in last.items() if (body := _body(topic, model, said)) is not None}

    def commands(self, topic: Topic, outcomes: Topic) -> Iterator[tuple[Said, Any, Outcome]]:
        """Yield every command that was decided, once, in the order of its key, with what became of it."""
        decided: dict[str, Outcome] = {}
        for _, outcome in self.of(outcomes, Outcome):
            decided.setdefault(outcome.command, outcome)
        for said, body in self.of(topic, *topic.models.values()):
            outcome = decided.pop(said.id, None)
            if outcome is not None and outcome.status == "decided":
                yield said, body, outcome

    def answered(self, topic: Topic, outcomes: Topic) -> dict[str, Any]:
        """Return for each command on the log what it was answered, row by row; None: it never was."""
        answers: dict[str, Any] = {
            outcome.command: answer_of(outcome.status, [row.accepted for row in outcome.results])
            for _, outcome in self.of(outcomes, Outcome)
        }
        ids = [said.id for said in self.said(topic) if ID.fullmatch(said.id)]
        return {f"command {id_}": answers.get(id_) for id_ in ids}


def answer_of(status: str, accepted: Sequence[bool]) -> tuple[str, ...]:
    """Return an outcome as a statement."""
    if status != "decided":
        return MALFORMED
    return tuple("accepted" if each else "refused" for each in accepted)


async def read_log(servers: str, security: Security, topics: Sequence[Topic]) -> Log:
    """Read topics from the first record to the last; raises `LogCut`, `Transient`."""
    client = AIOKafkaConsumer(
        bootstrap_servers=servers,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4_194_304,
        **security.of_clients(),
    )
    try:
        places = await _places(servers, security, topics)
        await client.start()
        return await _read(client, topics, places)
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error
    finally:
        await client.stop()


async def _places(servers: str, security: Security, topics: Sequence[Topic]) -> list[TopicPartition]:
    async with TopicAdmin(servers, security) as admin:
        known = await admin.partitions()
    missing = [topic.name for topic in topics if topic.name not in known]
    if missing:
        raise Transient("topics-missing", ", ".join(missing))
    return [TopicPartition(topic.name, number) for topic in topics for number in range(known[topic.name])]


async def _read(client: Any, topics: Sequence[Topic], places: Sequence[TopicPartition]) -> Log:
    log = Log({topic.name: [] for topic in topics}, dict(Counter(place.topic for place in places)))
    # Assigned first: the client would look for topics it has not been given one by one.
    client.assign(places)
    ends: Mapping[TopicPartition, int] = await client.end_offsets(places)
    first: Mapping[TopicPartition, int] = await client.beginning_offsets(places)
    _refuse_cut(topics, first)
    filled = [place for place in places if ends[place] > 0]
    client.assign(filled)
    by_place: dict[TopicPartition, list[Any]] = {place: [] for place in places}
    if filled:
        await client.seek_to_beginning(*filled)
    try:
        async with asyncio.timeout(SILENT_S) as limit:
            while any([await client.position(place) < ends[place] for place in filled]):
                batches = await client.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
                for place, records in batches.items():
                    by_place[place] += [record for record in records if record.offset < ends[place]]
                if batches:
                    limit.reschedule(asyncio.get_running_loop().time() + SILENT_S)
    except TimeoutError as error:
        raise Transient("kafka", f"no record came for {SILENT_S:g} s, and not all have come") from error
    for place in sorted(by_place):
        log.records[place.topic] += by_place[place]
    return log


def _refuse_cut(topics: Sequence[Topic], first: Mapping[TopicPartition, int]) -> None:
    # A compacted topic keeps the newest of every key for ever, which is all that is asked of it.
    kept = {topic.name for topic in topics if not topic.compacted}
    cut = sorted({place.topic for place, offset in first.items() if offset > 0 and place.topic in kept})
    if cut:
        raise LogCut("log-cut", ", ".join(cut))


def _said(raw: Any) -> Said | None:
    headers = {name: value for name, value in raw.headers if value is not None}
    try:
        return Said(
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            at=raw.timestamp,
            key=(raw.key or b"").decode(),
            type=headers["ce_type"].decode(),
            id=headers["ce_id"].decode(),
            actor=headers.get("ce_actor", b"").decode(),
            value=raw.value or b"",
        )
    except (KeyError, UnicodeDecodeError):
        return None


def _body(topic: Topic, model: type[Model] | None, said: Said) -> Any:
    if model is None or not said.value or not ID.fullmatch(said.id):
        return None
    try:
        body = model.model_validate_json(said.value)
        belongs = topic.routing is None or topic.routing(body) == said.routing
    except (ValidationError, InvalidCode):
        return None
    return body if belongs else None
