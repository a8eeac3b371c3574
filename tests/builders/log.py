"""A log made by hand: messages as they would stand on their topics, each at a time of its own."""

from datetime import UTC, datetime
from typing import Any

from cli.verify.log import Log
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.outcomes import Event, Outcome, Result
from shared.contracts.topics import Topic
from tests.fakes.log import NOON_MS, PARTITIONS, arriving

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Written:
    """Appends to a log; a record is as old as told, in seconds after noon."""

    def __init__(self) -> None:
        self.log = Log()
        self._offsets = 0

    def say(
        self, topic: Topic, body: Model, *, key: str, id_: str = "", at: float = 0, actor: str = "somebody"
    ) -> str:
        """Append a body and return its id."""
        self._offsets += 1
        name = id_ or f"record-{self._offsets:06}"
        type_ = next(type_ for type_, model in topic.models.items() if model is type(body))
        self.put(message(topic, type_, key, body, Context(name, "/test", NOON, actor)), at=at)
        return name

    def put(self, record: Message, *, at: float = 0) -> None:
        """Append a record as it is."""
        self.log.partitions[record.topic] = PARTITIONS
        records = self.log.records.setdefault(record.topic, [])
        records.append(arriving(record, offset=len(records), timestamp=NOON_MS + int(at * 1000)))

    def command(
        self, topic: Topic, outcomes: Topic, body: Model, *, key: str, accepted: tuple[bool, ...] = (True,),
        events: tuple[Event, ...] = (), **other: Any,
    ) -> str:  # fmt: skip
        """Append a command and its outcome, row by row; events are the first row's."""
        id_ = self.say(topic, body, key=key, **other)
        results = tuple(
            Result(accepted=each, events=events if not n else ()) for n, each in enumerate(accepted)
        )
        outcome = Outcome(command=id_, actor="somebody", body="0" * 64, at=NOON, results=results)
        self.say(outcomes, outcome, key=f"{key.partition('/')[0]}/{id_}", **other)
        return id_
