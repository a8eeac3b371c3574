"""Who is out and who is in: a function of what was said, whatever came first and however often."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.checkpoint.domain.presence import (
    TRACES_MOST,
    Presence,
    Standing,
    due,
    flags,
    merge_crossing,
    merge_tick,
    standing,
)
from services.checkpoint.store import PRESENCE
from shared.kernel.clock import utc_ms
from tests.builders.checkpoint import (
    DESK,
    GATE,
    GATE2,
    HOUR,
    MINUTE,
    NOON,
    PASS,
    crosser,
    crossing,
)

UNTIL = NOON + 4 * HOUR
SECOND = timedelta(seconds=1)
Step = Callable[[Presence], None]


def went(
    id_: str, direction: str, after: timedelta, *, broker: timedelta | None = None, **other: Any
) -> Step:
    """Return a crossing some time after noon by the gate, and by the broker (default: the same)."""
    said = crossing(direction, after=after, **other)
    now = NOON + (after if broker is None else broker)
    at = utc_ms(min(said.at, now))
    return lambda presence: merge_crossing(presence, id_, said, said.people[0], at)


def ticked(now: timedelta = 4 * HOUR, due: timedelta = 4 * HOUR) -> Step:
    return lambda presence: merge_tick(presence, utc_ms(NOON + due), utc_ms(NOON + now))


def after(*steps: Step) -> Presence:
    presence = Presence(PASS, DESK)
    for step in steps:
        step(presence)
    return presence


def shown(*steps: Step) -> Standing:
    found = standing(after(*steps))
    assert found is not None
    return found


def odd(*steps: Step) -> tuple[str, ...]:
    return flags(after(*steps), lambda _at: 60_000)


OUT = went("crossing-1", "out", HOUR)
BACK = went("crossing-2", "in", 2 * HOUR)
LATE = went("crossing-3", "in", 5 * HOUR)


class TestWhere:
    def test_out_and_back(self) -> None:
        assert shown(OUT).outside
        assert shown(OUT).since == utc_ms(NOON + HOUR)
        assert not shown(OUT, BACK).outside
        assert shown(OUT, BACK).since == utc_ms(NOON + 2 * HOUR)

    def test_a_late_record_ends_in_the_same_state(self) -> None:
        assert standing(after(BACK, OUT)) == standing(after(OUT, BACK))

    def test_a_tick_before_any_crossing_is_kept_and_shows_nothing(self) -> None:
        stub = after(ticked())
        assert (standing(stub), due(stub), flags(stub, lambda _at: 0)) == (None, None, ())
        assert standing(after(ticked(), OUT)) == standing(after(OUT, ticked()))

    def test_out_twice_is_since_the_first_time_and_unpaired(self) -> None:
        again = went("crossing-4", "out", HOUR + 5 * MINUTE)
        assert shown(OUT, again).since == utc_ms(NOON + HOUR)
        assert odd(OUT, again) == ("unpaired",)
        assert odd(OUT, BACK) == ()


@pytest.mark.req("F-08", "U-25")
class TestTwoGates:
    def test_the_same_pass_at_two_gates_within_a_second_has_a_copy(self) -> None:
        copy = went("crossing-5", "out", HOUR + SECOND, gate=GATE2)
        assert odd(OUT, copy) == odd(copy, OUT) == ("unpaired", "two-gates")

    def test_it_is_seen_when_the_second_gate_was_cut_off_and_reports_hours_later(self) -> None:
        copy = went("crossing-5", "in", HOUR + SECOND, broker=9 * HOUR, gate=GATE2)
        assert odd(OUT, BACK, copy) == ("unpaired", "two-gates")

    def test_two_gates_an_hour_apart_are_a_walk(self) -> None:
        assert odd(OUT, went("crossing-5", "in", 2 * HOUR, gate=GATE2)) == ()

    def test_the_rule_in_force_at_the_crossing_is_asked(self) -> None:
        asked: list[int] = []

        def replay_ms(at: int) -> int:
            asked.append(at)
            return 0

        presence = after(OUT, went("crossing-5", "in", HOUR + SECOND, gate=GATE2))
        assert flags(presence, replay_ms) == ()
        assert asked == [utc_ms(NOON + HOUR + SECOND)]


@pytest.mark.req("F-09", "S1-09")
class TestOverstay:
    def test_whoever_is_out_with_a_movement_pass_is_due_by_its_end(self) -> None:
        assert due(after(OUT)) == utc_ms(UNTIL)
        assert due(after(OUT, BACK)) is None
        assert not shown(OUT).overdue

    @pytest.mark.parametrize("kind", ["home", "medic"])
    def test_whoever_lives_here_or_heals_is_never_due(self, kind: str) -> None:
        out = went("crossing-1", "out", HOUR, people=(crosser(kind=kind),))
        assert due(after(out)) is None
        assert not shown(out, ticked()).overstayed

    def test_out_at_the_end_and_ticked_is_overdue_and_due_no_more(self) -> None:
        presence = after(OUT, ticked())
        assert (shown(OUT, ticked()).overdue, shown(OUT, ticked()).overstayed) == (True, True)
        assert due(presence) is None

    def test_back_in_time_is_neither(self) -> None:
        back = shown(OUT, BACK, ticked())
        assert (back.overdue, back.overstayed) == (False, False)

    def test_coming_back_late_clears_overdue_and_stays_known(self) -> None:
        for steps in ((OUT, ticked(), LATE), (OUT, LATE, ticked()), (OUT, LATE)):
            back = shown(*steps)
            assert (back.outside, back.overdue, back.overstayed) == (False, False, True)
            assert odd(*steps) == ("late-return",)

    def test_an_entry_that_was_in_time_and_arrives_after_the_tick_clears_everything(self) -> None:
        assert shown(OUT, ticked(), BACK) == shown(OUT, BACK, ticked())
        assert not shown(OUT, ticked(), BACK).overstayed

    def test_a_tick_for_another_time_or_ahead_of_the_broker_says_nothing(self) -> None:
        assert not shown(OUT, ticked(due=3 * HOUR)).overdue
        early = after(OUT, ticked(now=4 * HOUR - SECOND))
        assert due(early) == utc_ms(UNTIL)


class TestClocks:
    def test_a_clock_an_hour_ahead_is_believed_up_to_the_brokers_time(self) -> None:
        ahead = went("crossing-1", "out", 2 * HOUR, broker=HOUR)
        assert shown(ahead).since == utc_ms(NOON + HOUR)
        assert not shown(ahead, went("crossing-2", "in", HOUR + MINUTE)).outside

    def test_of_one_crossing_sent_twice_the_earlier_record_counts(self) -> None:
        first, again = (went("crossing-1", "out", 2 * HOUR, broker=at) for at in (HOUR, 90 * MINUTE))
        assert after(first, again) == after(again, first) == after(first)

    def test_a_clock_an_hour_behind_is_believed(self) -> None:
        assert shown(went("crossing-1", "out", HOUR, broker=2 * HOUR)).since == utc_ms(NOON + HOUR)


def test_only_the_newest_crossings_are_kept() -> None:
    steps = [went(f"crossing-{n}", "out", n * MINUTE) for n in range(TRACES_MOST + 20)]
    kept, backwards = after(*steps), after(*reversed(steps))
    assert kept == backwards
    assert len(kept.traces) == TRACES_MOST
    assert min(trace.said for trace in kept.traces.values()) == utc_ms(NOON + 20 * MINUTE)


def test_what_is_kept_does_not_depend_on_when_a_record_sent_twice_arrived() -> None:
    others = [went(f"crossing-{n}", "out", n * MINUTE) for n in range(1, TRACES_MOST + 1)]
    first, again = (went("crossing-x", "in", 20 * HOUR, broker=at) for at in (timedelta(), 9 * HOUR))
    kept = after(first, *others, again)
    assert kept == after(again, *others, first) == after(*others, again, first)
    assert kept.traces["crossing-x"].at == utc_ms(NOON)


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Crossings by clocks that may be ahead, some sent twice at other times of the broker; ticks."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        direction = draw(st.sampled_from(["in", "out"]))
        said = draw(st.integers(0, 400)) * MINUTE
        gate = draw(st.sampled_from([GATE, GATE2]))
        until = NOON + draw(st.sampled_from([2, 4])) * HOUR
        people = (crosser(until=until, kind=draw(st.sampled_from(["movement", "home"]))),)
        for _ in range(draw(st.integers(1, 2))):
            broker = draw(st.integers(0, 400)) * MINUTE
            steps.append(went(f"crossing-{number}", direction, said, broker=broker, gate=gate, people=people))
    for _ in range(draw(st.integers(0, 3))):
        due = draw(st.sampled_from([2, 4])) * HOUR
        steps.append(ticked(due + draw(st.integers(-1, 60)) * MINUTE, due))
    return steps


@pytest.mark.req("B-06", "F-09")
@settings(max_examples=300, deadline=None)
@given(data=st.data(), history=histories())
def test_any_order_and_any_repetition_give_the_same_document(
    data: st.DataObject, history: Sequence[Step]
) -> None:
    repeated = [*history, *data.draw(st.lists(st.sampled_from(history), max_size=6))]
    shuffled = data.draw(st.permutations(repeated))
    assert PRESENCE.encode(after(*shuffled)) == PRESENCE.encode(after(*history))


@settings(max_examples=100, deadline=None)
@given(history=histories())
def test_a_stored_presence_reads_back_as_it_was(history: Sequence[Step]) -> None:
    presence = after(*history)
    assert PRESENCE.decode(PRESENCE.encode(presence)) == presence


@pytest.mark.req("F-09")
@settings(max_examples=200, deadline=None)
@given(history=histories())
def test_whoever_is_outside_past_the_end_is_either_due_or_said_to_be_overdue(history: Sequence[Step]) -> None:
    presence = after(*history)
    now = standing(presence)
    if now is None or presence.about is None or presence.about.kind != "movement":
        assert due(presence) is None
        return
    assert now.outside == (due(presence) is not None or now.overdue)
