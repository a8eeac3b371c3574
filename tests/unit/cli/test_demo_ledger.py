"""The independent count, the observer that reads over its shoulder, and the final comparison."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.demo.command import GEOGRAPHY
from cli.demo.directive.act import _expected, _is_addressed
from cli.demo.directive.ledger import COUNTED, Ledger
from cli.demo.directive.summary import Summary, compare
from cli.demo.directive.watch import Watch
from cli.demo.places import read_geography
from cli.demo.world import CITY, STREET_OFFICE, Seat, street
from shared.contracts.base import Scope
from shared.contracts.directives import Deadlines, DirectiveFact, Order
from shared.contracts.dispatch import Counts, Progress, SheetFrozen
from shared.contracts.registry import Seat as RosterSeat

WORLD = street(7, read_geography(GEOGRAPHY), 60)
ADDRESSED = [seat for seat in WORLD.seats if _is_addressed(seat)]
ALL_THE_WAY = ["delivered", "read", "accepted", "relayed"]
LET_OFF = ["excused", "answered_for", "done"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seat_of(type_: str, place: int = 0) -> Seat:
    return [seat for seat in WORLD.seats if seat.type == type_ and seat.holder][place]


HEAD, MEMBER, LANE = seat_of("cw5:courtyard-head"), seat_of("cw5:grid-member"), seat_of("cw5:lane-head")


def told(*answers: tuple[Seat, str, bool]) -> Ledger:
    ledger = Ledger(WORLD)
    for seat, state, for_it in answers:
        ledger.handed(seat, state, for_it=for_it)
        ledger.kept(seat, state, for_it=for_it)
    return ledger


@pytest.mark.parametrize(
    ("seat", "answers", "columns"),
    [
        (HEAD, [], []),
        (HEAD, [("delivered", False)], ["delivered"]),
        (HEAD, [("read", False), ("executed", False)], [*ALL_THE_WAY, "executed", "done"]),
        (HEAD, [("relayed", False)], ALL_THE_WAY),
        (LANE, [("relayed", False)], [*ALL_THE_WAY, "done"]),
        (MEMBER, [("read", False)], ["delivered", "read", "done"]),
        (MEMBER, [("refused", False)], ["delivered", "read", "refused"]),
        (LANE, [("refused", False)], ["delivered", "read", "refused"]),
        (LANE, [("refused", False), ("excused", True)], ["delivered", "read", *LET_OFF]),
        (HEAD, [("excused", True)], LET_OFF),
        (HEAD, [("delivered", False), ("executed", True)],
         [*ALL_THE_WAY, "executed", "answered_for", "done"]),
    ],
)  # fmt: skip
def test_what_was_said_of_a_post_is_counted_in_these_columns(
    seat: Seat, answers: list[tuple[str, bool]], columns: list[str]
) -> None:
    ledger = told(*((seat, state, for_it) for state, for_it in answers))
    assert ledger.final([seat]) == {"total": 1, **{name: int(name in columns) for name in COUNTED}}


def test_an_answer_said_twice_counts_once() -> None:
    ledger = told(*[(HEAD, "executed", False)] * 2)
    assert ledger.final([HEAD])["executed"] == 1
    assert ledger.bound(CITY, HEAD.level, "executed") == 1


def test_the_bound_grows_when_an_answer_leaves_and_the_end_only_when_it_is_acknowledged() -> None:
    ledger = Ledger(WORLD)
    ledger.handed(HEAD, "read", for_it=False)
    assert ledger.bound(HEAD.desk, HEAD.level, "read") == 1
    assert ledger.final([HEAD])["read"] == 0


def test_the_bound_of_a_desk_covers_the_desks_below_and_no_others() -> None:
    other = next(seat for seat in WORLD.seats if seat.level == HEAD.level and seat.desk != HEAD.desk)
    ledger = told((HEAD, "read", False), (other, "read", False))
    assert ledger.bound(HEAD.desk, HEAD.level, "read") == 1
    assert ledger.bound(STREET_OFFICE, HEAD.level, "read") == 2
    assert ledger.bound(STREET_OFFICE, "cw5:1", "read") == 0


def test_a_refusal_stays_in_the_bound_after_the_superior_has_decided() -> None:
    ledger = told((HEAD, "refused", False), (HEAD, "excused", True))
    assert ledger.bound(HEAD.desk, HEAD.level, "refused") == 1
    assert ledger.final([HEAD])["refused"] == 0


def progress(desk: str, cells: dict[str, Counts], *, v: int = 1, complete: bool = False) -> Progress:
    total = Counts.total_of(cells.values())
    return Progress(
        directive="directive-1", desk=desk, v=v, version=1, changes=0, effect="order",
        status="closed" if complete else "open", total=total, cells=cells, own=total, desks=1, missing=0,
        all_reported=complete, complete=complete,
    )  # fmt: skip


async def observe(ledger: Ledger, *bodies: object) -> Watch:
    class Heard:
        def __init__(self, body: object) -> None:
            self.body = body

    async def records() -> AsyncIterator[Any]:
        for body in bodies:
            yield Heard(body)

    watch = Watch(WORLD, ledger, lambda: 1.5, "directive-1", _expected(WORLD, ADDRESSED))
    await watch.run(records())
    return watch


async def test_the_observer_notes_every_count_above_what_was_handed_over() -> None:
    ledger = told((HEAD, "read", False))
    honest = progress(HEAD.desk, {HEAD.level: Counts(total=9, delivered=1, read=1)})
    early = progress(HEAD.desk, {HEAD.level: Counts(total=9, delivered=2, read=1)}, v=2)
    assert (await observe(ledger, honest)).above_truth == []
    watch = await observe(ledger, honest, early)
    assert [line.split(": ")[1] for line in watch.above_truth] == ["delivered 2, handed over 1"]


async def test_an_older_progress_replaces_nothing_but_is_still_looked_at() -> None:
    newer = progress(CITY, {"cw5:5": Counts(total=9)}, v=3)
    older = progress(CITY, {"cw5:5": Counts(total=9, read=1)}, v=2)
    watch = await observe(Ledger(WORLD), newer, older)
    assert watch.latest[CITY].v == 3
    assert watch.above_truth != []


async def test_complete_needs_the_close_and_word_of_it_from_every_desk() -> None:
    everywhere = [progress(desk, {}, complete=True) for desk in WORLD.below[CITY]]
    order = Order(
        directive="directive-1", issuer=f"{CITY}/city-vertical:duty-desk", desk=CITY, text="t",
        scope=Scope(unit=STREET_OFFICE, desk=STREET_OFFICE), deadlines=Deadlines(done=1, step=1),
        issued_at=NOW,
    )  # fmt: skip
    closed = DirectiveFact(v=2, order=order, closed_at=NOW)
    assert not (await observe(Ledger(WORLD), *everywhere)).complete.is_set()
    assert not (await observe(Ledger(WORLD), closed, *everywhere[1:])).complete.is_set()
    assert (await observe(Ledger(WORLD), *everywhere, closed)).complete.is_set()


def answers(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """What a service that counts right would say at every desk."""
    levels = {seat.level for seat in ADDRESSED}
    cells = {level: ledger.final(s for s in ADDRESSED if s.level == level) for level in levels}
    return {
        desk: {
            "total": ledger.final(ADDRESSED),
            "cells": cells,
            "own": ledger.final(seat for seat in ADDRESSED if seat.desk == desk),
        }
        for desk in WORLD.below[CITY]
    }


async def compared(ledger: Ledger, said: dict[str, dict[str, Any]], *, leave_out: str = "") -> Summary:
    frozen = [
        SheetFrozen(
            directive="directive-1", version=1, desk=desk, roster_v=1, children=(),
            seats=tuple(
                RosterSeat(post=seat.post, level=seat.level, verb="none", done_at="read", unit=seat.unit)
                for seat in ADDRESSED
                if seat.desk == desk and seat.post != leave_out
            ),
        )
        for desk in WORLD.below[CITY]
    ]  # fmt: skip
    watch = await observe(ledger, *frozen)
    summary = Summary("directive-1", closed=True)
    compare(summary, watch=watch, ledger=ledger, addressed=ADDRESSED, answers=said)
    return summary


async def test_counts_that_agree_leave_no_difference() -> None:
    ledger = told((HEAD, "executed", False), (LANE, "refused", False), (LANE, "excused", True))
    summary = await compared(ledger, answers(ledger))
    assert summary.differences == []
    assert (summary.entries, summary.refused) == (62, 1)
    assert f"entries       {len(ADDRESSED)}, closed: yes" in list(summary.lines())


async def test_one_count_that_is_off_by_one_is_a_difference_wherever_it_stands() -> None:
    ledger = told((HEAD, "executed", False))
    said = answers(ledger)
    said[HEAD.desk]["own"] = {**said[HEAD.desk]["own"], "executed": 0}
    said[CITY]["cells"][LANE.level]["read"] += 1
    assert (await compared(ledger, said)).differences == [
        f"{LANE.level}: read 1, the actors know 0",
        f"{HEAD.desk}: executed 0, the actors know 1",
    ]


async def test_a_loop_left_open_and_a_post_left_out_are_differences() -> None:
    ledger = Ledger(WORLD)
    summary = await compared(ledger, answers(ledger), leave_out=HEAD.post)
    assert summary.differences == [f"not addressed: {HEAD.post}"]
    open_ = Summary("directive-1")
    watch = await observe(ledger)
    compare(open_, watch=watch, ledger=ledger, addressed=[], answers=answers(ledger))
    assert open_.differences[-1] == "the loop is not closed"
    await asyncio.sleep(0)
