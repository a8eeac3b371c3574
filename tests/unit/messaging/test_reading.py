"""Reading a record: whatever its bytes are, it is a record or a reason why not, and nothing is raised."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.base import json_bytes
from shared.contracts.dispatch import Answer
from shared.flow.dead_letters import BEGINNING, dead_letter
from shared.flow.records import LARGEST_BODY, LARGEST_HEAD, Record, Unreadable
from shared.messaging.reading import read
from tests.builders.dispatch import AREA, DESK, DIRECTIVE, NOON, answer
from tests.fakes.log import NOON_MS, Raw

ANSWER = "gridloop.dispatch.answer.v1"
SECRET = "13912345678"
ID = "01JGXA5T8Z00000000000000AA"
HEADERS = (("ce_id", ID.encode()), ("ce_type", ANSWER.encode()), ("ce_actor", b"p-1"))
GOOD = Raw("dispatch.acks.v1", DESK.encode(), json_bytes(answer(AREA, "read")), HEADERS, 7, 3)


def body(**changes: Any) -> bytes:
    return json.dumps({**json.loads(GOOD.value or b""), **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps(
        {key: value for key, value in json.loads(GOOD.value or b"").items() if key != name}
    ).encode()


def headers(**changes: bytes | None) -> tuple[tuple[str, bytes | None], ...]:
    return tuple({**dict(HEADERS), **changes}.items())


def test_a_good_record_is_read_with_the_brokers_time() -> None:
    record = read(replace(GOOD, headers=(*HEADERS, ("traceparent", b"00-abc"))))
    assert isinstance(record, Record)
    assert record.body == answer(AREA, "read")
    assert (record.id, record.type, record.actor, record.key) == (ID, ANSWER, "p-1", DESK)
    assert record.at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert record.traceparent == "00-abc"
    assert (record.origin.topic, record.origin.partition, record.origin.offset) == ("dispatch.acks.v1", 3, 7)


DEEP = 10_000
POISON = {
    "empty": (replace(GOOD, value=b""), "empty"),
    "null": (replace(GOOD, value=None), "empty"),
    "json-null": (replace(GOOD, value=b"null"), "invalid-body"),
    "no-json": (replace(GOOD, value=b"<order/>"), "invalid-body"),
    "cut-off": (replace(GOOD, value=(GOOD.value or b"")[:-3]), "invalid-body"),
    "body-not-utf-8": (replace(GOOD, value=b'{"directive": "\xff\xfe"}'), "invalid-body"),
    "lone-surrogate": (replace(GOOD, value=body(reason="?").replace(b'"?"', b'"\\ud800"')), "invalid-body"),
    "id-not-utf-8": (replace(GOOD, headers=headers(ce_id=b"\xff\xfe")), "not-utf-8"),
    "type-not-utf-8": (replace(GOOD, headers=headers(ce_type=b"\xff")), "not-utf-8"),
    "actor-not-utf-8": (replace(GOOD, headers=headers(ce_actor=b"\xc3\x28")), "not-utf-8"),
    "key-not-utf-8": (replace(GOOD, key=b"\xff"), "not-utf-8"),
    "wrong-type-of-field": (replace(GOOD, value=body(version=[SECRET])), "invalid-body"),
    "missing-field": (replace(GOOD, value=without("addressee")), "invalid-body"),
    "unknown-enum": (replace(GOOD, value=body(state=SECRET)), "invalid-body"),
    "huge-number": (replace(GOOD, value=body(version=10**4000)), "invalid-body"),
    "huger-number": (
        replace(GOOD, value=body(version=0).replace(b": 0", b": " + b"9" * 100_000)),
        "invalid-body",
    ),
    "deep-arrays": (replace(GOOD, value=b"[" * DEEP + b"]" * DEEP), "invalid-body"),
    "deep-objects": (replace(GOOD, value=b'{"a":' * DEEP + b"1" + b"}" * DEEP), "invalid-body"),
    "deep-unknown-field": (
        replace(GOOD, value=body(extra=0).replace(b'"extra": 0', b'"extra": ' + b"[" * DEEP + b"]" * DEEP)),
        "invalid-body",
    ),
    "nan": (replace(GOOD, value=body(version=float("nan"))), "invalid-body"),
    "infinite": (
        replace(GOOD, value=body(version=0).replace(b'"version": 0', b'"version": 1e400')),
        "invalid-body",
    ),
    "wrong-version": (replace(GOOD, headers=headers(ce_type=b"gridloop.dispatch.answer.v2")), "unknown-type"),
    "another-topics-message": (
        replace(GOOD, headers=headers(ce_type=b"gridloop.dispatch.tally.v1")),
        "unknown-type",
    ),
    "no-type": (replace(GOOD, headers=headers(ce_type=None)), "missing-header"),
    "no-id": (replace(GOOD, headers=HEADERS[1:]), "missing-header"),
    "no-headers": (replace(GOOD, headers=()), "missing-header"),
    "wrong-key": (replace(GOOD, key=SECRET.encode()), "wrong-key"),
    "no-key": (replace(GOOD, key=None), "wrong-key"),
    "key-of-a-longer-desk": (replace(GOOD, key=f"{DESK}001".encode()), "wrong-key"),
}


@pytest.mark.parametrize(("raw", "code"), POISON.values(), ids=POISON)
def test_poison_is_a_reason_and_never_an_exception(raw: Raw, code: str) -> None:
    unreadable = read(raw)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.code == code
    assert unreadable.origin.value == raw.value
    assert unreadable.origin.headers == tuple(raw.headers)


ECHOES = {
    "state": replace(GOOD, value=body(state=SECRET)),
    "version": replace(GOOD, value=body(version=[SECRET])),
    "key": replace(GOOD, key=SECRET.encode()),
    "type": replace(GOOD, headers=headers(ce_type=SECRET.encode())),
    "addressee": replace(GOOD, value=body(addressee=f"{SECRET} 王芳")),
    "name-of-a-cell": Raw(
        "dispatch.tallies.v1",
        DESK.encode(),
        json.dumps({"cells": {SECRET: {"total": -1}}}).encode(),
        headers(ce_type=b"gridloop.dispatch.tally.v1"),
    ),
    "name-of-a-line": Raw(
        "registry.commands.v1",
        DESK.encode(),
        json.dumps(
            {
                "rows": [
                    {
                        "do": "put-household", "household": "hh-00000001", "unit": DESK,
                        "charges": {SECRET: f"{DESK}/s:x"}, "valid_from": "2022-01-01",
                    }
                ]
            }
        ).encode(),
        headers(ce_type=b"gridloop.registry.changes.v1"),
    ),
    "issuer": Raw(
        "dispatch.commands.v1",
        DESK.encode(),
        json.dumps(
            {
                "command": {
                    "do": "cancel", "directive": DIRECTIVE, "issuer": f"{SECRET}/s:chief", "reason": "x"
                }
            }
        ).encode(),
        headers(ce_type=b"gridloop.dispatch.command.v1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in ECHOES.items()])
def test_a_reason_repeats_nothing_of_the_record(raw: Raw) -> None:
    unreadable = read(raw)
    assert isinstance(unreadable, Unreadable)
    assert SECRET not in unreadable.code + unreadable.detail


def test_a_reason_is_short_and_says_where() -> None:
    unreadable = read(replace(GOOD, value=body(state="done")))
    assert isinstance(unreadable, Unreadable)
    assert unreadable.detail == "state: literal_error"
    long = read(replace(GOOD, headers=headers(ce_type=b"t" * 10_000)))
    assert isinstance(long, Unreadable)
    assert len(long.detail) <= 300


def test_an_unknown_field_of_a_newer_writer_is_read_past_even_if_it_is_no_number() -> None:
    record = read(replace(GOOD, value=body(weight=float("nan"), more=[{"x": None}])))
    assert isinstance(record, Record)
    assert record.body == answer(AREA, "read")


def test_a_malformed_command_keeps_its_id_and_actor_and_a_malformed_fact_has_none() -> None:
    command = Raw(
        "dispatch.commands.v1", DESK.encode(), b"{}", headers(ce_type=b"gridloop.dispatch.command.v1")
    )
    unreadable, fact = read(command), read(replace(GOOD, value=b"{}"))
    assert isinstance(unreadable, Unreadable)
    assert (unreadable.id, unreadable.actor) == (ID, "p-1")
    assert isinstance(fact, Unreadable)
    assert fact.id == ""


@pytest.mark.parametrize("timestamp", [-1, 0, 253_402_300_799_999])
def test_any_timestamp_is_survived(timestamp: int) -> None:
    assert read(replace(GOOD, timestamp=timestamp)).at.tzinfo is UTC


def test_a_claimed_time_is_not_the_records_time() -> None:
    record = read(replace(GOOD, value=body(at="2031-01-01T00:00:00Z")))
    assert isinstance(record, Record)
    assert isinstance(record.body, Answer)
    assert record.body.at > NOON
    assert record.at.timestamp() * 1000 == NOON_MS


@pytest.mark.req("B-06")
def test_what_could_not_be_appended_again_is_set_aside_by_its_beginning() -> None:
    whole = read(replace(GOOD, value=b"x" * LARGEST_BODY))
    large = read(replace(GOOD, value=b"x" * (LARGEST_BODY + 1)))
    assert isinstance(whole, Unreadable)
    assert isinstance(large, Unreadable)
    assert (whole.code, large.code) == ("invalid-body", "too-large")
    letter = dead_letter("dispatch.sheets", large)
    assert len(letter.value or b"") == BEGINNING
    assert dict(letter.headers)["ce_id"] == ID.encode()
    assert dict(letter.headers)["dlq_id"] == b"dispatch.acks.v1/3/7"


@pytest.mark.req("B-06")
@pytest.mark.parametrize(
    "spoiled",
    [
        replace(GOOD, headers=headers(ce_actor=b"x" * LARGEST_HEAD)),
        replace(GOOD, key=b"x" * (LARGEST_HEAD + 1)),
    ],
)
def test_nobody_is_answered_whose_name_is_too_large(spoiled: Raw) -> None:
    large = read(spoiled)
    assert isinstance(large, Unreadable)
    assert (large.code, large.id, large.actor) == ("too-large", "", "")
    letter = dead_letter("dispatch.sheets", large)
    assert letter.key == b"dispatch.acks.v1/3/7"
    assert "ce_actor" not in dict(letter.headers)
    assert letter.value == GOOD.value
