"""A batch is one transaction that holds its place in the log; only then is anything said."""

import pytest

from shared.contracts.envelope import header
from shared.flow.batch import MOST_FAILED_IN_A_ROW, Lapsed, Patience
from shared.flow.crash import STEPS
from shared.flow.documents import Write
from shared.flow.partitions import partition_of
from shared.flow.records import Arrival
from shared.kernel.errors import Conflict, Transient
from tests.builders.dispatch import DESK, OTHER
from tests.fakes.log import PARTITIONS
from tests.unit.flow.toys import GROUP, HOME, TOPIC, Bench, Seen, record, steps_until, unreadable


class Killed(BaseException):
    """Ends a batch where SIGKILL would."""


def three() -> list[Arrival]:
    return [record("a", 10), record("b", 11), record("c", 12)]


class TestOrder:
    async def test_the_steps_come_in_one_order(self) -> None:
        handler = Seen()
        bench = Bench(handler)
        await bench(three())
        assert bench.watch.steps == [
            "loaded",
            "folded",
            "written",
            "committed",
            "publish",
            "published",
            "marked",
        ]
        assert handler.calls == ["load", "rule a", "rule b", "rule c", "derive", "mark"]

    async def test_positions_are_read_before_anything_else(self) -> None:
        bench = Bench(Seen())
        await bench(three())
        assert [collection for collection, _ in bench.storage.reads] == [
            "positions",
            "seen",
            "sent",
            "labels",
        ]

    async def test_documents_and_position_are_written_in_one_transaction(self) -> None:
        bench = Bench(Seen())
        await bench(three())
        taking_over, batch = bench.storage.commits
        assert [write.collection for write in taking_over] == ["positions"]
        assert [write.collection for write in batch] == ["positions", "seen"]
        assert bench.position() == 13

    async def test_what_was_marked_is_a_second_transaction_after_the_broker_has_it(self) -> None:
        bench = Bench(Seen(fans=True))
        await bench(three())
        assert [[write.collection for write in writes] for writes in bench.storage.commits] == [
            ["positions"], ["positions", "seen"], ["sent"],
        ]  # fmt: skip
        assert bench.watch.steps.index("publish") < bench.watch.steps.index("marked")

    async def test_nothing_changed_is_no_transaction(self) -> None:
        bench = Bench(Seen())
        await bench(three())
        before = len(bench.storage.commits)
        await bench(three())
        assert len(bench.storage.commits) == before


class TestReplay:
    async def test_a_record_below_next_changes_nothing_and_is_published_again(self) -> None:
        bench = Bench(Seen())
        await bench(three())
        await bench([record("b", 11), record("c", 12), record("d", 13)])
        assert bench.seen() == ["a", "b", "c", "d"]
        assert bench.said() == ["a:3", "b:3", "c:3", "b:4", "c:4", "d:4"]
        assert bench.watch.applications == [(3, 0), (3, 2)]

    async def test_another_topic_of_the_group_has_a_place_of_its_own(self) -> None:
        bench = Bench(Seen())
        await bench([record("a", 10)])
        relayed = record("r", 3)
        origin = relayed.origin.__class__("dispatch.desks.v1", HOME, 3, *_rest(relayed))
        await bench([relayed.__class__(origin, "r", relayed.type, relayed.body, relayed.at)])
        assert bench.seen() == ["a", "r"]
        assert (bench.position(), bench.position(topic="dispatch.desks.v1")) == (11, 4)
        assert len([key for key in bench.storage.all() if key[0] == "positions"]) == 1

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.req("B-06")
    async def test_a_crash_after_any_step_has_no_second_effect(self, step: str) -> None:
        first = Bench(Seen(fans=True))
        first.flow._reached = steps_until(step, Killed())
        with pytest.raises(Killed):
            await first(three())
        second = Bench(Seen(fans=True), storage=first.storage)
        await second([*three(), record("d", 13)])
        assert second.seen() == ["a", "b", "c", "d"]
        assert {said.split(":")[0] for said in (*first.said(), *second.said())} == {"a", "b", "c", "d"}
        assert second.position() == 14


def _rest(given: object) -> tuple[bytes, bytes | None, tuple[tuple[str, bytes], ...]]:
    origin = given.origin  # type: ignore[attr-defined]
    return origin.key, origin.value, origin.headers


