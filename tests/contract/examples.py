"""The published examples: `examples/<topic>/<type>/<scenario>.json`, and `invalid/…` beside.

The name of an invalid one, `<location>--<why>.json`, says where the first error is: field names and
positions joined by dots, `~` for a slash, `body` for the message as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared import contracts
from shared.contracts.base import Model
from shared.contracts.catalog import TOPICS
from shared.contracts.topics import Topic

FOLDER = Path(contracts.__file__).with_name("examples")


@dataclass(frozen=True, slots=True)
class Example:
    """One file."""

    topic: Topic
    type_: str
    path: Path

    @property
    def model(self) -> type[Model]:
        """What the file must (or must not) be."""
        return self.topic.models[self.type_]

    @property
    def value(self) -> bytes:
        """The bytes as they would stand on the topic."""
        return self.path.read_bytes()

    def parsed(self) -> Model:
        """Return the message."""
        return self.model.model_validate_json(self.value)

    @property
    def location(self) -> str:
        """Where an invalid example says that its first error is."""
        return self.path.stem.partition("--")[0].replace("~", "/")

    def __str__(self) -> str:
        """Name the example in a test report."""
        return str(self.path.relative_to(FOLDER).with_suffix(""))


def folder_of(topic: Topic, type_: str) -> Path:
    """Return where the examples of a message type on a topic lie."""
    return FOLDER / topic.name / type_.split(".")[2]


def _found(pattern: str) -> Iterator[Example]:
    for topic in TOPICS:
        for type_ in topic.models:
            for path in sorted(folder_of(topic, type_).glob(pattern)):
                yield Example(topic, type_, path)


VALID = tuple(_found("*.json"))
INVALID = tuple(_found("invalid/*.json"))
