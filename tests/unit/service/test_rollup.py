"""The handler of a tallies topic, with a service that says no more than what it has counted."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts import dispatch as contract
from shared.contracts.base import Model, json_bytes
from shared.contracts.dispatch import Counts, Tally, Tick
from shared.contracts.envelope import Context, Message, message
from shared.domain.roll import Roll, merge_tally, summed
from shared.flow.partitions import partition_of
from shared.flow.records import Origin, Record
from shared.kernel.ids import derived_id
from shared.service.rollup import RollUp, rolls_of
from tests.builders.dispatch import DESK, DIRECTIVE, HOUR, NOON, OTHER, STREET, tally
from tests.fakes.log import PARTITIONS
from tests.unit.flow.toys import Bench

ROLLS = rolls_of("rolls", "directive", Tally)
KEY = f"{STREET}/{DIRECTIVE}"


class Repeats(RollUp[Tally]):
    """Says each roll's own tally again, once it has a sum."""

    def __init__(self) -> None:
        super().__init__(ROLLS, Tally)

    def place(self, body: Any) -> tuple[str, str, datetime | None]:
        if isinstance(body, Tick):
            return body.directive, body.desk, body.due
        return body.directive, body.to, None

    def told(self, id_: str, roll: Roll[Tally], v: int, cause: Record) -> Iterator[Message]:
        found = summed(roll, Counts)
        if roll.own is not None and found is not None:
            said = roll.own.model_copy(update={"v": v, "cells": found.cells})
            context = Context(derived_id("said", id_, v), "/test", cause.at)
            yield message(contract.TALLIES_TOPIC, contract.TALLY, KEY, said, context)


def record(body: Model, offset: int) -> Record:
    type_ = contract.TICK if isinstance(body, Tick) else contract.TALLY
    place = partition_of(KEY.encode(), PARTITIONS)
    origin = Origin(contract.TALLIES_TOPIC.name, place, offset, KEY.encode(), json_bytes(body), ())
    return Record(origin, f"record-{offset:04}", type_, body, NOON)


def own(**other: Any) -> Tally:
    return tally(STREET, children=(DESK, OTHER), cells={"s:1": Counts(total=1)}, **other)


def below(desk: str, **other: Any) -> Tally:
    return tally(desk, to=STREET, covers="subtree", cells={"s:1": Counts(total=2)}, **other)


async def test_each_touched_roll_speaks_once_a_batch_with_its_stored_version() -> None:
    bench = Bench(Repeats(), group="dispatch.progress")
    await bench([record(body, n) for n, body in enumerate((own(), below(DESK), below(OTHER)))])
    (said,) = bench.watch.published
    stored = bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}")
    assert stored is not None
    told = Tally.model_validate_json(said.value or b"")
    assert (told.v, told.cells["s:1"].total) == (stored["v"], 5)


async def test_what_changes_nothing_is_said_as_stored_and_not_written_again() -> None:
    bench = Bench(Repeats(), group="dispatch.progress")
    late = Tick(directive=DIRECTIVE, desk=STREET, version=1, due=NOON)
    await bench([record(own(v=2), 0), record(below(DESK, v=2), 1)])
    stored = bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}")
    for number, body in enumerate((own(v=2), own(v=1), below(DESK, v=1), late), start=2):
        await bench([record(body, number)])
        assert bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}") == stored
    assert len({said.value for said in bench.watch.published}) == 1
    assert len(bench.watch.published) == 5


async def test_a_tick_for_a_roll_that_there_is_not_makes_none() -> None:
    bench = Bench(Repeats(), group="dispatch.progress")
    await bench([record(Tick(directive=DIRECTIVE, desk=STREET, version=1, due=NOON), 0)])
    assert (bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}"), bench.watch.published) == (None, [])


async def test_children_alone_are_kept_in_silence() -> None:
    bench = Bench(Repeats(), group="dispatch.progress")
    await bench([record(below(DESK), 0)])
    assert bench.watch.published == []
    assert bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}") is not None


async def test_a_tick_for_its_due_says_who_is_missing() -> None:
    bench = Bench(Repeats(), group="dispatch.progress")
    due = Tick(directive=DIRECTIVE, desk=STREET, version=1, due=NOON + HOUR)
    await bench([record(own(), 0), record(below(DESK), 1)])
    stored = bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}") or {}
    assert (stored["next_due"], stored["overdue"]) == (int((NOON + HOUR).timestamp() * 1000), False)
    await bench([record(due, 2)])
    stored = bench.storage.body("rolls", f"{DIRECTIVE}/{STREET}") or {}
    assert (stored["next_due"], stored["overdue"]) == (None, True)


@given(vs=st.lists(st.tuples(st.sampled_from((STREET, DESK, OTHER)), st.integers(1, 4)), max_size=8))
@settings(max_examples=50, deadline=None)
def test_a_roll_is_read_back_as_it_was_stored(vs: list[tuple[str, int]]) -> None:
    roll: Roll[Tally] = Roll(DIRECTIVE, STREET)
    for desk, v in vs:
        merge_tally(roll, own(v=v) if desk == STREET else below(desk, v=v))
    assert ROLLS.decode(ROLLS.encode(roll)) == roll
