"""A log in memory: topics × partitions, the broker's time, and committed offsets by group."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from shared.contracts.base import Model
from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import Context, Message, header, message
from shared.contracts.topics import Topic
from shared.flow.partitions import partition_of
from shared.flow.records import Arrival, Record
from shared.messaging.reading import read
from tests.simulation.scheduler import Scheduler

PARTITIONS = 3
NONSENSE = "nonsense-"
"""What the id of a record begins with that its sender knows nobody can read."""

Watcher = Callable[[Arrival], None]


def at_home(arrival: Arrival) -> bool:
    """Whether a record lies on the partition of its key."""
    return partition_of(arrival.origin.key, PARTITIONS) == arrival.origin.partition


class Raw(NamedTuple):
    """What `shared.messaging.reading.read` looks at in a client's record."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Any
    timestamp: int


class Log:
    """Appended records, read as a consumer would read them; every append is told to the watchers."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._records: dict[tuple[str, int], list[Arrival]] = defaultdict(list)
        self.committed: dict[tuple[str, str, int], int] = defaultdict(int)
        self.watchers: list[Watcher] = []
        self.dead: dict[str, Message] = {}
        self.digest = blake2b(digest_size=16)
        self.trace: list[str] | None = None
        self.appended = 0
        self._nonsense = 0

    def note(self, *words: object) -> None:
        """Write one line of the trace; its hash tells whether two runs were the same."""
        line = f"{self._scheduler.now_ms} {' '.join(map(str, words))}"
        self.digest.update(line.encode())
        if self.trace is not None:
            self.trace.append(line)

    def append(self, record: Message, *, partition: int | None = None) -> None:
        """Append with the broker's time, to the partition of the key unless a careless client chose one."""
        self.appended += 1
        if record.topic not in BY_NAME:
            self.dead[header(record.headers, "dlq_id")] = record
            self.note("dead", record.topic, header(record.headers, "dlq_id"))
            return
        place = partition_of(record.key, PARTITIONS) if partition is None else partition
        records = self._records[record.topic, place]
        arrival = read(
            Raw(
                record.topic, place, len(records), record.key, record.value, record.headers,
                self._scheduler.now_ms,
            )
        )  # fmt: skip
        records.append(arrival)
        value = blake2b(record.value or b"", digest_size=8).hexdigest()
        self.note("append", record.topic, place, len(records) - 1, arrival.id, record.key.decode(), value)
        for watcher in self.watchers:
            watcher(arrival)

    def say(
        self,
        topic: Topic,
        type_: str,
        key: str,
        body: Model,
        *,
        id_: str,
        actor: str = "",
        stray: bool = False,
    ) -> None:
        """Append a message as an API or a channel would; a stray one lands beside its partition."""
        context = Context(id=id_, source="simulation", at=self._scheduler.now, actor=actor)
        record = message(topic, type_, key, body, context)
        home = partition_of(record.key, PARTITIONS)
        self.append(record, partition=(home + 1) % PARTITIONS if stray else home)

    def say_nonsense(self, topic: Topic, type_: str, key: str, value: bytes) -> None:
        """Append what nobody can read, as a careless client would."""
        self._nonsense += 1
        headers = (("ce_id", f"{NONSENSE}{self._nonsense}".encode()), ("ce_type", type_.encode()))
        self.append(Message(topic.name, key.encode(), value, headers))

    def fetch(self, topic: str, partition: int, offset: int, most: int) -> list[Arrival]:
        """Return records from an offset on."""
        return self._records[topic, partition][offset : offset + most]

    def topics(self) -> list[str]:
        """Return the topics anything was appended to."""
        return sorted({topic for (topic, _), records in self._records.items() if records})

    def all(self, topic: str) -> list[Arrival]:
        """Return every record of a topic."""
        return [record for place in range(PARTITIONS) for record in self._records[topic, place]]

    def in_place(self, topic: str) -> Iterator[Record]:
        """Yield a topic's readable records, but for strays: each of them is moved."""
        return (each for each in self.all(topic) if isinstance(each, Record) and at_home(each))
