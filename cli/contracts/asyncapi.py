"""AsyncAPI 3.0 from the topic cards: keys, partitions, retention, CloudEvents headers, examples, groups.

Payloads refer to the JSON Schema files beside the document. FastStream's own document knows subscribers
only: no headers, no keys, no topics that somebody outside reads.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from shared import contracts
from shared.contracts.base import MESSAGE_ID, Model
from shared.contracts.topics import Topic
from shared.messaging.admin import Wanted, wanted
from shared.runtime.settings import ServiceSettings

EXAMPLES: Final = Path(contracts.__file__).with_name("examples")
BINDING: Final = "0.5.0"
JSON_SCHEMA: Final = "application/schema+json;version=draft-2020-12"
LONGEST_EXAMPLE: Final = 1_000
"""Bytes; longer ones are found in the folder only."""
HEADERS: Final = "cloudEvent"
PARTITIONS: Final[int] = ServiceSettings.model_fields["partitions"].default

_ABOUT: Final = (
    "Everything Gridloop says and hears on Kafka. Records are CloudEvents 1.0 in binary mode: the value is "
    "the body, every attribute a header. A record's partition is murmur2 of its key's bytes before the first "
    "`/`; one that stands elsewhere is moved. The number of partitions is chosen once by each installation "
    "(GRIDLOOP_PARTITIONS); the one shown holds where nothing was chosen. docs/integrate.md is the way in."
)


def document(topics: Sequence[Topic]) -> dict[str, Any]:
    """Return the document of these topics."""
    settings = {each.name: each for each in wanted(PARTITIONS, topics)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Gridloop",
            "version": version("gridloop"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, settings[topic.name]) for topic in topics},
        "operations": {name: each for topic in topics for name, each in _operations(topic)},
        "components": {"schemas": {HEADERS: _headers()}},
    }


def schema_reference(type_: str) -> str:
    """Return where a message's schema lies, as seen from the document."""
    return f"./schemas/{type_}.json"


def _channel(topic: Topic, settings: Wanted) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{topic.kind.capitalize()} by {', '.join(topic.producers)}; key: {topic.key}.",
        "messages": {type_: _message(topic, type_, model) for type_, model in topic.models.items()},
        "bindings": {
            "kafka": {
                "partitions": settings.partitions,
                "topicConfiguration": _configuration(settings.settings),
                "bindingVersion": BINDING,
            }
        },
        "x-gridloop": {
            "key": topic.key,
            "kind": topic.kind,
            "internal": topic.internal,
            "producers": list(topic.producers),
        },
    }


def _configuration(settings: dict[str, str]) -> dict[str, Any]:
    return {
        "cleanup.policy": settings["cleanup.policy"].split(","),
        "retention.ms": int(settings["retention.ms"]),
        "max.message.bytes": int(settings["max.message.bytes"]),
        "message.timestamp.type": settings["message.timestamp.type"],
    }


def _message(topic: Topic, type_: str, model: type[Model]) -> dict[str, Any]:
    examples = [
        {"name": path.stem, "payload": json.loads(path.read_bytes())}
        for path in sorted((EXAMPLES / topic.name / type_.split(".")[2]).glob("*.json"))
        if path.stat().st_size <= LONGEST_EXAMPLE
    ]
    return {
        "name": type_,
        "title": model.__name__,
        "summary": inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": f"#/components/schemas/{HEADERS}"},
                {"type": "object", "properties": {"ce_type": {"const": type_}}},
            ]
        },
        "payload": {"schemaFormat": JSON_SCHEMA, "schema": {"$ref": schema_reference(type_)}},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": BINDING}
        },
        "examples": examples,
    }


def _operations(topic: Topic) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what Gridloop itself does with a topic: write it, and read it by each consumer group."""
    channel = {"$ref": f"#/channels/{topic.name}"}
    owner = topic.name.partition(".")[0]
    if owner in topic.producers:
        yield f"{topic.name}.send", {"action": "send", "channel": channel}
    for group in topic.groups:
        yield (
            f"{topic.name}.receive.{group}",
            {
                "action": "receive",
                "channel": channel,
                "bindings": {
                    "kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": BINDING}
                },
                "x-dead-letters": topic.dead_letters(group),
            },
        )


def _headers() -> dict[str, Any]:
    """Return the schema of every record's headers, as `shared.contracts.envelope` writes them."""

    def text(meaning: str, **other: str) -> dict[str, str]:
        return {"type": "string", "description": meaning, **other}

    return {
        "type": "object",
        "required": ["ce_type", "ce_id"],
        "properties": {
            "content-type": text("application/json"),
            "ce_specversion": text("1.0"),
            "ce_id": text(
                "Identity: a record sent again has the same id and body, and counts once.",
                pattern=MESSAGE_ID.pattern,
            ),
            "ce_type": text("Which message this is."),
            "ce_source": text("Who speaks, as a URI reference."),
            "ce_time": text("When it was said; rules use the broker's time instead.", format="date-time"),
            "ce_subject": text("The record's key."),
            "ce_actor": text("The person handle, or the system, that answers for it."),
            "traceparent": text("W3C trace context; carried on to what follows from the record."),
        },
    }
