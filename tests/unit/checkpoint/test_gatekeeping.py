"""From a question to an answer and a crossing, with real passes and a clock that the test moves."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.checkpoint.gatekeeping import Passages, Question
from services.checkpoint.keys import Keys
from services.checkpoint.views import Views
from shared.contracts.base import json_bytes
from shared.contracts.checkpoint import Crossing, Emergency
from shared.contracts.registry import Roster
from shared.kernel.clock import SystemClock
from tests.builders.gate import (
    AREA,
    CHARGE,
    DESK,
    DUTY,
    FAR_GATE,
    GATE,
    HOUSE,
    NOW,
    OTHER_AREA,
    OTHER_GATE,
    OTHER_HOUSE,
    Gate,
    codes,
    filled,
    gate_fact,
    household,
    key_file,
    pass_fact,
    text,
)  # fmt: skip

SECOND = timedelta(seconds=1)
STREET = DESK[:9]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(key_file(tmp_path / "keys.json"), SystemClock())


@pytest.fixture
def gate(keys: Keys) -> Gate:
    more = (gate_fact(OTHER_GATE, purpose="turn-back"), gate_fact(FAR_GATE), pass_fact())
    return Gate(filled(*more), keys)


def a_pass(keys: Keys, **other: object) -> str:
    return text(keys.current(), **other)


@pytest.mark.req("S2-06", "F-08")
def test_a_pass_and_a_temperature_make_a_whole_crossing(gate: Gate, keys: Keys) -> None:
    crossing, shown = gate.ask(**{"pass": a_pass(keys), "temperature": 36.5})
    assert (shown["verdict"], shown["code"], shown["incomplete"]) == ("allow", "home", ())
    assert (crossing.desk, crossing.area, crossing.rules) == (DESK, AREA, "2026-01-30")
    person = crossing.people[0]
    assert (person.household, person.temperature, person.pass_id) == (HOUSE, 36.5, "pass-0001")
    assert "subject" not in str(shown)
    assert Crossing.model_validate_json(json_bytes(crossing)) == crossing


@pytest.mark.req("S2-06")
def test_a_crossing_without_either_is_incomplete(gate: Gate, keys: Keys) -> None:
    assert gate.ask(**{"pass": a_pass(keys)})[1]["incomplete"] == ("no-temperature",)
    assert gate.ask(temperature=36.5)[1]["incomplete"] == ("no-pass",)
    assert gate.ask()[1]["incomplete"] == ("no-pass", "no-temperature")


@pytest.mark.req("F-08")
def test_a_movement_pass_tells_when_its_holder_is_to_be_back(gate: Gate, keys: Keys) -> None:
    back = NOW + timedelta(hours=1)
    one = a_pass(keys, pass_id="pass-out1", kind="movement", until=int(back.timestamp()))
    assert gate.ask(**{"pass": one, "direction": "out"})[1]["until"] == "2026-03-01T09:00:00.000Z"
    gate.now = back + SECOND
    assert gate.says(**{"pass": one, "direction": "in"}) == "allow late-return"
    assert gate.says(**{"pass": one, "direction": "out"}) == "deny expired"


@pytest.mark.req("U-25", "F-08")
def test_one_pass_at_two_gates_within_the_window_is_referred(gate: Gate, keys: Keys) -> None:
    one = {"pass": a_pass(keys), "direction": "out"}
    assert gate.says(**one) == "allow home"
    gate.now += SECOND
    assert gate.says(OTHER_GATE, **one) == "refer seen-elsewhere"
    assert gate.says(**one) == "allow home"
    assert gate.says(OTHER_GATE, **{**one, "direction": "in"}) == "allow home"
    gate.now += timedelta(seconds=61)
    assert gate.says(OTHER_GATE, **one) == "allow home"


def test_passages_are_bounded_and_forgotten() -> None:
    passages = Passages(limit=2)
    for number in range(4):
        passages.note(f"pass-{number}", "in", GATE, number, -1)
    assert [passages.elsewhere(f"pass-{number}", "in", OTHER_GATE, 0) for number in range(4)] == [
        False, False, True, True,
    ]  # fmt: skip
    passages.note("pass-9", "in", GATE, 100, 50)
    assert not passages.elsewhere("pass-3", "in", OTHER_GATE, 0)


@pytest.mark.req("S3-21")
def test_everybody_in_a_vehicle_is_decided_and_the_strictest_answer_holds(gate: Gate, keys: Keys) -> None:
    mine, forged = {"pass": a_pass(keys), "temperature": 36.5}, {"pass": "AAAA", "temperature": 36.5}
    crossing, shown = gate.ask(
        vehicle={"driver": mine, "occupants": [forged, {"claims": {"household": HOUSE}}]}
    )
    assert [each["role"] for each in shown["people"]] == ["driver", "occupant", "occupant"]
    assert codes(crossing) == ["home", "pass-invalid", "claimed-address"]
    assert (shown["verdict"], shown["code"]) == ("deny", "pass-invalid")
    assert gate.says(vehicle={"driver": mine}) == "allow home"


@pytest.mark.req("S3-21")
def test_a_vehicle_without_a_driver_is_incomplete(gate: Gate, keys: Keys) -> None:
    mine = {"pass": a_pass(keys), "temperature": 36.5}
    assert gate.ask(vehicle={"occupants": [mine]})[1]["incomplete"] == ("no-driver",)
    assert gate.ask(vehicle={"driver": mine})[1]["incomplete"] == ()
    assert Question(direction="in", vehicle={}).people() == []
    with pytest.raises(ValidationError):
        Question(direction="in", vehicle={"occupants": [{}] * 60})


def test_a_vehicle_that_is_turned_back_was_nowhere(gate: Gate, keys: Keys) -> None:
    mine = {"pass": a_pass(keys)}
    assert gate.says(vehicle={"driver": mine, "occupants": [{}]}) == "deny no-pass"
    assert gate.says(OTHER_GATE, **mine) == "allow home"


@pytest.mark.req("S4-15")
def test_whoever_is_referred_is_told_to_whom(gate: Gate, keys: Keys) -> None:
    _, shown = gate.ask(claims={"household": HOUSE})
    assert (shown["verdict"], shown["refer_to"]) == ("refer", [DUTY, CHARGE])
    expired = {"pass": a_pass(keys, until=int(NOW.timestamp()))}
    assert gate.ask(**expired)[1]["refer_to"] == [DUTY, CHARGE]
    assert "refer_to" not in gate.ask(**{"pass": a_pass(keys)})[1]


@pytest.mark.req("S4-15")
@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"household": HOUSE}, "refer claimed-address"),
        ({"household": OTHER_HOUSE}, "deny no-pass"),
        ({"household": "household-x"}, "refer claimed-address"),
        ({"unit": f"{AREA}.b1"}, "refer claimed-address"),
        ({"unit": f"{OTHER_AREA}.b1"}, "deny no-pass"),
        ({"unit": f"{AREA}.b77"}, "refer claimed-address"),
        ({"unit": "610802006004.c1"}, "deny no-pass"),
        ({}, "deny no-pass"),
    ],
    ids=str,
)
def test_a_claimed_address_leads_to_people_only_where_it_may_be_true(
    keys: Keys, claim: dict[str, str], said: str
) -> None:
    gate = Gate(filled(household(OTHER_HOUSE, OTHER_AREA)), keys)
    assert gate.says(claims=claim) == said


@pytest.mark.req("S4-15")
def test_a_resident_with_a_bad_pass_is_referred_at_their_own_gate(gate: Gate, keys: Keys) -> None:
    forged = {"pass": a_pass(keys)[:-1] + "Z", "claims": {"household": HOUSE}}
    assert gate.says(**forged) == "refer pass-invalid"
    astray = {"pass": a_pass(keys, area=OTHER_AREA)}
    # The household of this pass is known to live here, whatever area the pass says.
    assert gate.says(**astray) == "refer wrong-gate"
    assert gate.says(**astray, direction="out") == "deny wrong-gate"


def test_a_revoked_pass_is_known_once_the_fact_is_here(keys: Keys) -> None:
    views = filled(pass_fact(v=2, status="revoked"))
    one = {"pass": a_pass(keys), "direction": "out"}
    assert Gate(views, keys).says(**one) == "deny revoked"
    assert Gate(views, keys).says(**{**one, "direction": "in"}) == "refer revoked"


@pytest.mark.req("B-02", "F-08")
def test_a_pass_that_the_data_does_not_know_is_believed_for_a_while(keys: Keys) -> None:
    gate = Gate(filled(), keys)
    one = {"pass": text(keys.current())}
    assert gate.says(**one) == "allow signature-only"
    gate.age = 601.0
    assert gate.says(**one) == "refer stale"


@pytest.mark.req("B-02")
def test_without_any_data_everybody_is_referred_and_nothing_fails(keys: Keys) -> None:
    gate = Gate(Views(), keys)
    gate.age = None
    crossing, shown = gate.ask(**{"pass": text(keys.current())})
    assert (shown["verdict"], shown["code"], shown["data_age"]) == ("refer", "stale", None)
    assert (crossing.gate, crossing.area, crossing.desk) == (GATE, AREA, DESK)
    assert gate.keeper.answer(AREA, Question(direction="in"), NOW) is None
    gate.age = 1.0
    assert gate.keeper.answer(GATE, Question(direction="in"), NOW) is None


@pytest.mark.req("S4-15")
def test_a_closed_gate_names_the_open_one_and_an_emergency_opens_it(keys: Keys) -> None:
    fire = Emergency(kind="fire", reason="fire", since=NOW, until=NOW + timedelta(minutes=5))
    shut = gate_fact(OTHER_GATE, open=False)
    gate = Gate(filled(shut), keys)
    _, shown = gate.ask(OTHER_GATE)
    assert (shown["verdict"], shown["code"], shown["open_gate"]) == ("refer", "gate-closed", GATE)
    gate = Gate(filled(shut.model_copy(update={"v": 2, "emergency": fire})), keys)
    assert gate.says(OTHER_GATE) == "allow emergency"
    gate.now += timedelta(minutes=5)
    assert gate.says(OTHER_GATE) == "refer gate-closed"


@pytest.mark.req("F-08")
def test_the_devices_clock_is_kept_and_decides_nothing(gate: Gate, keys: Keys) -> None:
    one = {"pass": a_pass(keys)}
    crossing, shown = gate.ask(**one, at=NOW + timedelta(days=400))
    assert (shown["code"], shown["clock_skew"], crossing.at) == ("home", True, NOW)
    assert crossing.claimed_at == NOW + timedelta(days=400)
    assert "clock_skew" not in gate.ask(**one, at=NOW + SECOND)[1]


def test_a_boundary_post_takes_passes_of_both_sides(keys: Keys) -> None:
    post = gate_fact(FAR_GATE, purpose="boundary", area=f"{DESK}.c3", between=(AREA, OTHER_AREA))
    gate = Gate(filled(post, pass_fact(), household(OTHER_HOUSE, OTHER_AREA)), keys)
    assert gate.says(FAR_GATE, **{"pass": text(keys.current())}) == "allow home"
    astray = {"pass": text(keys.current(), area=OTHER_AREA, pass_id="pass-0009")}
    assert gate.says(GATE, **astray) == "deny wrong-gate"
    # Where nobody is known to live at the pass's area, it may lie inside the gate's: that is for people.
    assert Gate(filled(), keys).says(GATE, **astray) == "refer wrong-gate"


@pytest.mark.req("S4-15", "S2-09")
@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ((), "refer wrong-gate"),
        ((STREET,), "refer wrong-gate"),
        (("610802008",), "deny wrong-gate"),
    ],
    ids=str,
)
def test_between_two_streets_nobody_who_lives_there_is_refused(
    keys: Keys, paths: tuple[str, ...], said: str
) -> None:
    post = gate_fact(FAR_GATE, purpose="boundary", area=f"{DESK}.c3", between=(STREET, "610802007"))
    placed = [Roster(desk=DESK, v=1, on=NOW.date(), path=(path,)) for path in paths]
    one = {"pass": text(keys.current())}
    assert Gate(filled(post, pass_fact(), *placed), keys).says(FAR_GATE, **one) == said
    # The same while the fact of the pass is still on its way.
    assert Gate(filled(post, *placed), keys).says(FAR_GATE, **one) == said
    claim = {"claims": {"unit": AREA}}
    expected = "deny no-pass" if said.startswith("deny") else "refer claimed-address"
    assert Gate(filled(post, *placed), keys).says(FAR_GATE, **claim) == expected


@pytest.mark.req("S4-15")
def test_a_pass_whose_household_is_not_known_yet_is_referred(keys: Keys) -> None:
    fact = pass_fact(household="household-9", area=OTHER_AREA)
    astray = {"pass": text(keys.current(), area=OTHER_AREA)}
    assert Gate(filled(fact), keys).says(GATE, **astray) == "refer wrong-gate"
    assert Gate(filled(fact), keys).says(GATE, **astray, direction="out") == "deny wrong-gate"


@pytest.mark.req("S4-15")
def test_a_compound_claimed_at_the_gate_of_a_zone_over_it_leads_to_people(keys: Keys) -> None:
    zone, unit = f"{DESK}.z1", f"{AREA}.b1.d101"
    home = household(v=2, within=(AREA, f"{AREA}.b1", zone, unit))
    gate = Gate(filled(gate_fact(FAR_GATE, area=zone), home), keys)
    assert gate.says(FAR_GATE, claims={"unit": AREA}) == "refer claimed-address"
