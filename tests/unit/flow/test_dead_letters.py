"""A dead letter, and the record that comes back out of it."""

from datetime import UTC, datetime

import pytest

from shared.contracts import dispatch
from shared.contracts.envelope import Headers
from shared.contracts.topics import Topic
from shared.flow.dead_letters import Letter, dead_letter, is_letter, mark_of, marked, taken_up
from shared.flow.records import LARGEST_BODY, Origin, Unreadable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAME: Headers = (("ce_id", b"answer-1"), ("ce_type", b"gridloop.dispatch.answer.v1"), ("x", b"\xff"))
VALUE = b'{"odd": true}'


def letter(
    topic: Topic = dispatch.ACKS_TOPIC,
    *,
    key: bytes = b"610802006003",
    headers: Headers = CAME,
    code: str = "unknown-type",
    value: bytes = VALUE,
) -> Letter:
    origin = Origin(topic.name, 3, 17, key, value, headers)
    made = dead_letter("dispatch.sheets", Unreadable(origin, code, "state: enum", NOW))
    assert is_letter(made.headers)
    return Letter(made.topic, 5, made.key, made.headers, len(made.value or b""))


def test_a_letter_says_where_the_record_stood_and_why() -> None:
    found = letter()
    assert (found.place, found.origin) == ("dispatch.acks.v1/3/17", "dispatch.acks.v1")
    assert (found.group, found.code, found.detail) == ("dispatch.sheets", "unknown-type", "state: enum")
    assert found.failed_at == NOW.isoformat()
    assert found.came_with == CAME


def test_a_record_is_taken_up_with_its_key_body_and_headers() -> None:
    again = taken_up(letter(), VALUE)
    assert (again.topic, again.key, again.value) == ("dispatch.acks.v1", b"610802006003", VALUE)
    assert again.headers == (*CAME, ("replay_of", b"dispatch.acks.v1/3/17"))


def test_a_record_without_a_key_gets_none() -> None:
    assert taken_up(letter(key=b""), VALUE).key == b""


def test_what_failed_again_names_the_last_place_only() -> None:
    first = taken_up(letter(), VALUE)
    second = taken_up(letter(headers=first.headers), VALUE)
    assert [value for name, value in second.headers if name == "replay_of"] == [b"dispatch.acks.v1/3/17"]
    assert second.headers[: len(CAME)] == CAME


def test_headers_that_pass_for_a_letters_own_do_not() -> None:
    posing = (*CAME, ("dlq_id", b"registry.commands.v1/0/0"), ("dlq_code", b"fine"))
    found = letter(headers=posing)
    assert (found.place, found.code) == ("dispatch.acks.v1/3/17", "unknown-type")
    assert taken_up(found, VALUE).headers[: len(posing)] == posing


@pytest.mark.parametrize(
    ("found", "hindrance"),
    [
        (letter(), ""),
        (letter(code="rule-failed"), ""),
        # A sender that was told no must not find out later that it was a yes.
        (letter(dispatch.COMMANDS_TOPIC), "answered"),
        (letter(code="too-large", value=b"x" * (LARGEST_BODY + 1)), "cut"),
        (Letter("t", 0, b"", (*CAME, *(letter().headers[-5:])), 0), ""),
        (Letter("t", 0, b"", (("dlq_id", b"nowhere/0/0"), *letter().headers[-4:]), 0), "unknown-topic"),
    ],
)
def test_what_cannot_be_taken_up_again_says_why(found: Letter, hindrance: str) -> None:
    assert found.hindrance == hindrance


def test_a_mark_is_about_its_letter_and_is_none_itself() -> None:
    mark = mark_of(letter(), NOW)
    assert mark.topic == letter().topic
    assert not is_letter(mark.headers)
    assert marked(mark.headers) == "dispatch.acks.v1/3/17"
    assert marked(letter().headers) == ""
    assert marked((("dlq_id", b"a/0/0"),)) == ""
