"""The smallest handler there can be: it keeps, per desk, the ids of the answers it has seen."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shared.contracts import dispatch as contract
from shared.contracts.base import json_bytes
from shared.contracts.envelope import Message
from shared.flow.batch import Flow, Patience
from shared.flow.documents import Collection, Documents
from shared.flow.merge import Merge
from shared.flow.partitions import partition_of
from shared.flow.records import Arrival, Origin, Record, Unreadable
from tests.builders.dispatch import AREA, DESK, NOON, answer
from tests.fakes.log import PARTITIONS, Watch
from tests.fakes.storage import MemoryStorage

GROUP = "dispatch.sheets"
TOPIC = contract.ACKS_TOPIC.name
HOME = partition_of(DESK.encode(), PARTITIONS)
SEEN: Collection[list[str]] = Collection(
    "seen", encode=lambda ids: {"ids": list(ids)}, decode=lambda body: list(body["ids"])
)
SENT: Collection[list[str]] = Collection(
    "sent", encode=lambda ids: {"ids": list(ids)}, decode=lambda body: list(body["ids"])
)
LABELS: Collection[str] = Collection(
    "labels", encode=lambda text: {"text": text}, decode=lambda body: str(body["text"]), immutable=True
)


class Seen(Merge):
    """Remembers who came; `bad` ids fail their rule. `fans` also sends each id once, and marks it."""

    def __init__(self, *, bad: Sequence[str] = (), fans: bool = False) -> None:
        self.bad = set(bad)
        self.fans = fans
        self.calls: list[str] = []
        self.weights: dict[str, int] = {}

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        self.calls.append("load")
        keys = {arrival.key for arrival in arrivals if isinstance(arrival, Record)}
        await docs.load(SEEN, keys)
        await docs.load(SENT, keys)
        await docs.load(LABELS, keys)

    def rule(self, docs: Documents, record: Record) -> None:
        self.calls.append(f"rule {record.id}")
        ids = docs.get(SEEN, record.key) or []
        ids.append(record.id)
        docs.put(SEEN, record.key, ids)
        if record.id in self.bad:
            raise ZeroDivisionError(record.id)

    def refuse(self, docs: Documents, unreadable: Unreadable) -> None:
        del docs
        self.calls.append(f"refuse {unreadable.code}")

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        self.calls.append("derive")
        for arrival in arrivals:
            if isinstance(arrival, Record):
                ids = docs.get(SEEN, arrival.key) or []
                already = docs.get(SENT, arrival.key) or []
                if self.fans and arrival.id in already:
                    continue
                yield Message("out", arrival.origin.key, f"{arrival.id}:{len(ids)}".encode())

    def mark(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        self.calls.append("mark")
        for arrival in arrivals:
            if self.fans and isinstance(arrival, Record):
                docs.put(SENT, arrival.key, sorted(docs.get(SEEN, arrival.key) or []))

    def weight(self, record: Arrival) -> int:
        return self.weights.get(record.id, 1)


class Bench:
    """A flow on fakes: `await bench(records)` is one poll."""

    def __init__(
        self, handler: Any, *, group: str = GROUP, storage: MemoryStorage | None = None, **more: Any
    ) -> None:
        self.storage = storage or MemoryStorage()
        self.watch = Watch()
        self.pauses: list[float] = []
        self.lapsed = False
        settings: dict[str, Any] = {
            "storage": self.storage,
            "publish": self.watch.publish,
            "partitions": lambda _topic: PARTITIONS,
            "observer": self.watch,
            "lapsed": lambda: self.lapsed,
            "reached": self.watch.reached,
            "patience": Patience(first=1.0, longest=3.0, total=7.0),
            "sleep": self._sleep,
        }
        self.flow = Flow(group, handler, **{**settings, **more})

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        await self.flow(arrivals)

    def seen(self, key: str = DESK) -> list[str]:
        body = self.storage.body("seen", key)
        return [] if body is None else list(body["ids"])

    def position(self, partition: int = HOME, topic: str = TOPIC, group: str = GROUP) -> int | None:
        body = self.storage.body("positions", f"{group}/{partition}")
        return None if body is None else dict(body["next"]).get(topic)

    def said(self) -> list[str]:
        return [(message.value or b"").decode() for message in self.watch.published if message.topic == "out"]


def record(id_: str, offset: int, *, key: str = DESK, partition: int = HOME, **answered: Any) -> Record:
    body = answer(AREA, "read", **answered)
    origin = Origin(TOPIC, partition, offset, key.encode(), json_bytes(body), (("ce_id", id_.encode()),))
    return Record(origin, id_, contract.ANSWER, body, NOON)


def unreadable(offset: int, code: str = "invalid-body", *, partition: int = HOME) -> Unreadable:
    origin = Origin(TOPIC, partition, offset, DESK.encode(), b"\xff", (("x", b"y"),))
    return Unreadable(origin, code, "state: literal_error", NOON)


def steps_until(stop: str, error: BaseException) -> Callable[[str, str], None]:
    """Return a crash point that raises where a process would be killed."""

    def reached(_group: str, step: str) -> None:
        if step == stop:
            raise error

    return reached


def digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()
