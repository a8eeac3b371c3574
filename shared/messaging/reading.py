"""From bytes to a typed record, or to a reason why not: nothing in a record is trusted, nothing is raised."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import ValidationError

from shared.contracts.base import LAST, MESSAGE_ID, Model
from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import header
from shared.contracts.topics import Topic
from shared.flow.records import Arrival, Origin, Record, Unreadable
from shared.kernel.clock import utc_ms
from shared.kernel.codes import InvalidCode
from shared.kernel.errors import Permanent

LAST_MS = utc_ms(LAST) - 1
"""The last instant of a message: a later timestamp is bad data, which not even its refusal could say."""


def read(raw: Any) -> Arrival:
    """Read one consumer record (`aiokafka.ConsumerRecord`)."""
    origin = Origin(raw.topic, raw.partition, raw.offset, raw.key or b"", raw.value, tuple(raw.headers))
    at = datetime.fromtimestamp(min(max(raw.timestamp, 0), LAST_MS) / 1000, UTC)
    if origin.has_large_head:
        # Whoever it says it is from is part of what is too large: nobody is answered.
        return Unreadable(origin, "too-large", "the key and the headers", at)
    if origin.has_large_body:
        return _unreadable(origin, at, "too-large", "the body")
    headers = {name: value for name, value in raw.headers if value is not None}
    try:
        type_, id_ = headers["ce_type"].decode(), headers["ce_id"].decode()
        actor = headers.get("ce_actor", b"").decode()
        key = origin.key.decode()
    except KeyError as missing:
        return _unreadable(origin, at, "missing-header", str(missing))
    except UnicodeDecodeError:
        return _unreadable(origin, at, "not-utf-8", "a header or the key")
    if not MESSAGE_ID.match(id_):
        return _unreadable(origin, at, "invalid-id", "ce_id")
    try:
        body = _body(BY_NAME[raw.topic], type_, key, raw.value)
    except InvalidCode as bad:
        return _unreadable(origin, at, bad.code, "")  # its detail is the text that is no code
    except Permanent as bad:
        return _unreadable(origin, at, bad.code, bad.detail)
    traceparent = headers.get("traceparent", b"").decode("ascii", "ignore")
    return Record(origin, id_, type_, body, at, actor, traceparent)


def _body(topic: Topic, type_: str, key: str, value: bytes | None) -> Model:
    model = topic.models.get(type_)
    if model is None:
        raise Permanent("unknown-type")
    if not value:
        raise Permanent("empty")
    try:
        body = model.model_validate_json(value)
    except ValidationError as error:
        raise Permanent("invalid-body", _first(error, model)) from error
    if topic.routing is not None and topic.routing(body) != key.partition("/")[0]:
        raise Permanent("wrong-key")
    return body


def _unreadable(origin: Origin, at: datetime, code: str, detail: str) -> Unreadable:
    command = header(origin.headers, "ce_id") if BY_NAME[origin.topic].kind == "commands" else ""
    return Unreadable(origin, code, detail[:300], at, command, header(origin.headers, "ce_actor"))


def _first(error: ValidationError, model: type[Model]) -> str:
    # Only our own words: the input may be anything, a person's data included, and a map's key is input too.
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    ours = [str(step) for step in first["loc"] if isinstance(step, int) or step in _field_names(model)]
    return f"{'.'.join(ours)}: {first['type']}"


@cache
def _field_names(model: type[Model]) -> frozenset[str]:
    """Return every field name that a model or a part of it has."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", ()))
