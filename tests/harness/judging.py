"""The rules that hold whatever was killed, judged on records of the log: each breach is a reason.

Every clock here is the broker's: a topic stamps its records when it takes them.
"""

from collections import defaultdict
from collections.abc import Container, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from aiokafka import ConsumerRecord

from shared.contracts.dispatch import Delivery
from tests.harness.log import header

Entry = TypeVar("Entry", bound=Hashable)
Told = Mapping[tuple[str, str, int, int], set[tuple[str, str]]]
"""Under which ids and texts (directive, addressee, version, epoch) was told."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What must not be: how it counts, how often it is, and what it is."""

    kind: Literal["lost", "doubled", "above"]
    many: int
    text: str


def answers_in(total: Mapping[str, Any]) -> int:
    """Return how many addressees must have answered for these counts of an order to be."""
    return int(max(total.get("delivered", 0) + total.get("excused", 0), total.get("done", 0)))


def first_said(said: Iterable[tuple[Entry, int]]) -> dict[Entry, int]:
    """Return when each entry was said first, of all the times it was said."""
    first: dict[Entry, int] = {}
    for entry, at in said:
        first[entry] = min(first.get(entry, at), at)
    return first


def counted_by_then(what: str, counted: int, at: int, said: Iterable[int]) -> list[Reason]:
    """See that a count published `at` is not above the truth; `said`: when each of its entries was."""
    truth = sum(moment <= at for moment in said)
    return [Reason("above", 1, f"{what}: {counted} counted, {truth} said by then")] * (counted > truth)


def decided_once(commands: Iterable[str], outcomes: Iterable[ConsumerRecord]) -> list[Reason]:
    """See that each command has one outcome, the same bytes however often it was published."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for record in outcomes:
        bodies[record.key.decode().rpartition("/")[2]].add(record.value)
    return [
        reason
        for command in commands
        for reason in _once(len(bodies[command]), f"outcomes of {command}: {len(bodies[command])}")
    ]


def told(deliveries: Iterable[ConsumerRecord], directives: Container[str]) -> Told:
    """Return who was told of these directives; who is asked to decide for another is not told of it."""
    found: dict[tuple[str, str, int, int], set[tuple[str, str]]] = defaultdict(set)
    for record in deliveries:
        delivery = Delivery.model_validate_json(record.value)
        if delivery.directive in directives and not delivery.decide_for:
            for entry in delivery.entries:
                name = delivery.directive, entry.addressee, delivery.version, delivery.epoch
                found[name].add((header(record, "ce_id"), delivery.text))
    return found


def told_once(told: Told, everybody: Iterable[tuple[str, str]] = ()) -> list[Reason]:
    """See that each was told under one id and with one text, `everybody` (directive, addressee) at all."""
    reached = {(directive, addressee) for directive, addressee, *_ in told}
    missing = [who for who in everybody if who not in reached]
    reasons = [Reason("lost", 1, f"{post} was never told {directive}") for directive, post in missing]
    for (directive, post, version, _), ids in told.items():
        reasons += _once(len(ids), f"{post} was told {directive} v{version} under several ids: {sorted(ids)}")
    return reasons


def _once(many: int, text: str) -> list[Reason]:
    if many == 1:
        return []
    return [Reason("doubled" if many else "lost", many - 1 if many else 1, text)]
