"""A broker in a list: what a consumer record looks like, and where published messages go.

What it does not imitate: a broker. Nothing is lost, delayed or reordered, there are no groups and no offsets
to commit, and every topic has the same number of partitions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of

PARTITIONS = 12
NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z


@dataclass(frozen=True, slots=True)
class Raw:
    """The fields of `aiokafka.ConsumerRecord` that reading looks at."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    offset: int = 0
    partition: int = 0
    timestamp: int = NOON_MS


def arriving(message: Message, *, offset: int, timestamp: int = NOON_MS) -> Raw:
    """Return a message as the consumer of its partition gets it."""
    return Raw(
        message.topic, message.key, message.value, message.headers,
        offset, partition_of(message.key, PARTITIONS), timestamp,
    )  # fmt: skip


@dataclass(slots=True)
class Watch:
    """An `Observer` and a publisher that remember; `failing` holds what the next publishes raise."""

    published: list[Message] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    applications: list[tuple[int, int]] = field(default_factory=list)
    letters: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    tries: list[str | None] = field(default_factory=list)
    failing: list[Exception | None] = field(default_factory=list)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Acknowledge at once, or raise what the test has queued."""
        failure = self.failing.pop(0) if self.failing else None
        if failure is not None:
            raise failure
        self.published.extend(messages)
        self.steps.append("publish")

    def reached(self, _group: str, step: str) -> None:
        """Note a crash point."""
        self.steps.append(step)

    def applied(self, _group: str, *, records: int, replayed: int, seconds: float) -> None:
        """Note a batch."""
        assert seconds >= 0
        self.applications.append((records, replayed))

    def dead_lettered(self, _group: str, code: str) -> None:
        """Note a dead letter."""
        self.letters[code] += 1

    def moved(self, _group: str) -> None:
        """Note a stray."""
        self.moves += 1

    def retrying(self, _group: str, error: Exception | None) -> None:
        """Note a try that failed, or that all is well (None)."""
        self.tries.append(type(error).__name__ if error else None)

    def of(self, type_: str) -> list[Message]:
        """Return what was published of one message type."""
        return [message for message in self.published if ("ce_type", type_.encode()) in message.headers]
