"""A rival's run counts only if it is exact at every unit, and an arm that was not run is named."""

import sys
from collections import Counter

import pytest

from bench.dispatch.sample import Figures as Taken
from bench.dispatch.sample import Run as Order
from bench.dispatch.world import CITY, build
from bench.rivals import servers
from bench.rivals.figures import Figures, Run, of_dispatch, rolled_up, wrong_units
from bench.rivals.run import OURS, RIVALS, found, table, verdict

WORLD = build(600)
BY_DESK = Counter(WORLD.addressees.values())
CHORD, DELTAS, RECOUNT = RIVALS


def run(arm: str, rate: float) -> Run:
    return Run(arm, 0.1, Figures(*([rate] * 7)))


class TestExactness:
    def test_the_sums_of_all_answers_are_the_truth_at_every_unit(self) -> None:
        assert wrong_units(rolled_up(BY_DESK, WORLD), WORLD.truth) == []

    @pytest.mark.parametrize("by", [-1, 1])
    def test_one_answer_too_few_or_too_many_is_wrong_all_the_way_up(self, by: int) -> None:
        community = WORLD.rosters[-1]
        counted = rolled_up(BY_DESK + Counter({community.desk: 1}), WORLD)
        if by < 0:
            counted = rolled_up(BY_DESK - Counter({community.desk: 1}), WORLD)

        wrong = wrong_units(counted, WORLD.truth)

        assert {line.partition(":")[0] for line in wrong} == {*community.path, community.desk}

    def test_a_right_root_does_not_hide_two_wrong_desks(self) -> None:
        one, other = WORLD.rosters[-1].desk, WORLD.rosters[-2].desk
        counted = rolled_up(BY_DESK + Counter({one: 1}) - Counter({other: 1}), WORLD)

        assert counted[CITY] == WORLD.truth[CITY].total()
        assert [line.partition(":")[0] for line in wrong_units(counted, WORLD.truth)] == [other, one]

    def test_a_unit_without_a_count_and_a_count_without_a_unit_are_named(self) -> None:
        counted = rolled_up(BY_DESK + Counter({"9999": 1}), WORLD)
        del counted[CITY]

        wrong = wrong_units(counted, WORLD.truth)

        assert wrong == [
            f"{CITY}: no count, truth {WORLD.truth[CITY].total()}",
            "9999: counted, but no unit",
        ]


class TestTheVerdict:
    def test_a_void_run_or_a_missing_arm_makes_the_measurement_void(self) -> None:
        void = Run(CHORD, 0.1, None, ["no callback within 300 s"])

        assert verdict([{OURS: run(OURS, 1), CHORD: run(CHORD, 1)}], {}) == []
        assert verdict([{OURS: run(OURS, 1), CHORD: void}], {}) == [f"{CHORD}: no callback within 300 s"]
        assert verdict([{OURS: run(OURS, 1)}], {CHORD: "redis-server is not installed"}) == [
            f"{CHORD}: not run: redis-server is not installed"
        ]

    def test_a_void_order_of_ours_stays_void(self) -> None:
        assert of_dispatch(Order(OURS, 0.1, None, ["late"])).void == f"{OURS}: late"

    def test_cpu_of_ours_includes_both_its_servers(self) -> None:
        taken = Taken(*(float(number) for number in range(12)))
        figures = of_dispatch(Order(OURS, 0.1, taken)).figures

        assert figures is not None
        assert figures.cpu_us_per_answer == (
            taken.cpu_us_per_answer + taken.kafka_cpu_us_per_answer + taken.mongo_cpu_us_per_answer
        )

    def test_ratios_are_taken_round_by_round_and_only_with_arms_that_ran(self) -> None:
        rounds = [
            {OURS: run(OURS, 20), DELTAS: run(DELTAS, 10)},
            {OURS: run(OURS, 60), DELTAS: run(DELTAS, 20)},
            {OURS: run(OURS, 80), DELTAS: Run(DELTAS, 0.1, None, ["late"])},
        ]
        head, _, first, *_ = table(rounds).splitlines()

        assert head == f"| figure | {OURS} | {DELTAS} | ÷ {DELTAS} |"
        assert first.endswith("| 60 (20–80) | 15 (10–20) | 2.5 (2–3) |")


class TestWhatIsMissing:
    def test_a_library_that_is_not_installed_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("redis", "psycopg"):
            monkeypatch.setitem(sys.modules, name, None)
        for name in ("celery_chord", "postgres", "postgres_client"):
            monkeypatch.delitem(sys.modules, f"bench.rivals.{name}", raising=False)

        rivals, missing = found()

        assert rivals == []
        assert missing.keys() == RIVALS.keys()
        assert missing[DELTAS] == missing[RECOUNT] == "psycopg is not installed (requirements/rivals.lock)"

    def test_a_server_that_is_not_installed_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers.shutil, "which", lambda _: None)
        monkeypatch.setattr(servers, "POSTGRES_FOLDERS", "/nowhere")

        with pytest.raises(servers.Missing, match="redis-server"):
            servers.find_redis()
        with pytest.raises(servers.Missing, match="initdb"):
            servers.find_postgres()
