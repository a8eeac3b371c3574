"""A copy of another service's facts: the highest version is kept, whatever the order."""

from itertools import permutations

import pytest

from shared.contracts import registry as contract
from shared.contracts.base import json_bytes
from shared.flow.records import Origin, Record
from shared.service.rosters import ROSTERS, copies
from tests.builders.dispatch import DESK, NOON, roster
from tests.unit.flow.toys import HOME, Bench


def fact(v: int, offset: int) -> Record:
    body = roster(v=v, seats=roster().seats[:v])
    origin = Origin(contract.ROSTERS_TOPIC.name, HOME, offset, DESK.encode(), json_bytes(body), ())
    return Record(origin, f"roster-{v}", contract.ROSTER, body, NOON)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
@pytest.mark.parametrize("at_once", [True, False])
async def test_the_newest_version_stays(order: tuple[int, ...], at_once: bool) -> None:  # noqa: FBT001 - a parameter
    bench = Bench(copies(), group="dispatch.rosters")
    facts = [fact(v, offset) for offset, v in enumerate((*order, *order))]
    for poll in [facts] if at_once else [[each] for each in facts]:
        await bench(poll)
    stored = bench.storage.body("rosters", DESK)
    assert stored is not None
    assert len(ROSTERS.decode(stored).seats) == 3
    assert bench.watch.published == []


async def test_the_same_version_again_writes_nothing() -> None:
    bench = Bench(copies(), group="dispatch.rosters")
    await bench([fact(2, 0)])
    await bench([fact(2, 1)])
    assert [write.collection for write in bench.storage.commits[-1]] == ["positions"]
