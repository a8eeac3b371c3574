"""What counts as said on a log, and how two sides that differ are told."""

import pytest
from aiokafka import TopicPartition

from cli.verify.log import Log, LogCut, Said, _refuse_cut
from cli.verify.statements import differences
from shared.contracts import dispatch as contract
from shared.contracts.dispatch import Answer
from shared.contracts.envelope import Message
from tests.builders.log import NOON, Written
from tests.harness.world import FIRST, SECOND, member


def body(desk: str = FIRST) -> Answer:
    return Answer(
        directive="directive-1", version=1, epoch=0, desk=desk, addressee=member(desk), state="read", at=NOON
    )


def heard(log: Log) -> list[tuple[Said, Answer]]:
    return list(log.of(contract.ACKS_TOPIC, Answer))


def test_bad_data_is_nobodys_word() -> None:
    written = Written()
    written.say(contract.ACKS_TOPIC, body(), key=FIRST)
    written.say(contract.ACKS_TOPIC, body(SECOND), key=FIRST)  # under another desk's key
    written.say(contract.ACKS_TOPIC, body(), key=FIRST, id_="short")
    (good, *_) = written.log.records[contract.ACKS_TOPIC.name]
    headers = tuple((name, value or b"") for name, value in good.headers)
    for value, said in (
        (b"{", headers),
        (None, headers),
        (good.value, ()),
        (good.value, (("ce_id", b"\xff"),)),
    ):
        written.put(Message(contract.ACKS_TOPIC.name, FIRST.encode(), value, said))
    assert [(said.offset, said.routing) for said, _ in heard(written.log)] == [(0, FIRST)]


def test_a_topic_that_lost_its_beginning_is_refused_unless_it_is_compacted() -> None:
    topics = (contract.ACKS_TOPIC, contract.PROGRESS_TOPIC)
    place = {(topic.name, 0): 0 for topic in topics}
    first = {TopicPartition(*key): offset for key, offset in place.items()}
    _refuse_cut(topics, first)
    _refuse_cut(topics, first | {TopicPartition(contract.PROGRESS_TOPIC.name, 0): 7})
    with pytest.raises(LogCut) as refused:
        _refuse_cut(topics, first | {TopicPartition(contract.ACKS_TOPIC.name, 0): 7})
    assert refused.value.detail == contract.ACKS_TOPIC.name


def test_a_difference_names_its_place_and_both_values() -> None:
    found = differences({"a": 1, "b": {"x": 1, "y": 2}, "c": 3}, {"a": 1, "b": {"x": 1, "y": 4}, "d": [5]})
    assert list(map(str, found)) == [
        "b: by the log y 2; stored y 4",
        "c: by the log 3; stored nothing",
        "d: by the log nothing; stored [5]",
    ]
