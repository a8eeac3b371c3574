"""The fever rule: from a dated temperature on, somebody must answer for a person (M-06)."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import NamedTuple

from services.screening.domain.merging import from_the_future
from shared.contracts.alerts import Alert
from shared.contracts.base import Model
from shared.contracts.registry import HouseholdFact
from shared.contracts.screening import Celsius, Reading, Visit
from shared.domain.dated import Dated
from shared.kernel.clock import from_ms, local_day, utc_ms
from shared.kernel.ids import derived_id

RULE = "fever"


class Fever(Model):
    """One version of the rule: a temperature of this or more is a fever."""

    celsius: Celsius


class Hot(NamedTuple):
    """One temperature at or above the rule of its time; `at` is believed up to the broker's."""

    person: str
    temperature: float
    version: str
    at: datetime


def hot(said: Visit | Reading, arrived: datetime, rule: Dated[Fever], zone: tzinfo) -> Iterator[Hot]:
    """Yield the fevers of a visit or reading.

    A late one counts too, for health is not a count; one from the future has not happened.
    """
    measured = _measured(said)
    if not measured:
        return
    at = from_ms(min(utc_ms(said.at), utc_ms(arrived)))
    version, fever = rule.version_on(at)
    found = [Hot(person, heat, version, at) for person, heat in measured if heat >= fever.celsius]
    if found and not from_the_future(utc_ms(said.at), utc_ms(arrived), zone):
        yield from found


def alert(said: Visit | Reading, found: Hot, copy: HouseholdFact | None, zone: tzinfo) -> Alert:
    """Return what the household's chain must hear: one alert a person and city day, however often measured.

    Where a household lives now its copy says, whatever desk spoke of it; without one that desk must answer.
    """
    return Alert(
        alert=derived_id(RULE, found.person, local_day(found.at, zone).isoformat()),
        rule=RULE,
        version=found.version,
        desk=copy.desk if copy else said.desk,
        unit=copy.unit if copy else said.desk,
        household=said.household,
        charge=copy.charges.get("main") if copy else None,
        subject=found.person,
        text=f"体温 {found.temperature:.1f} °C，请立即核实处置 · temperature {found.temperature:.1f} °C",
        at=found.at,
    )


def _measured(said: Visit | Reading) -> list[tuple[str, float]]:
    if isinstance(said, Reading):
        return [(said.person, said.temperature)]
    return [(seen.person, seen.temperature) for seen in said.members if seen.temperature is not None]
