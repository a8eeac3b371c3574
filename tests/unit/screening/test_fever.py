"""The fever rule: dated, one alert a person and day, for late visits too and never from the future."""

from datetime import UTC, datetime, timedelta

import pytest

from services.screening.domain.fever import Fever, alert, hot
from services.screening.settings import ScreeningSettings
from shared.contracts.screening import PersonSeen, Reading, Visit
from shared.domain.dated import Dated
from shared.runtime.dated import read_versions
from tests.builders.screening import (
    DAY,
    DESK,
    FEVER,
    FLOOR,
    HOUR,
    NOON,
    OTHER,
    ZONE,
    household,
    reading,
    seen,
    visit,
)

STRICTER = Dated(
    [
        (datetime(2020, 1, 1, tzinfo=UTC), Fever(celsius=38)),
        (NOON, Fever(celsius=37.3)),
    ]
)


def names(said: Visit | Reading, rule: Dated[Fever] = FEVER, arrived: datetime = NOON) -> list[str]:
    return [found.person for found in hot(said, arrived, rule, ZONE)]


@pytest.mark.req("S2-14", "M-06")
def test_whoever_reaches_the_rule_is_hot_and_nobody_below_it() -> None:
    members = (seen("h1", temperature=37.2), seen("h1", "b", temperature=37.3), PersonSeen(person="p-blank"))
    assert names(visit("h1", members=members)) == ["p-h1-b"]
    assert names(reading("h1", 39.5)) == ["p-h1-a"]
    assert names(reading("h1", 36.9)) == []


@pytest.mark.req("M-06")
def test_the_rule_in_force_at_the_time_of_the_measurement_counts() -> None:
    assert names(reading("h1", 37.5, at=NOON - HOUR), STRICTER) == []
    assert names(reading("h1", 37.5), STRICTER) == ["p-h1-a"]
    (found,) = hot(reading("h1", 37.5, at=NOON + HOUR), NOON, STRICTER, ZONE)
    assert (found.at, found.version) == (NOON, "2026-01-01")


def test_what_is_said_to_be_tomorrow_has_not_happened() -> None:
    assert names(reading("h1", 40.0, at=NOON + DAY)) == []
    assert names(reading("h1", 40.0, at=NOON - 10 * DAY)) == ["p-h1-a"]


@pytest.mark.req("M-07")
def test_a_fever_is_one_alert_a_person_and_city_day() -> None:
    def id_of(at: datetime, person: str = "p-h1-a") -> str:
        said = reading("h1", 38.0, at=at, person=person)
        (found,) = hot(said, NOON + 3 * DAY, FEVER, ZONE)
        return alert(said, found, household("h1"), ZONE).alert

    assert id_of(NOON) == id_of(NOON + 11 * HOUR)
    assert id_of(NOON) != id_of(NOON + timedelta(hours=12.5))
    assert id_of(NOON) != id_of(NOON, "p-h1-b")


def test_an_alert_names_the_household_its_place_and_who_answers_for_it() -> None:
    said = reading("h1", 38.25)
    (found,) = hot(said, NOON, FEVER, ZONE)
    raised = alert(said, found, household("h1"), ZONE)
    assert (raised.unit, raised.charge, raised.subject) == (household("h1").unit, FLOOR, "p-h1-a")
    moved = alert(said, found, household("h1", desk=OTHER), ZONE)
    assert (moved.desk, moved.unit, moved.charge) == (OTHER, household("h1").unit, FLOOR)
    unknown = alert(said, found, None, ZONE)
    assert (unknown.desk, unknown.unit, unknown.charge) == (DESK, DESK, None)


@pytest.mark.req("M-06")
def test_the_rule_that_ships_is_dated_configuration() -> None:
    assert Dated(read_versions(ScreeningSettings().fever, Fever)).on(NOON).celsius > 36
