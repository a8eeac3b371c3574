"""What each kind of change means to a partner: on facts that others read, and where the owner alone does."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model

from cli.contracts.asyncapi import document
from cli.contracts.cards import compare_cards
from cli.contracts.compatibility import Change, compare
from shared.contracts.base import Model
from shared.contracts.dispatch import ACKS_TOPIC, ANSWER, TICK
from shared.contracts.topics import Topic


class Order(Model):
    """A part."""

    text: Annotated[str, Field(max_length=10)]


class Give(Model):
    do: Literal["give"] = "give"
    order: Order


class Take(Model):
    do: Literal["take"] = "take"
    why: str


class Drop(Model):
    do: Literal["drop"] = "drop"


FIELDS: dict[str, Any] = {
    "name": (Annotated[str, Field(min_length=2, max_length=10, pattern="^[a-z]+$")], ...),
    "state": (Literal["read", "done"], ...),
    "count": (Annotated[int, Field(gt=0, le=9)], 1),
    "note": (str | None, None),
    "orders": (tuple[Order, ...], ()),
    "by_place": (dict[str, Order], {}),
    "command": (Annotated[Give | Take, Field(discriminator="do")], ...),
}


def schema(**fields: Any) -> dict[str, Any]:
    """Return the schema of the message with some fields otherwise; `None` leaves one out."""
    given = {name: field for name, field in {**FIELDS, **fields}.items() if field is not None}
    return create_model("Message", __base__=Model, **given).model_json_schema()


def changes(*, may_widen: bool = False, **fields: Any) -> list[Change]:
    return compare("m", schema(), schema(**fields), may_widen=may_widen)


class LongerOrder(Model):
    text: Annotated[str, Field(max_length=20)]


class ShorterOrder(Model):
    text: Annotated[str, Field(max_length=5)]


class DatedOrder(Model):
    text: Annotated[str, Field(max_length=10)]
    on: str


Name = Annotated[str, Field(min_length=2, max_length=10, pattern="^[a-z]+$")]

COMPATIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "an optional field": ({"slot": (str, "")}, "m.slot: new optional field"),
    "an upper bound relaxed": (
        {"count": (Annotated[int, Field(gt=0, le=99)], 1)},
        "m.count: maximum relaxed",
    ),
    "a lower bound relaxed": ({"count": (Annotated[int, Field(ge=0, le=9)], 1)}, "m.count: minimum relaxed"),
    "a bound dropped": ({"count": (Annotated[int, Field(gt=0)], 1)}, "m.count: maximum relaxed"),
    "a pattern dropped": (
        {"name": (Annotated[str, Field(min_length=2, max_length=10)], ...)},
        "m.name: pattern dropped",
    ),
    "a longer text deep inside": (
        {"orders": (tuple[LongerOrder, ...], ())},
        "m.orders.*.text: maxLength relaxed",
    ),
}
BREAKING: dict[str, tuple[dict[str, Any], str]] = {
    "a field gone": ({"note": None}, "m.note: field is gone"),
    "a new required field": ({"slot": (str, ...)}, "m.slot: new required field"),
    "an optional field required": ({"note": (str | None, ...)}, "m.note: is required now"),
    "another type": ({"count": (str, "1")}, "m.count: type integer became string"),
    "no longer null": ({"note": (str, "")}, "m.note: no longer null"),
    "a value gone": ({"state": (Literal["read"], ...)}, "m.state: value 'done' is gone"),
    "an upper bound narrowed": (
        {"count": (Annotated[int, Field(gt=0, le=8)], 1)},
        "m.count: maximum narrowed",
    ),
    "a lower bound narrowed": (
        {"count": (Annotated[int, Field(gt=1, le=9)], 2)},
        "m.count: minimum narrowed",
    ),
    "a new bound": (
        {"note": (Annotated[str, Field(max_length=9)] | None, None)},
        "m.note: maxLength narrowed",
    ),
    "another pattern": (
        {"name": (Annotated[str, Field(min_length=2, max_length=10, pattern="^[a-f]+$")], ...)},
        "m.name: pattern changed",
    ),
    "another default": ({"count": (Annotated[int, Field(gt=0, le=9)], 5)}, "m.count: default changed"),
    "a shorter text in a list": (
        {"orders": (tuple[ShorterOrder, ...], ())},
        "m.orders.*.text: maxLength narrowed",
    ),
    "a required field in a map": (
        {"by_place": (dict[str, DatedOrder], {})},
        "m.by_place.*.on: new required field",
    ),
    "a kind of command gone": ({"command": (Give, ...)}, "m.command: no longer do=take"),
}
WIDER: dict[str, tuple[dict[str, Any], str]] = {
    "another value": ({"state": (Literal["read", "done", "late"], ...)}, "m.state: value 'late' is new"),
    "any value": ({"state": (str, ...)}, "m.state: any value may stand where some could"),
    "also null": ({"name": (Name | None, ...)}, "m.name: now also null"),
    "a required field optional": ({"name": (Name, "ab")}, "m.name: is optional now"),
    "another kind of command": (
        {"command": (Annotated[Give | Take | Drop, Field(discriminator="do")], ...)},
        "m.command: now also do=drop",
    ),
}


@pytest.mark.parametrize(("fields", "said"), COMPATIBLE.values(), ids=COMPATIBLE.keys())
@pytest.mark.parametrize("may_widen", [False, True])
def test_what_is_added_or_relaxed_is_compatible(
    fields: dict[str, Any], said: str, *, may_widen: bool
) -> None:
    assert [*map(str, changes(may_widen=may_widen, **fields))] == [f"compatible: {said}"]


@pytest.mark.parametrize(("fields", "said"), BREAKING.values(), ids=BREAKING.keys())
@pytest.mark.parametrize("may_widen", [False, True])
def test_what_is_taken_away_or_demanded_is_breaking(
    fields: dict[str, Any], said: str, *, may_widen: bool
) -> None:
    found = changes(may_widen=may_widen, **fields)
    assert f"breaking: {said}" in map(str, found)


@pytest.mark.parametrize(("fields", "said"), WIDER.values(), ids=WIDER.keys())
def test_what_is_wider_breaks_only_those_who_read(fields: dict[str, Any], said: str) -> None:
    assert [*map(str, changes(**fields))] == [f"breaking: {said}"]
    assert [*map(str, changes(may_widen=True, **fields))] == [f"compatible: {said}"]


def test_a_renamed_field_is_one_gone_and_one_new() -> None:
    found = changes(note=None, remark=FIELDS["note"])
    assert found == [
        Change("m.note", "field is gone", breaking=True),
        Change("m.remark", "new optional field", breaking=False),
    ]


def test_words_about_a_field_and_names_of_classes_are_no_change() -> None:
    class Renamed(Model):
        """Said otherwise."""

        text: Annotated[str, Field(max_length=10, title="A title", description="More about it")]

    assert changes(orders=(tuple[Renamed, ...], ())) == []


def test_a_part_that_contains_itself_is_compared_to_its_end() -> None:
    def tree(longest: int) -> dict[str, Any]:
        part = {
            "type": "object",
            "properties": {
                "text": {"type": "string", "maxLength": longest},
                "below": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
            },
        }
        return {"$defs": {"Tree": part}, "$ref": "#/$defs/Tree"}

    assert compare("m", tree(9), tree(8), may_widen=False) == [
        Change("m.text", "maxLength narrowed", breaking=True)
    ]


def test_what_is_not_understood_is_breaking() -> None:
    old, new = {"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}
    assert compare("m", old, new, may_widen=True) == [Change("m", "format changed", breaking=True)]


CARDS: dict[str, tuple[dict[str, Any], str]] = {
    "another key": ({"key": "directive"}, "breaking: {}: key 'K' became 'directive'"),
    "another kind": ({"kind": "commands"}, "breaking: {}: kind 'facts' became 'commands'"),
    "a type gone": ({"models": {ANSWER: ACKS_TOPIC.models[ANSWER]}}, f"breaking: {{}}: {TICK} is gone"),
    "a writer gone": (
        {"producers": ("apis", "dispatch", "channels")},
        "breaking: {}: integrations may no longer write",
    ),
    "compacted": (
        {"compacted": True},
        "breaking: {}: cleanup.policy ['delete'] became ['compact']",
    ),
    "kept for less": (
        {"retention": timedelta(days=1)},
        "breaking: {}: retention.ms 2592000000 became 86400000",
    ),
    "kept for longer": (
        {"retention": timedelta(days=60)},
        "compatible: {}: retention.ms 2592000000 became 5184000000",
    ),
    "another type": (
        {"models": {**ACKS_TOPIC.models, "gridloop.dispatch.note.v1": Order}},
        "compatible: {}: new type gridloop.dispatch.note.v1",
    ),
    "another writer": ({"producers": (*ACKS_TOPIC.producers, "gates")}, "compatible: {}: gates may write"),
}


@pytest.mark.parametrize(("fields", "said"), CARDS.values(), ids=CARDS.keys())
def test_a_changed_card_is_seen_as_what_it_is(fields: dict[str, Any], said: str) -> None:
    found = compare_cards(document([ACKS_TOPIC]), document([replace(ACKS_TOPIC, **fields)]))
    assert [*map(str, found)] == [said.format(ACKS_TOPIC.name)]


def test_a_topic_may_come_and_must_not_go() -> None:
    def with_topics(*topics: Topic) -> list[str]:
        return [*map(str, compare_cards(document([ACKS_TOPIC]), document(topics)))]

    newer = replace(ACKS_TOPIC, name="dispatch.acks.v2")
    assert with_topics(ACKS_TOPIC, newer) == ["compatible: dispatch.acks.v2: new topic"]
    assert with_topics(newer) == [
        "breaking: dispatch.acks.v1: topic is gone",
        "compatible: dispatch.acks.v2: new topic",
    ]


def test_another_number_of_partitions_is_breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    before = document([ACKS_TOPIC])
    monkeypatch.setattr("cli.contracts.asyncapi.PARTITIONS", 24)
    assert [*map(str, compare_cards(before, document([ACKS_TOPIC])))] == [
        "breaking: dispatch.acks.v1: 12 partitions became 24"
    ]
