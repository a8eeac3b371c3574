"""Records that are no good, made of good ones; and the dead letters that they become."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord

from shared.contracts import registry
from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Charges
from shared.contracts.topics import Topic
from tests.harness.log import Log, header, new_id
from tests.harness.waiting import until
from tests.harness.world import FIRST, community

ELSEWHERE = b"610802999001"
DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000


@dataclass(frozen=True)
class Poison:
    """A record that is no good, by the code it is set aside under."""

    name: str
    code: str
    spoiled: Message


def poisons(good: Message, wrong: Mapping[str, Mapping[str, Any]] | None = None) -> list[Poison]:
    """Spoil a good record in many ways; each keeps whatever of it is not spoiled.

    `wrong` names values of its own fields that are no good, by what is wrong with them.
    """
    body = json.loads(good.value or b"")
    named = next(name for name in body.get("command", body) if name != "do")

    def changed(fields: Mapping[str, Any]) -> bytes:
        inner = body.get("command")
        return json.dumps({"command": inner | fields} if inner else body | fields).encode()

    def without(name: str) -> bytes:
        inner = dict(body.get("command") or body)
        del inner[name]
        return json.dumps({"command": inner} if "command" in body else inner).encode()

    spoiled = [
        Poison("empty", "empty", replace(good, value=b"")),
        Poison("null", "empty", replace(good, value=None)),
        Poison("non-json", "invalid-body", replace(good, value=b"not json")),
        Poison("non-utf-8 body", "invalid-body", replace(good, value=b'{"text":"\xff\xfe"}')),
        Poison("non-utf-8 header", "not-utf-8", _headed(good, "ce_type", b"\xff\xfe")),
        Poison("wrong type", "invalid-body", replace(good, value=changed({named: ["no", "string"]}))),
        Poison("missing field", "invalid-body", replace(good, value=without(named))),
        Poison("deep nesting", "invalid-body", replace(good, value=DEEP)),
        Poison("wrong version", "unknown-type", _headed(good, "ce_type", b"gridloop.dispatch.x.v9")),
        Poison("another topic's", "unknown-type", _foreign(good)),
    ]
    spoiled += [
        Poison(name, "invalid-body", replace(good, value=changed(fields)))
        for name, fields in (wrong or {}).items()
    ]
    if BY_NAME[good.topic].routing is not None:
        spoiled.append(Poison("wrong key", "wrong-key", replace(good, key=ELSEWHERE)))
    return spoiled


def _headed(good: Message, name: str, value: bytes) -> Message:
    return replace(good, headers=tuple((key, value if key == name else old) for key, old in good.headers))


def _foreign(good: Message) -> Message:
    """Return a good message of another topic, where this one would stand."""
    context = Context(id=new_id("foreign"), source="/test", at=datetime.now(UTC))
    body = Charges(desk=FIRST, v=1, households=1, members=2, uncharged=0)
    other = message(registry.CHARGES_TOPIC, registry.CHARGES, FIRST, body, context)
    if good.topic == registry.CHARGES_TOPIC.name:
        other = message(registry.ROSTERS_TOPIC, registry.ROSTER, FIRST, community(), context)
    return replace(other, topic=good.topic, key=good.key)


def larger(good: Message, size: int) -> Message:
    """Return a record whose body is no good and has this many bytes."""
    return replace(good, value=b"x" * size)


async def letters(log: Log, topic: Topic, group: str, count: int) -> list[ConsumerRecord]:
    """Wait for so many dead letters and return all there are; one sent again must be the same letter."""

    async def enough() -> list[ConsumerRecord]:
        found: dict[str, ConsumerRecord] = {}
        for letter in await log.read(topic.dead_letters(group)):
            first = found.setdefault(header(letter, "dlq_id"), letter)
            assert (first.value, first.headers) == (letter.value, letter.headers)
        return list(found.values()) if len(found) >= count else []

    return list(await until(enough, what=f"{count} dead letters of {group}")) if count else await enough()


def check(found: list[ConsumerRecord], group: str, spoiled: list[Poison]) -> None:
    """Fail unless there is one letter a poison, as it came, saying where it stood and what was wrong."""
    assert len(found) == len(spoiled)
    assert Counter(header(letter, "dlq_code") for letter in found) == Counter(each.code for each in spoiled)
    assert Counter(letter.value or b"" for letter in found) == Counter(
        each.spoiled.value or b"" for each in spoiled
    )
    came = Counter(dict(each.spoiled.headers)["ce_id"] for each in spoiled)
    assert Counter(dict(letter.headers)["ce_id"] for letter in found) == came
    topics = {each.spoiled.topic for each in spoiled}
    for letter in found:
        assert header(letter, "dlq_group") == group
        topic, partition, offset = header(letter, "dlq_id").split("/")
        assert topic in topics
        assert int(partition) >= 0
        assert int(offset) >= 0
        datetime.fromisoformat(header(letter, "dlq_first_failed_at"))
