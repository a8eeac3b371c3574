"""What the oracle makes of visits and readings: written down by hand, as the design says it (§4, S4-08)."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli.verify import screening
from cli.verify.coverage import Hints
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.base import Scope
from shared.contracts.registry import HouseholdFact
from shared.contracts.screening import (
    CoverageTally,
    FrozenHousehold,
    Opening,
    PartFrozen,
    PersonSeen,
    Reading,
    Round,
    Visit,
)
from tests.builders.log import NOON, Written
from tests.harness.world import FIRST, SECOND, STREET, STREET_DUTY, chief

ROUND = "round-001"
GRID = f"{FIRST}001"
HOUSES = ("house-0001", "house-0002")
ZONE = ZoneInfo("Asia/Shanghai")
TODAY, TOMORROW = date(2026, 1, 1), date(2026, 1, 2)


class Told(Written):
    """A round at one community with two households of two, one of them in nobody's care."""

    def open(
        self, desk: str = FIRST, *, at: float = 0, houses: tuple[str, ...] = HOUSES, **said: Any
    ) -> None:
        fields: dict[str, Any] = {
            "round": ROUND, "number": 1, "scope": Scope(unit=STREET, desk=STREET), "issuer": STREET_DUTY,
            "title": "第一轮", "opened_at": NOON, "due": NOON + timedelta(hours=1),
        }  # fmt: skip
        sender = STREET if desk != STREET else None
        opening = Opening(round=Round(**{**fields, **said}), to=desk, sender=sender)
        self.say(contract.DESKS_TOPIC, opening, key=desk, at=at)
        if said.get("status") == "closed":
            return
        tally = CoverageTally(desk=desk, to=desk, covers="own", v=1, due=NOON, round=ROUND)
        self.say(contract.TALLIES_TOPIC, tally, key=f"{desk}/{ROUND}", at=at)
        if houses and desk == FIRST:
            frozen = tuple(
                FrozenHousehold(
                    household=house, unit=f"{GRID}.b1", members=members(house),
                    charge=None if number else f"{GRID}/t:member",
                )
                for number, house in enumerate(houses)
            )  # fmt: skip
            part = PartFrozen(round=ROUND, desk=desk, part=GRID, charges_v=1, households=frozen)
            self.say(contract.PROGRESS_TOPIC, part, key=f"{ROUND}/{desk}/{GRID}", at=at)

    def visit(
        self, house: str, found: str = "screened", *, at: float = 1, claims: float = 0, **said: Any
    ) -> str:
        seen = tuple(PersonSeen(person=person, temperature=36.5) for person in members(house))
        body = Visit(
            round=ROUND, desk=FIRST, household=house, found=found, by=chief(FIRST),
            members=said.pop("seen", seen if found == "screened" else ()),
            at=NOON + timedelta(seconds=at + claims), **said,
        )  # fmt: skip
        return self.say(contract.VISITS_TOPIC, body, key=FIRST, at=at)

    def measure(self, house: str, *, at: float = 1) -> None:
        body = Reading(
            desk=FIRST, household=house, person=members(house)[0], temperature=36.6, means="phone",
            at=NOON + timedelta(seconds=at),
        )  # fmt: skip
        self.say(contract.READINGS_TOPIC, body, key=FIRST, at=at)

    def said(self, hints: Hints | None = None) -> dict[str, Any]:
        return screening.said(self.log, ZONE, hints or Hints())

    def house(self, house: str, slot: str = "the round", hints: Hints | None = None) -> tuple[str, int]:
        """Return what was found, and of how many something is known."""
        found = self.said(hints)[f"round {ROUND} at {FIRST}: household {house} in {slot}"]
        return found["found"], len(found["known"])

    def coverage(self, desk: str = FIRST) -> dict[str, Any]:
        return dict(self.said()[f"coverage of {ROUND} at {desk}"])


def members(house: str) -> tuple[str, ...]:
    return (f"p-{house}-a", f"p-{house}-b")


