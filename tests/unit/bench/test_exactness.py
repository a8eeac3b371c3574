"""A measurement that is not exact is void: the truth, the comparison with it, and the exit code."""

import json
from collections import Counter
from datetime import date
from typing import Any

import pytest

from bench.__main__ import verdict
from bench.dispatch.outsider import differences, is_exact, overcounts
from bench.dispatch.pairs import UNITS, exact_pairs
from bench.dispatch.sample import Figures, Run
from bench.dispatch.world import CITY, ISSUER, build, sizes
from bench.report import Measured, paired
from shared.contracts.dispatch import Answer

DIRECTIVE = "directive-1"
LEVELS = Counter({"cw5:1": 2, "cw5:4": 5})


def shown(done: Counter[str], total: Counter[str] = LEVELS) -> dict[str, Any]:
    cells = {level: {"total": posts, "done": done[level]} for level, posts in total.items()}
    whole = {"total": total.total(), "done": done.total()}
    return {"total": whole, "cells": cells, "all_reported": whole["total"] == whole["done"]}


def figures(value: float) -> Figures:
    return Figures(*([value] * 12))


class TestTheTruth:
    @pytest.mark.parametrize("posts", [1, 73, 74, 2_000])
    def test_a_city_has_exactly_the_posts_asked_for(self, posts: int) -> None:
        world = build(posts)
        communities = [roster for roster in world.rosters if len(roster.desk) == 12]
        duty_desks = len(world.rosters) - len(communities) - 1

        assert sum(len(roster.seats) for roster in communities) == posts
        assert len(world.addressees) == posts + duty_desks
        assert world.truth[CITY].total() == posts + duty_desks

    def test_the_sources_large_city_has_the_desks_they_count(self) -> None:
        counties = sizes(320_000)
        streets = [street for county in counties for street in county]
        communities = [posts for street in streets for posts in street]

        assert (len(counties), len(streets), len(communities)) == (23, 261, 4_357)
        assert sum(communities) == 320_000
        assert set(communities) == {73, 74}
        assert sum(len(street) for county in sizes(50_000) for street in county) == 685

    def test_every_unit_has_what_its_desk_and_those_below_it_have(self) -> None:
        world = build(600)
        for roster in world.rosters:
            own = Counter(seat.level for seat in roster.seats if seat.post != ISSUER)
            below = sum((world.truth[child.desk] for child in roster.children), Counter[str]())
            assert world.truth[roster.desk] == own + below

    def test_a_roster_knows_the_size_of_its_subtree(self) -> None:
        world = build(600)
        assert all(
            roster.posts == world.truth[roster.desk].total() + (roster.desk == CITY)
            for roster in world.rosters
        )

    def test_every_post_answers_in_random_order_and_some_twice(self) -> None:
        world = build(200)
        answers = world.answers(DIRECTIVE, seed=1)
        said = [Answer.model_validate_json(answer.value or b"").addressee for answer in answers]
        ids = {dict(answer.headers)["ce_id"] for answer in answers}

        assert set(said) == set(world.addressees)
        assert len(ids) == len(world.addressees) < len(answers)
        assert said != sorted(said)
        assert answers == world.answers(DIRECTIVE, seed=1)
        assert world.rosters[0].on == date(2026, 1, 1)


class TestExactness:
    def test_all_done_at_every_level_is_exact(self) -> None:
        assert is_exact(shown(LEVELS), LEVELS)

    @pytest.mark.parametrize(
        "wrong",
        [
            shown(Counter({"cw5:1": 2, "cw5:4": 4})),
            shown(Counter({"cw5:1": 2, "cw5:4": 6})),
            shown(Counter({"cw5:1": 3, "cw5:4": 4})),
            shown(LEVELS - Counter({"cw5:1": 1}), LEVELS - Counter({"cw5:1": 1})),
            shown(LEVELS) | {"all_reported": False},
        ],
    )
    def test_one_post_too_few_or_too_many_is_not(self, wrong: dict[str, Any]) -> None:
        assert not is_exact(wrong, LEVELS)

    def test_every_unit_is_compared_and_a_silent_one_is_named(self) -> None:
        truth = {"6108": LEVELS, "610801": LEVELS, "610802": LEVELS}
        progress = {
            f"{DIRECTIVE}/6108": json.dumps(shown(LEVELS)).encode(),
            f"{DIRECTIVE}/610801": json.dumps(shown(LEVELS - Counter({"cw5:1": 1}))).encode(),
        }
        wrong = differences(DIRECTIVE, progress, truth)

        assert [line.partition(":")[0] for line in wrong] == ["610801", "610802"]

    def test_a_sample_above_the_truth_is_named_although_the_last_is_right(self) -> None:
        above = shown(LEVELS + Counter({"cw5:4": 1}), LEVELS + Counter({"cw5:4": 1}))
        assert len(overcounts([shown(LEVELS), above, shown(LEVELS)], LEVELS)) == 1


class TestTheVerdict:
    def test_only_exact_runs_pass(self) -> None:
        good = Measured("dispatch", {}, "", [{"arm": "gridloop"}])
        void = Measured("gate", {}, "", [{"arm": "gridloop"}], ["610801: short by one"])

        assert verdict([good]) == 0
        assert verdict([good, void]) == 1
        assert verdict([good, Measured("visits", {}, "", [])]) == 1
        assert verdict([]) == 1

    def test_a_run_without_figures_says_why_it_is_void(self) -> None:
        assert Run("gridloop", 0.1, None, ["610801: short by one"]).void == "gridloop: 610801: short by one"
        assert not Run("gridloop", 0.1, figures(1)).void

    def test_ratios_are_taken_pair_by_pair_and_a_void_pair_gives_none(self) -> None:
        raw, void = Run("raw", 0.1, figures(1)), Run("gridloop", 0.1, None, ["late"])
        pairs = [(Run("gridloop", 0.1, figures(value)), raw) for value in (2.0, 4.0, 3.0)]

        shown = paired(exact_pairs([*pairs, (void, raw)]), UNITS, ("gridloop", "raw"))
        assert "| 3 (2–4) | 1 (1–1) | 3 (2–4) |" in shown
        assert paired(exact_pairs([(void, raw)]), UNITS, ("gridloop", "raw")).count("\n") == 1
