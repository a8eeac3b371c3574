"""A place in the log that cannot be right: the process refuses to start; a busy replica is no reason to."""

import pytest

from shared.flow.batch import Position
from shared.kernel.errors import ConfigurationError
from shared.messaging.places import Place, Places
from shared.service.positions import refuse_implausible

GROUP, TOPIC, LOG = "screening.sheets", "screening.visits.v1", "log-1"


def at(next_: int, log_id: str = LOG) -> dict[int, Position]:
    return {0: Position({TOPIC: next_}, log_id)}


def places(*, earliest: int = 0, end: int = 10, committed: int | None = 5) -> Places:
    place = Place(TOPIC, 0)
    return Places(LOG, {TOPIC: 1}, {place: (earliest, end)}, {} if committed is None else {place: committed})


@pytest.mark.req("B-06")
@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        (at(5), places(), at(5)),
        ({}, places(committed=None), {}),
        # Nothing was ever read: a partition is committed where it begins.
        ({}, places(earliest=5, committed=5), {}),
        ({}, places(committed=5), at(5)),
        # Another replica applies and commits while the broker is asked.
        (at(8), places(end=10), at(30)),
        (at(5), places(committed=9), at(9)),
        ({}, places(end=0, committed=None), at(3)),
    ],
)
def test_a_place_that_only_moved_on_is_credible(
    before: dict[int, Position], asked: Places, after: dict[int, Position]
) -> None:
    refuse_implausible(GROUP, before, asked, after)


@pytest.mark.req("B-06")
@pytest.mark.parametrize(
    ("code", "stored", "asked"),
    [
        ("another-log", at(5, "log-2"), places()),
        ("log-shorter-than-state", at(11), places(end=10)),
        ("offset-beyond-state", at(5), places(committed=6)),
        ("records-gone-before-applied", at(5), places(earliest=6, committed=None)),
        # The database was lost, and the offsets were not.
        ("offset-beyond-state", {}, places(committed=5)),
        ("offset-beyond-state", {0: Position({"another.topic.v1": 7}, LOG)}, places(committed=5)),
    ],
)
def test_a_place_that_would_lose_or_repeat_is_refused(
    code: str, stored: dict[int, Position], asked: Places
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        refuse_implausible(GROUP, stored, asked, stored)
    assert refused.value.code == code