class TestStrays:
    async def test_a_record_on_the_wrong_partition_is_appended_again_and_counted_as_applied(self) -> None:
        handler = Seen()
        bench = Bench(handler)
        wrong = (HOME + 1) % PARTITIONS
        stray = record("s", 5, partition=wrong)
        await bench([stray, record("a", 10)])
        assert bench.seen() == ["a"]
        assert bench.position(wrong) == 6
        assert bench.watch.moves == 1
        (again,) = [message for message in bench.watch.published if message.topic == TOPIC]
        assert (again.key, again.value, again.headers) == (
            stray.origin.key, stray.origin.value, stray.origin.headers,
        )  # fmt: skip
        assert bench.said() == ["a:1"]


class TestBadData:
    async def test_an_unreadable_record_becomes_a_dead_letter_and_the_rest_goes_on(self) -> None:
        handler = Seen()
        bench = Bench(handler)
        await bench([record("a", 10), unreadable(11), record("b", 12)])
        assert bench.seen() == ["a", "b"]
        assert bench.position() == 13
        assert "refuse invalid-body" in handler.calls
        (letter,) = [message for message in bench.watch.published if message.topic.endswith(f".dlq.{GROUP}")]
        assert letter.topic == f"{TOPIC}.dlq.{GROUP}"
        assert (letter.key, letter.value) == (DESK.encode(), b"\xff")
        assert header(letter.headers, "x") == "y"
        assert header(letter.headers, "dlq_id") == f"{TOPIC}/{HOME}/11"
        assert header(letter.headers, "dlq_code") == "invalid-body"
        assert header(letter.headers, "dlq_detail") == "state: literal_error"
        assert bench.watch.letters == {"invalid-body": 1}

    async def test_the_same_bad_record_is_the_same_letter_again(self) -> None:
        bench = Bench(Seen())
        await bench([unreadable(11)])
        await bench([unreadable(11)])
        first, second = bench.watch.published
        assert first == second

    @pytest.mark.parametrize("size", [1, 2, 7, 8])
    async def test_a_batch_is_halved_until_the_bad_record_is_found(self, size: int) -> None:
        ids = [f"r{n}" for n in range(size)]
        for bad in ids:
            bench = Bench(Seen(bad=[bad]))
            await bench([record(id_, 10 + n) for n, id_ in enumerate(ids)])
            assert bench.seen() == [id_ for id_ in ids if id_ != bad]
            assert bench.watch.letters == {"rule-failed": 1}
            assert bench.position() == 10 + size
            (letter,) = [message for message in bench.watch.published if message.topic != "out"]
            assert header(letter.headers, "dlq_detail") == "ZeroDivisionError"

    async def test_the_letter_of_a_failed_record_is_out_before_its_place_is_stored(self) -> None:
        bench = Bench(Seen(bad=["a"]))
        await bench([record("a", 10)])
        found, set_aside = ["loaded"], ["loaded", "folded", "publish", "written", "committed"]
        assert bench.watch.steps == [*found, *set_aside, "publish", "published", "marked"]
        (letter,) = bench.watch.published
        assert header(letter.headers, "dlq_code") == "rule-failed"

    async def test_two_bad_records_are_both_found(self) -> None:
        bench = Bench(Seen(bad=["b", "d"]))
        await bench([record(id_, 10 + n) for n, id_ in enumerate("abcde")])
        assert bench.seen() == ["a", "c", "e"]
        assert bench.watch.letters == {"rule-failed": 2}
        assert bench.pauses == []

    async def test_a_rule_that_fails_for_everything_stops_the_group_instead_of_draining_the_log(self) -> None:
        ids = [f"r{n}" for n in range(MOST_FAILED_IN_A_ROW + 10)]
        bench = Bench(Seen(bad=ids))
        arrivals = [record(id_, 10 + n) for n, id_ in enumerate(ids)]
        with pytest.raises(Transient, match="rule-keeps-failing"):
            await bench(arrivals)
        assert bench.watch.letters == {"rule-failed": MOST_FAILED_IN_A_ROW}
        assert bench.watch.tries[-1] == "Transient", "and it is not ready meanwhile"
        with pytest.raises(Transient, match="rule-keeps-failing"):
            await bench(arrivals)
        assert bench.position() == 10 + MOST_FAILED_IN_A_ROW

    async def test_bad_records_among_good_ones_never_stop_it(self) -> None:
        ids = [f"r{n}" for n in range(3 * MOST_FAILED_IN_A_ROW)]
        bench = Bench(Seen(bad=ids[::2]))
        await bench([record(id_, 10 + n) for n, id_ in enumerate(ids)])
        assert bench.seen() == ids[1::2]

    async def test_failing_infrastructure_never_makes_a_dead_letter(self) -> None:
        bench = Bench(Seen())
        bench.storage.failing = [Transient("mongo")] * 100
        with pytest.raises(Transient):
            await bench(three())
        assert bench.watch.published == []
        assert not bench.watch.letters


