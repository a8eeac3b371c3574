"""What a consumer is given: a decoded record, or one that cannot be read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contracts.base import Model
from shared.contracts.envelope import Context, Headers

LARGEST_BODY: Final = 4_000_000
LARGEST_HEAD: Final = 65_536
"""In bytes; a head is a key with its headers. What arrived packed may be larger than what can be appended:
a letter about it, or an outcome that names its actor, would then be tried for ever."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stands in the log, with the bytes as they arrived."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers

    @property
    def has_large_body(self) -> bool:
        return len(self.value or b"") > LARGEST_BODY

    @property
    def has_large_head(self) -> bool:
        return (
            len(self.key) + sum(len(name) + len(value or b"") for name, value in self.headers) > LARGEST_HEAD
        )


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

    def causing(self, id_: str, *, source: str, actor: str = "") -> Context:
        """Return the context of a message that follows from this record; its id is derived from the cause."""
        return Context(id=id_, source=source, at=self.at, actor=actor, traceparent=self.traceparent)


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
