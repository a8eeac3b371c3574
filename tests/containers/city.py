"""A small street that is told to registry, and what must come of it, written down before anybody is asked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shared.contracts.base import Model
from shared.contracts.registry import PutHousehold, PutPost
from tests.builders.registry import STREET, community, households, vertical

OFFICER: Final = "officer"
"""Holds every post: one token speaks for all of them."""

DUTY: Final = f"{STREET}/city-vertical:duty-desk"
DESKS: Final = tuple(f"{STREET}{number:03}" for number in (1, 2, 3))


def rows() -> Mapping[str, Sequence[Model]]:
    """Return what registry is told, by desk, the desks above first."""
    told = {desk: [_held(row) for row in each] for desk, each in vertical().items()}
    for desk in DESKS:
        told[desk] = [*(_held(row) for row in community(desk)), *_households(desk)]
    return told


def posts() -> Mapping[str, str]:
    """Return every post that an order of the street's duty desk addresses, with its desk."""
    return {row.post: desk for desk in DESKS for row in rows()[desk] if isinstance(row, PutPost)}


def houses() -> Mapping[str, PutHousehold]:
    """Return every household that a round of the street covers."""
    return {row.household: row for desk in DESKS for row in rows()[desk] if isinstance(row, PutHousehold)}


def _held(row: Model) -> Model:
    return row.model_copy(update={"holder": OFFICER}) if isinstance(row, PutPost) else row


def _households(desk: str) -> Iterator[PutHousehold]:
    for row in households(f"{desk}007"):
        own = {"household": f"{desk}-{row.household}", "members": tuple(f"{desk}-{m}" for m in row.members)}
        yield row.model_copy(update=own)
