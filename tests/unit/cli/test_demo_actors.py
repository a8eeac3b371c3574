"""The actors against a voice that only remembers: who says what, once, and never after somebody decided."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.demo.actors import Actors, Holder
from cli.demo.behaviour import Behaviour, Verdict, behaviour, verdict
from cli.demo.command import GEOGRAPHY
from cli.demo.places import read_geography
from cli.demo.world import Seat, street
from shared.contracts.dispatch import Answer, Delivered, Delivery, OpenEntry

WORLD = street(7, read_geography(GEOGRAPHY), 400)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = Behaviour(
    "answers",
    "topic",
    twice=False,
    early=False,
    reads_first=True,
    reads_after_s=0,
    acts_after_s=0,
    refusal="x",
)
LANE = next(seat for seat in WORLD.seats if seat.type == "cw5:lane-head" and seat.holder)
HEAD = next(seat for seat in WORLD.seats if seat.unit.startswith(f"{LANE.unit}.y") and seat.holder)
VACANT = next(seat for seat in WORLD.seats if seat.type == "cw5:courtyard-head" and not seat.holder)


class Now:
    def now(self) -> datetime:
        return NOW


class Remembering:
    """A voice whose every answer is acknowledged as soon as `line` allows."""

    def __init__(self) -> None:
        self.said: list[Answer] = []
        self.line = asyncio.Event()
        self.line.set()

    async def say(self, about: Seat, answer: Answer, **_: Any) -> None:
        assert answer.addressee == about.post
        self.said.append(answer)
        await self.line.wait()

    def states(self) -> list[tuple[str, str | None]]:
        return [(answer.state, answer.by) for answer in self.said]


def holder(seat: Seat, **changes: Any) -> Holder:
    return Holder(seat, replace(PLAIN, **changes), Verdict("excused", "y", 0))


def delivery(*seats: Seat, **more: Any) -> Delivery:
    entries = tuple(Delivered(addressee=seat.post, holder=seat.holder or "nobody") for seat in seats)
    return Delivery(
        directive="directive-1", version=1, epoch=0, desk=seats[0].desk, effect="order", text="t",
        entries=entries, **more,
    )  # fmt: skip


def asked(superior: Seat, about: Seat) -> Delivery:
    return delivery(superior, sheet=about.desk, decide_for=(OpenEntry(addressee=about.post, why="overdue"),))


async def play(voice: Remembering, actors: Actors, *deliveries: Delivery) -> None:
    """Let the deliveries come one after the other, each once everybody has come to rest."""

    class Record:
        def __init__(self, body: Delivery) -> None:
            self.body = body

    async def records() -> AsyncIterator[Any]:
        for each in deliveries:
            yield Record(each)
            for _ in range(20):
                await asyncio.sleep(0)
        voice.line.set()

    async with asyncio.timeout(5):
        await actors.run(records())


async def test_who_takes_charge_reads_and_executes_and_hears_a_second_delivery_no_more() -> None:
    voice = Remembering()
    actors = Actors([holder(HEAD)], voice, Now())
    await play(voice, actors, delivery(HEAD), delivery(HEAD))
    assert voice.states() == [("read", None), ("executed", None)]


async def test_who_does_not_say_so_on_reading_says_it_with_the_task_done() -> None:
    voice = Remembering()
    actors = Actors([holder(HEAD, reads_first=False)], voice, Now())
    await play(voice, actors, delivery(HEAD))
    assert voice.states() == [("executed", None)]


async def test_who_is_silent_is_reached_but_says_nothing_and_decides_nothing() -> None:
    voice = Remembering()
    actors = Actors([holder(LANE, manner="silent"), holder(HEAD)], voice, Now())
    await play(voice, actors, delivery(LANE), asked(LANE, HEAD))
    assert voice.states() == [("delivered", None)]


async def test_a_refusal_has_a_reason_and_the_superior_decides_for_it() -> None:
    voice = Remembering()
    actors = Actors([holder(LANE), holder(HEAD, manner="refuses")], voice, Now())
    await play(voice, actors, delivery(HEAD), asked(LANE, HEAD), asked(LANE, HEAD))
    assert voice.states() == [("refused", None), ("excused", LANE.post)]
    assert voice.said[0].reason == "x"


async def test_nobody_decides_for_a_post_that_has_done_its_part() -> None:
    voice = Remembering()
    actors = Actors([holder(LANE), holder(HEAD)], voice, Now())
    await play(voice, actors, delivery(HEAD), asked(LANE, HEAD))
    assert voice.states() == [("read", None), ("executed", None)]


async def test_a_holder_for_whom_somebody_decided_is_silent_from_then_on() -> None:
    voice = Remembering()
    voice.line.clear()
    actors = Actors([holder(LANE), holder(HEAD)], voice, Now())
    await play(voice, actors, delivery(HEAD), asked(LANE, HEAD))
    # The first word was still on its way when the superior was asked: they take turns, and both are kept.
    assert voice.states() == [("read", None), ("excused", LANE.post)]


async def test_a_vacant_post_is_decided_for() -> None:
    voice = Remembering()
    actors = Actors([holder(LANE), holder(VACANT)], voice, Now())
    await play(voice, actors, asked(LANE, VACANT))
    assert voice.states() == [("excused", LANE.post)]


async def test_an_early_answer_comes_before_any_delivery_and_is_not_repeated_after_it() -> None:
    voice = Remembering()
    actors = Actors([holder(LANE), holder(HEAD, early=True)], voice, Now())
    await actors.answer_early("directive-1")
    assert voice.states() == [("executed", None)]
    await play(voice, actors, delivery(HEAD))
    assert voice.states() == [("executed", None)]


async def test_what_comes_to_the_wrong_person_is_noted_and_not_answered() -> None:
    voice = Remembering()
    actors = Actors([holder(HEAD)], voice, Now())
    await play(voice, actors, delivery(replace(HEAD, holder="somebody-else")))
    assert actors.misdelivered == [f"{HEAD.post} to somebody-else"]
    assert voice.said == []


def drawn(**options: Any) -> list[Behaviour]:
    return [behaviour(seat, **{"seed": 7, "silent": 0.03, "speed": 1.0, **options}) for seat in WORLD.seats]


def test_behaviour_follows_from_seed_and_post_alone() -> None:
    assert drawn() == drawn()
    assert drawn() != drawn(seed=8)
    assert verdict(HEAD.post, seed=7, speed=1) == verdict(HEAD.post, seed=7, speed=1)


def test_shares_are_about_those_asked_for_and_duty_desks_always_answer() -> None:
    manners = Counter(each.manner for each in drawn(silent=0.3))
    assert 0.22 * len(WORLD.seats) < manners["silent"] < 0.38 * len(WORLD.seats)
    assert Counter(each.manner for each in drawn(silent=0))["silent"] == 0
    channels = Counter(each.channel for each in drawn())
    assert channels["http"] == pytest.approx(channels["topic"], rel=0.35)
    desks = [seat for seat in WORLD.seats if seat.type == "city-vertical:duty-desk"]
    assert {behaviour(seat, seed=7, silent=0.5, speed=1).manner for seat in desks} == {"answers"}


def test_faster_people_do_the_same_sooner() -> None:
    for slow, fast in zip(drawn(), drawn(speed=4.0), strict=True):
        assert fast == replace(slow, reads_after_s=fast.reads_after_s, acts_after_s=fast.acts_after_s)
        assert fast.reads_after_s == pytest.approx(slow.reads_after_s / 4)