class TestRetries:
    async def test_infrastructure_is_waited_for_with_growing_pauses_and_then_it_works(self) -> None:
        bench = Bench(Seen())
        bench.storage.failing = [Transient("mongo"), Transient("mongo"), Transient("mongo")]
        await bench(three())
        assert bench.pauses == [1.0, 2.0, 3.0]
        assert bench.seen() == ["a", "b", "c"]
        assert bench.watch.tries == ["Transient", "Transient", "Transient", None]

    async def test_after_all_its_patience_it_gives_the_batch_back(self) -> None:
        bench = Bench(Seen())
        bench.watch.failing = [Transient("kafka")] * 100
        with pytest.raises(Transient):
            await bench(three())
        assert sum(bench.pauses) >= 7.0
        assert len(bench.pauses) == len(list(Patience(first=1.0, longest=3.0, total=7.0).delays()))

    async def test_what_was_committed_before_a_failed_publish_is_not_applied_twice(self) -> None:
        bench = Bench(Seen())
        bench.watch.failing = [Transient("kafka")]
        await bench(three())
        assert bench.seen() == ["a", "b", "c"]
        assert bench.said() == ["a:3", "b:3", "c:3"]

    def test_patience_has_an_end(self) -> None:
        delays = list(Patience().delays())
        assert delays[:3] == [0.05, 0.1, 0.2]
        assert max(delays) <= 5.0
        assert 60.0 <= sum(delays) <= 65.0


class TestGuards:
    async def test_a_guard_that_misses_drops_memory_and_starts_from_what_is_stored(self) -> None:
        bench = Bench(Seen())
        await bench([record("a", 10)])
        bench.storage.put(Write("seen", DESK, 1, {"ids": ["a", "theirs"]}))
        bench.storage.failing = [Conflict("guard-missed")]
        await bench([record("b", 11)])
        assert bench.seen() == ["a", "theirs", "b"]
        assert bench.watch.tries[-2:] == ["Conflict", None]

    async def test_a_commit_whose_result_is_unknown_but_arrived_is_not_applied_twice(self) -> None:
        bench = Bench(Seen())
        await bench([record("a", 10)])
        commit = bench.storage.take
        calls = 0

        def took_and_lost_the_answer(writes: list[Write]) -> None:
            nonlocal calls
            commit(writes)
            calls += 1
            if calls == 1:
                raise Conflict("commit-unknown")

        bench.storage.take = took_and_lost_the_answer  # type: ignore[assignment,method-assign]
        await bench([record("b", 11)])
        assert bench.seen() == ["a", "b"]
        assert bench.said() == ["a:1", "b:2"]

    async def test_two_owners_of_a_partition_apply_each_record_once(self) -> None:
        old = Bench(Seen())
        await old([record("a", 10)])
        new = Bench(Seen(), storage=old.storage)
        await new([record("b", 11)])
        await old([record("b", 11), record("c", 12)])
        assert old.seen() == ["a", "b", "c"]

    async def test_taking_over_rewrites_the_position_once_an_assignment(self) -> None:
        bench = Bench(Seen())
        await bench([record("a", 10)])
        v = (bench.storage.body("positions", f"{GROUP}/{HOME}") or {})["v"]
        assert v == 2, "one write to take over, one for the batch"
        await bench([record("b", 11)])
        assert (bench.storage.body("positions", f"{GROUP}/{HOME}") or {})["v"] == v + 1
        bench.flow.reassigned()
        await bench([record("c", 12)])
        assert (bench.storage.body("positions", f"{GROUP}/{HOME}") or {})["v"] == v + 3

    async def test_a_take_over_fences_whoever_had_the_partition_before(self) -> None:
        old, ticket = Bench(Seen()), three()
        await old([record("a", 10)])
        new = Bench(Seen(), storage=old.storage)

        def overtaken(_group: str, step: str) -> None:
            if step == "folded" and not new.watch.steps:
                new.watch.steps.append("took over")
                position = old.storage.body("positions", f"{GROUP}/{HOME}") or {}
                body = {name: value for name, value in position.items() if name not in ("_id", "v")}
                old.storage.put(Write("positions", f"{GROUP}/{HOME}", position["v"], body))

        old.flow._reached = overtaken
        await old(ticket[1:])
        assert "Conflict" in old.watch.tries
        assert old.seen() == ["a", "b", "c"]

    async def test_only_where_nobody_was_before_is_an_owner_the_first(self) -> None:
        first = Bench(Seen())
        assert not first.flow.is_first(HOME), "nothing is known before a poll"
        await first(three())
        assert first.flow.is_first(HOME)
        assert not first.flow.is_first(HOME + 1)
        position = first.storage.body("positions", f"{GROUP}/{HOME}") or {}
        body = {name: value for name, value in position.items() if name not in ("_id", "v")}
        first.storage.put(Write("positions", f"{GROUP}/{HOME}", position["v"], {**body, "session": "0ther"}))
        heir = Bench(Seen(), storage=first.storage)
        await heir(three())
        assert not heir.flow.is_first(HOME)
        heir.flow.reassigned()
        await heir(three())
        assert not heir.flow.is_first(HOME), "a predecessor is one for good"


