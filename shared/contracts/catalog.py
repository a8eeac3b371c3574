"""Every topic there is, and the one look-up from a message's type to its model."""

from collections.abc import Mapping

from shared.contracts import checkpoint, dispatch, registry, screening
from shared.contracts.base import Model
from shared.contracts.topics import Topic

TOPICS: tuple[Topic, ...] = (*registry.TOPICS, *screening.TOPICS, *checkpoint.TOPICS, *dispatch.TOPICS)
BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in TOPICS}
MODELS: Mapping[str, type[Model]] = {
    type_: model for topic in TOPICS for type_, model in topic.models.items()
}


def dead_letter_topics() -> tuple[str, ...]:
    """Return the name of every dead-letter topic: one per topic and consumer group."""
    return tuple(topic.dead_letters(group) for topic in TOPICS for group in topic.groups)
