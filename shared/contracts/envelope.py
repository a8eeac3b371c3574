"""CloudEvents 1.0 in Kafka's binary mode: the value is the body, every attribute is a `ce_` header."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.base import Model, json_bytes
from shared.contracts.topics import Topic

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One record to append; its key decides the partition."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What every message says beside its body; `actor` is the person handle or service that speaks."""

    id: str
    source: str
    at: datetime
    actor: str = ""
    traceparent: str = ""
    extra: Headers = field(default=())


def message(topic: Topic, type_: str, key: str, body: Model, context: Context) -> Message:
    """Return the record of one message; equal arguments give equal bytes (design §2, Publishing)."""
    if type(body) is not topic.models.get(type_):
        raise TypeError(f"{topic.name} does not carry {type(body).__name__} as {type_}")
    return kept_message(topic, type_, key, json_bytes(body), context)


def kept_message(topic: Topic, type_: str, key: str, value: bytes, context: Context) -> Message:
    """Return the record of a body that was written down earlier, as the bytes it had then."""
    headers: list[tuple[str, bytes]] = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", context.id.encode()),
        ("ce_type", type_.encode()),
        ("ce_source", context.source.encode()),
        ("ce_time", context.at.isoformat().encode()),
        ("ce_subject", key.encode()),
    ]
    if context.actor:
        headers.append(("ce_actor", context.actor.encode()))
    if context.traceparent:
        headers.append(("traceparent", context.traceparent.encode()))
    return Message(topic.name, key.encode(), value, (*headers, *context.extra))


def header(headers: Sequence[tuple[str, bytes | None]], name: str) -> str:
    """Return a header's text, or "" where it is absent; bytes that are no UTF-8 are shown escaped."""
    for key, value in headers:
        if key == name and value is not None:
            return value.decode("utf-8", "backslashreplace")
    return ""
