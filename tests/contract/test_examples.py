"""Every message type of every topic has examples, and they are what they say."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.contracts.base import json_bytes
from shared.contracts.catalog import TOPICS
from shared.contracts.topics import Topic
from tests.contract.examples import FOLDER, INVALID, VALID, Example, folder_of

EVERY_TYPE = [
    pytest.param(topic, type_, id=f"{topic.name}-{type_}") for topic in TOPICS for type_ in topic.models
]


@pytest.mark.parametrize(("topic", "type_"), EVERY_TYPE)
def test_a_message_type_has_valid_and_invalid_examples(topic: Topic, type_: str) -> None:
    of_it = [example for example in VALID if (example.topic, example.type_) == (topic, type_)]
    bad = [example for example in INVALID if (example.topic, example.type_) == (topic, type_)]
    assert len(of_it) >= 3, f"{folder_of(topic, type_)} needs scenarios"
    assert len(bad) >= 2, f"{folder_of(topic, type_)}/invalid needs scenarios"


@pytest.mark.parametrize(("topic", "type_"), EVERY_TYPE)
def test_a_newer_writer_is_among_the_examples(topic: Topic, type_: str) -> None:
    (newer,) = [
        example
        for example in VALID
        if (example.topic, example.type_, example.path.stem) == (topic, type_, "a-newer-writer")
    ]
    assert _paths(json.loads(newer.value)) - _paths(json.loads(json_bytes(newer.parsed())))


def test_no_example_lies_where_nobody_looks() -> None:
    read = {example.path for example in (*VALID, *INVALID)}
    assert {path for path in FOLDER.rglob("*") if path.is_file()} == read


@pytest.mark.parametrize("example", VALID, ids=str)
def test_a_valid_example_goes_through_the_wire_unchanged(example: Example) -> None:
    first = example.parsed()
    again = example.model.model_validate_json(json_bytes(first))
    assert again == first
    assert json_bytes(again) == json_bytes(first)


@pytest.mark.parametrize("example", INVALID, ids=str)
def test_an_invalid_example_fails_where_its_name_says(example: Example) -> None:
    with pytest.raises(ValidationError) as caught:
        example.parsed()
    assert (".".join(map(str, caught.value.errors()[0]["loc"])) or "body") == example.location


@pytest.mark.parametrize(
    "path", sorted({example.path for example in (*VALID, *INVALID)}), ids=lambda path: path.stem
)
def test_an_example_is_written_as_all_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"


def _paths(value: object, above: str = "") -> set[str]:
    return {above, *_below(value, above)}


def _below(value: object, above: str) -> Iterator[str]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from _paths(inner, f"{above}/{name}")