@pytest.fixture
def told() -> Told:
    told = Told()
    told.open()
    return told


def test_of_two_visits_the_stronger_finding_stands_whichever_came_first(told: Told) -> None:
    for found in ("vacant", "refused", "nobody-home"):
        told.visit(HOUSES[0], found)
    assert told.house(HOUSES[0]) == ("vacant", 2)
    assert told.house(HOUSES[1]) == ("open", 0)


def test_counts_name_every_household_and_person(told: Told) -> None:
    told.visit(HOUSES[0])
    told.visit(HOUSES[1], "refused")
    shown = told.coverage()
    counts = (
        "households",
        "covered",
        "screened",
        "refused",
        "persons",
        "persons_covered",
        "in_care",
        "units",
        "watched",
    )
    assert [shown[name] for name in counts] == [2, 1, 1, 1, 4, 2, 1, 1, 0]


def test_whoever_was_not_asked_is_not_known(told: Told) -> None:
    told.visit(HOUSES[0], seen=(PersonSeen(person=members(HOUSES[0])[0]),))
    assert told.house(HOUSES[0]) == ("screened", 0)


def test_a_visit_of_tomorrow_has_not_happened(told: Told) -> None:
    told.visit(HOUSES[0], claims=86_400)
    assert told.house(HOUSES[0]) == ("open", 0)


def test_a_visit_may_come_before_the_round() -> None:
    told = Told()
    told.visit(HOUSES[0], at=-5)
    told.open()
    assert told.house(HOUSES[0])[0] == "screened"


def test_a_visit_long_after_the_close_does_not_count_and_one_that_met_it_as_stored(told: Told) -> None:
    told.open(at=100, status="closed")
    told.visit(HOUSES[0], at=200)
    met = told.visit(HOUSES[1], at=101)
    assert told.house(HOUSES[0])[0] == "open"
    assert told.house(HOUSES[1])[0] == "screened"
    assert told.house(HOUSES[1], hints=Hints(late={(ROUND, FIRST): frozenset([met])}))[0] == "open"
    assert told.coverage()["closed"] is True


def test_days_are_counted_apart_and_a_reading_covers_one_person_of_its_day() -> None:
    told = Told()
    told.open(days=(TODAY, TOMORROW))
    told.visit(HOUSES[0], "vacant")
    told.measure(HOUSES[1], at=60)
    assert told.house(HOUSES[0], TODAY.isoformat()) == ("vacant", 2)
    assert told.house(HOUSES[1], TODAY.isoformat()) == ("open", 1)
    assert told.house(HOUSES[0], TOMORROW.isoformat()) == ("open", 0)
    assert (told.coverage()["households"], told.coverage()["persons_covered"]) == (4, 3)


def test_a_reading_says_nothing_in_a_round_without_days(told: Told) -> None:
    told.measure(HOUSES[0], at=60)
    assert told.house(HOUSES[0]) == ("open", 0)


def test_a_household_that_came_later_stands_apart_and_a_stranger_nowhere(told: Told) -> None:
    fact = HouseholdFact(household="house-0003", v=1, desk=FIRST, unit=f"{GRID}.b1", within=(GRID,))
    told.say(registry.HOUSEHOLDS_TOPIC, fact, key=fact.household, at=1)
    told.visit("house-0003", at=60)
    told.visit("house-0004", at=60)
    assert told.said()[f"round {ROUND} at {FIRST}: later household house-0003 in the round"] == "screened"
    shown = told.coverage()
    assert [shown[name] for name in ("households", "later", "later_covered")] == [2, 1, 1]


def test_coverage_adds_up_what_lies_below_and_says_who_is_missing() -> None:
    told = Told()
    told.open(STREET)
    told.open(FIRST)
    told.visit(HOUSES[0])
    told.open(SECOND, status="closed")  # told, and not counted yet: nothing is shown of it
    shown = told.coverage(STREET)
    assert [shown[name] for name in ("households", "covered", "desks", "missing", "closed")] == [
        2,
        1,
        2,
        1,
        False,
    ]
