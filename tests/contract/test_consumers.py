"""Every consumer group takes every published example of its topics, as often as it comes."""

import pytest

from shared.contracts.catalog import TOPICS, dead_letter_topics
from shared.contracts.envelope import Message, header
from shared.contracts.topics import Topic
from shared.flow.records import Record
from shared.messaging.reading import read
from tests.contract.consumers import HANDLERS, Consumer, on_the_wire
from tests.contract.copies import storage_for
from tests.contract.examples import INVALID, VALID, Example
from tests.fakes.log import arriving

READ = [(group, each) for each in VALID for group in each.topic.groups]
UNREAD = [(group, each) for each in INVALID for group in each.topic.groups]
GROUPS = [(topic, group) for topic in TOPICS for group in topic.groups]


def _id(value: object) -> str:
    return value.name if isinstance(value, Topic) else str(value)


def test_every_group_on_a_topic_card_has_a_handler_and_no_other_has() -> None:
    assert {group for _, group in GROUPS} == HANDLERS.keys()


@pytest.mark.parametrize(("topic", "group"), GROUPS, ids=_id)
def test_a_group_is_fed_every_type_of_its_topics(topic: Topic, group: str) -> None:
    fed = {each.type_ for reader, each in READ if (reader, each.topic) == (group, topic)}
    assert fed == topic.models.keys()
    assert topic.dead_letters(group) in dead_letter_topics()


@pytest.mark.parametrize(("group", "given"), READ, ids=_id)
async def test_a_group_takes_an_example_and_takes_it_again(group: str, given: Example) -> None:
    consumer = Consumer(group, storage_for(group))
    record = on_the_wire(given)
    assert isinstance(read(arriving(record, offset=0)), Record)

    await consumer.take(record)
    once, said = consumer.documents(), list(consumer.watch.published)
    assert not consumer.watch.letters

    commits = len(consumer.storage.commits)
    await consumer.take(record, again=True)
    assert len(consumer.storage.commits) == commits, "a redelivery wrote something"
    repeated = consumer.watch.published[len(said) :]
    if given.topic.kind == "commands":
        assert repeated == said
    assert {header(message.headers, "ce_type") for message in repeated} <= {
        header(message.headers, "ce_type") for message in said
    }

    await consumer.take(record)
    assert consumer.documents() == once
    assert not consumer.watch.letters


@pytest.mark.parametrize(("group", "given"), UNREAD, ids=_id)
async def test_a_group_sets_an_invalid_example_aside_and_goes_on(group: str, given: Example) -> None:
    good = on_the_wire(next(each for each in VALID if (each.topic, each.type_) == (given.topic, given.type_)))
    consumer = Consumer(group)
    await consumer.take(Message(good.topic, good.key, given.value, good.headers))
    assert consumer.watch.letters.total() == 1
    (letter,) = [
        message for message in consumer.watch.published if message.topic == given.topic.dead_letters(group)
    ]
    assert letter.value == given.value
    assert header(letter.headers, "dlq_code") == "invalid-body"
    await consumer.take(good)
    assert consumer.watch.letters.total() == 1
