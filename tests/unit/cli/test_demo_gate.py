"""The gate of the demonstration: one compound, the count of its people, and the comparison."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from cli.demo.command import GEOGRAPHY
from cli.demo.gate.crowd import _question
from cli.demo.gate.ledger import DAY, NO_DATA, Asked, Ledger, Person
from cli.demo.gate.morning import Compound, forged, shares
from cli.demo.gate.office import SCHEME, TEAM, _team
from cli.demo.gate.summary import Summary, Told, compare
from cli.demo.gate.view import line, table
from cli.demo.gate.watch import Watch
from cli.demo.places import read_geography
from cli.demo.world import street
from services.checkpoint.domain.teams import faults_of
from shared.kernel.codes import parse

WORLD = street(7, read_geography(GEOGRAPHY), 400)
COMPOUND = Compound(WORLD, 7)
EXIT, CLOSED = COMPOUND.exit, COMPOUND.closed
WITH_PASS = Person(text="TEXT", pass_id="pass-0001", temperature=36.5)
NOBODY = Person()


# --- the compound ---


def test_the_compound_is_one_grid_with_two_gates_and_residents_of_its_own() -> None:
    assert parse(EXIT).kind == parse(CLOSED).kind == "gate"
    assert {parse(EXIT).parent(), parse(CLOSED).parent()} == {parse(COMPOUND.area)}
    assert COMPOUND.duty.unit == COMPOUND.area
    assert COMPOUND.issuer.unit == COMPOUND.desk
    for resident in COMPOUND.residents:
        assert resident.home.unit.startswith(COMPOUND.area)
        assert resident.person in resident.home.members


def test_everybody_goes_in_one_company_and_some_have_a_story_of_their_own() -> None:
    together = [resident for party in COMPOUND.parties for resident in party]
    assert together == list(COMPOUND.residents)
    assert {len(party) for party in COMPOUND.parties} == {1, 2}
    assert {resident.kind for resident in together} == {"home", "movement"}
    others = {COMPOUND.other(number, "home").person for number in range(6)}
    assert len(others) == 6
    assert not others & {resident.person for resident in together}
    assert Compound(WORLD, 7).parties == COMPOUND.parties


@pytest.mark.req("S2-07")
def test_the_team_is_what_the_scheme_wants_and_one_less_is_not() -> None:
    team = COMPOUND.team(_team())
    assert len({member.person for member in team}) == len(team) >= 5
    assert faults_of(_team(), team) == []
    assert faults_of(_team(), team[:-1]) != []
    strike = yaml.safe_load(SCHEME.read_text(encoding="utf-8"))["teams"]
    assert TEAM.partition(":")[2] in strike


def test_a_forged_pass_differs_in_one_letter() -> None:
    text = "ABCDEFGH" * 20
    assert sum(one != other for one, other in zip(text, forged(text), strict=True)) == 1
    assert forged(forged(text)) != forged(text)


# --- the questions ---


def test_a_person_and_a_car_are_asked_about_as_the_gate_wants_it() -> None:
    on_foot = Asked(EXIT, "out", (WITH_PASS,))
    assert _question(on_foot) == {"direction": "out", "pass": "TEXT", "temperature": 36.5}
    claim = Asked(EXIT, "in", (Person(household="h1"),))
    assert _question(claim) == {"direction": "in", "claims": {"household": "h1"}}
    shown = {"pass": "TEXT", "temperature": 36.5}
    car = Asked(EXIT, "in", (WITH_PASS, NOBODY), vehicle=True)
    assert _question(car) == {"direction": "in", "vehicle": {"driver": shown, "occupants": [{}]}}
    without = replace(car, people=(WITH_PASS,), driver=False)
    assert _question(without) == {"direction": "in", "vehicle": {"occupants": [shown]}}


# --- the count ---


def allowed(code: str = "home") -> dict[str, Any]:
    return {"verdict": "allow", "code": code}


def noted() -> Ledger:
    ledger = Ledger()
    ledger.note("c1", Asked(EXIT, "out", (WITH_PASS,)), allowed(), ["home"])
    car = (replace(WITH_PASS, pass_id="pass-0002"), replace(WITH_PASS, pass_id="pass-0003", temperature=None))
    ledger.note("c2", Asked(EXIT, "out", car, vehicle=True), allowed(), ["home"])
    ledger.note("c3", Asked(EXIT, "in", (WITH_PASS,)), allowed(), ["home"])
    ledger.note("c4", Asked(EXIT, "out", (NOBODY,)), {"verdict": "deny", "code": "no-pass"}, ["no-pass"])
    ledger.note(
        "c5", Asked(CLOSED, "in", (WITH_PASS,)), {"verdict": "refer", "code": "gate-closed"}, ["gate-closed"]
    )
    return ledger


def test_every_answer_is_counted_at_its_gate_and_by_what_was_missing() -> None:
    ledger = noted()
    told = {name: number for name, number in ledger.day(EXIT).items() if number}
    assert told == {
        "crossings": 4, "allowed": 3, "denied": 1, "vehicles": 1, "people_in": 1, "people_out": 3,
        "incomplete": 2, "no_pass": 1, "no_temperature": 2,
    }  # fmt: skip
    assert {name: number for name, number in ledger.day(CLOSED).items() if number} == {
        "crossings": 1, "referred": 1,
    }  # fmt: skip
    car = Asked(EXIT, "in", (WITH_PASS,), vehicle=True, driver=False)
    ledger.note("c6", car, allowed(), ["home"])
    assert ledger.day(EXIT)["no_driver"] == 1


def test_who_was_let_out_and_not_in_again_is_outside() -> None:
    assert noted().outside_now() == {"pass-0002", "pass-0003"}


def test_an_answer_that_should_not_come_is_a_surprise() -> None:
    ledger = noted()
    assert ledger.surprises == []
    ledger.note("c9", Asked(EXIT, "out", (WITH_PASS,)), allowed("movement"), ["revoked"])
    assert ledger.surprises == [f"{EXIT} out: movement, expected revoked"]


def test_latencies_are_shown_as_three_numbers() -> None:
    assert shares([]) == {}
    assert shares([number / 1000 for number in range(1, 101)]) == {"p50": 51.0, "p99": 100.0, "max": 100.0}


# --- the comparison ---


def watched(ledger: Ledger) -> Watch:
    crossings = {id_: verdict for id_, (_, verdict) in ledger.answered.items()}
    return Watch(COMPOUND.area, crossings, {str(number) for number in range(ledger.readings)})


def outcome(ledger: Ledger, watch: Watch, *, restarts: int = 0, **wrong: int) -> Summary:
    gates = {EXIT: ledger.day(EXIT) | wrong, CLOSED: ledger.day(CLOSED)}
    outside = [{"pass": each, "overdue": False} for each in sorted(ledger.outside_now())]
    summary = Summary(COMPOUND.area)
    compare(summary, ledger=ledger, watch=watch, told=Told(gates, outside), restarts=restarts)
    return summary


def test_counts_that_agree_leave_no_difference() -> None:
    ledger = noted()
    summary = outcome(ledger, watched(ledger))
    assert summary.differences == []
    assert (summary.decisions, summary.crossings, summary.readings, summary.outside) == (5, 5, 4, 2)
    assert set(summary.gates[EXIT]) == set(DAY)
    assert any("5 asked" in each for each in summary.lines())


def test_each_count_and_each_crossing_that_differs_is_told() -> None:
    ledger = noted()
    watch = watched(ledger)
    del watch.crossings["c1"]
    watch.crossings |= {"c2": "deny", "c7": "allow"}
    watch.readings.clear()
    ledger.outside["pass-0009"] = True
    summary = outcome(ledger, watch, allowed=7)
    said = "\n".join(summary.differences)
    for each in ("allowed 7", "c1 was answered", "c7 is on the topic", "c2: deny", "0 readings"):
        assert each in said
    assert len(summary.differences) == 5


def test_a_question_sent_again_is_a_difference_unless_the_gate_itself_had_ended() -> None:
    ledger = noted()
    ledger.again = 2
    assert len(outcome(ledger, watched(ledger)).differences) == 1
    assert outcome(ledger, watched(ledger), restarts=1).differences == []
    stale = noted()
    stale.codes[NO_DATA] = 1
    assert len(outcome(stale, watched(stale)).differences) == 1


def test_the_view_shows_each_phase_and_what_waits() -> None:
    ledger = noted()
    ledger.latencies["before"] += [0.01, 0.02]
    watch = Watch(COMPOUND.area)
    assert table(ledger, watch).row_count == 1
    assert line(ledger, watch, phase="before", elapsed=3.0) == (
        "   3.0 s  before: 5 answered, 0 not, p99 20.0 ms, 2 outside, 5 waiting for Kafka"
    )
