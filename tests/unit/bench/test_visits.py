"""The round that is measured: its truth, what is visited, and when a coverage is exact."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.visits.outsider import differences, is_exact, is_frozen, overcounts, refused
from bench.visits.town import CITY, build_town
from shared.contracts import screening as contract
from shared.contracts.registry import Charges, HouseholdFact
from shared.contracts.screening import CoverageCounts, Visit

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
TRUTH = Counter(households=4, persons=9)
ALL = {"households": 4, "persons": 9, "covered": 4, "screened": 4, "in_care": 4, "persons_covered": 9}


def shown(**other: int) -> dict[str, Any]:
    return {"total": CoverageCounts(**{**ALL, **other}).model_dump(mode="json"), "missing": 0}


class TestTheTruth:
    def test_every_household_lives_at_a_community_and_counts_all_the_way_up(self) -> None:
        town = build_town(3_000)
        members = sum(len(household.members) for household in town.households)

        assert town.truth[CITY] == Counter(households=3_000, persons=members)
        assert len({household.household for household in town.households}) == 3_000
        assert {len(household.desk) for household in town.households} == {12}
        for roster in town.world.rosters:
            if roster.children:
                below = sum((town.truth[child.desk] for child in roster.children), Counter[str]())
                assert town.truth[roster.desk] == below

    def test_charges_say_as_many_households_as_there_are(self) -> None:
        town = build_town(1_500)
        facts = {name: [each.value or b"" for each in town.homes() if name in each.topic]
                 for name in ("charges", "households")}  # fmt: skip
        said = {
            charges.desk: charges.households for charges in map(Charges.model_validate_json, facts["charges"])
        }
        there = Counter(fact.desk for fact in map(HouseholdFact.model_validate_json, facts["households"]))

        assert said == dict(there)

    def test_every_charge_post_is_on_the_roster(self) -> None:
        town = build_town(200)
        posts = {seat.post for roster in town.world.rosters for seat in roster.seats}
        assert {household.charges["main"] for household in town.households} <= posts

    def test_each_door_is_answered_once_some_are_empty_before_and_some_visits_come_twice(self) -> None:
        town = build_town(400)
        messages = town.visits("round-00001", 7, AT)
        visits = [Visit.model_validate_json(each.value or b"") for each in messages]
        ids = {dict(each.headers)["ce_id"] for each in messages}
        screened = {visit.household for visit in visits if visit.found == "screened"}

        assert screened == {household.household for household in town.households}
        assert len(ids) == town.distinct() == 440
        assert len(messages) == 462
        assert {each.topic for each in messages} == {contract.VISITS_TOPIC.name}


class TestExactness:
    def test_everybody_screened_is_exact(self) -> None:
        assert is_frozen(shown(), TRUTH)
        assert is_exact(shown(), TRUTH)

    @pytest.mark.parametrize("name", ["covered", "screened", "in_care", "persons_covered", "households"])
    def test_one_too_few_is_not(self, name: str) -> None:
        assert not is_exact(shown(**{name: ALL[name] - 1}), TRUTH)

    def test_a_desk_that_is_missing_is_not(self) -> None:
        assert not is_exact({**shown(), "missing": 1}, TRUTH)
        assert not is_frozen({}, TRUTH)

    def test_each_desk_that_is_wrong_or_silent_is_named(self) -> None:
        coverage = {desk: json.dumps(each).encode() for desk, each in
                    {"6109": shown(), "610901": shown(covered=3)}.items()}  # fmt: skip
        wrong = differences(coverage, dict.fromkeys(("6109", "610901", "610902"), TRUTH))
        assert [line.partition(":")[0] for line in wrong] == ["610901", "610902"]

    def test_a_sample_above_the_truth_is_named(self) -> None:
        assert overcounts(Counter(ALL), TRUTH) == []
        assert len(overcounts(Counter(ALL) + Counter(persons_covered=1), TRUTH)) == 1

    def test_a_refused_command_is_told(self) -> None:
        refusal = {"results": [{"accepted": False, "code": "unknown-criterion", "detail": "none"}]}
        assert refused(json.dumps(refusal).encode()) == ["unknown-criterion: none"]
        assert refused(b'{"results": [{"accepted": true}]}') == []