class TestLapsed:
    async def test_a_process_that_slept_stops_before_it_publishes(self) -> None:
        bench = Bench(Seen(fans=True))
        bench.lapsed = True
        with pytest.raises(Lapsed):
            await bench(three())
        assert bench.watch.published == []
        assert bench.storage.body("sent", DESK) is None
        assert bench.pauses == []
        assert bench.position() == 13

    async def test_the_batch_comes_again_and_is_published_then(self) -> None:
        bench = Bench(Seen())
        bench.lapsed = True
        with pytest.raises(Lapsed):
            await bench(three())
        bench.lapsed = False
        await bench(three())
        assert bench.seen() == ["a", "b", "c"]
        assert bench.said() == ["a:3", "b:3", "c:3"]


class TestChunks:
    async def test_a_poll_is_cut_by_weight_and_never_inside_a_record(self) -> None:
        handler = Seen()
        handler.weights = {"a": 2, "b": 2, "c": 9, "d": 1}
        bench = Bench(handler, max_weight=4)
        await bench([record(id_, 10 + n) for n, id_ in enumerate("abcd")])
        assert [records for records, _ in bench.watch.applications] == [2, 1, 1]
        assert bench.seen() == ["a", "b", "c", "d"]

    async def test_a_transaction_that_is_half_full_begins_no_other_partition(self) -> None:
        other = partition_of(OTHER.encode(), PARTITIONS)
        bench = Bench(Seen(), max_weight=4)
        poll = [record(id_, 10 + n) for n, id_ in enumerate("ab")]
        poll += [record(id_, 900 + n, key=OTHER, partition=other) for n, id_ in enumerate("xyz")]
        poll += [record("c", 12)]
        await bench(poll)
        assert [records for records, _ in bench.watch.applications] == [2, 3, 1]
        await bench([record("d", 13), record("w", 903, key=OTHER, partition=other)])
        assert [records for records, _ in bench.watch.applications][3:] == [2]
        assert (bench.seen(), bench.seen(OTHER)) == (["a", "b", "c", "d"], ["x", "y", "z", "w"])

    async def test_an_empty_poll_does_nothing(self) -> None:
        bench = Bench(Seen())
        await bench([])
        assert bench.storage.reads == []
        assert bench.watch.steps == []


async def test_partitions_are_counted_apart() -> None:
    bench = Bench(Seen())
    other = partition_of(OTHER.encode(), PARTITIONS)
    assert other != HOME
    await bench([record("a", 10), record("x", 900, key=OTHER, partition=other)])
    assert (bench.position(), bench.position(other)) == (11, 901)
    assert (bench.seen(), bench.seen(OTHER)) == (["a"], ["x"])
