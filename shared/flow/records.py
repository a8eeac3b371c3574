"""What a consumer is given: a decoded record, or one that cannot be read."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.base import Model
from shared.contracts.envelope import Headers


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stands in the log, with the bytes as they arrived."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Record:
    """One readable record. `at` is the broker's timestamp, the only `now` a rule ever sees."""

    origin: Origin
    id: str
    type: str
    body: Model
    at: datetime
    actor: str = ""
    traceparent: str = ""

    @property
    def key(self) -> str:
        """The record's key as text."""
        return self.origin.key.decode()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is bad data: it will be dead-lettered, and its command, if known, refused."""

    origin: Origin
    code: str
    detail: str
    at: datetime
    id: str = ""
    actor: str = ""


Arrival = Record | Unreadable
