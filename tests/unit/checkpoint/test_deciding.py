"""What a gate says: every code there is, and that nobody is refused their own home."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoint.domain.deciding import CODES, Asked, Decision, GateNow, PassNow, decide, strictest
from services.checkpoint.domain.rules import GateRules

AREA, ELSEWHERE = "610802006003.c1", "610802006003.c2"
HOUR = 3_600_000
NOW = 1_700_000_000_000
RULES = GateRules(
    windows={"home": 86_400, "medic": 86_400, "movement": 86_400},
    emergency=3_600,
    replay=60,
    stale_after={"home": 600, "medic": 600, "movement": 300},
    skew=300,
)
OPEN = GateNow((AREA,), open=True, emergency=False)
CLOSED = GateNow((AREA,), open=False, emergency=False)
FIRE = GateNow((AREA,), open=False, emergency=True)
UNHEARD_OF = GateNow((), open=False, emergency=False, known=False)
HOME = PassNow("home", AREA, NOW - HOUR, NOW + HOUR, "valid")
MEDIC = replace(HOME, kind="medic")
OUTING = replace(HOME, kind="movement")
NOBODY = Asked(
    direction="in",
    now_ms=NOW,
    shown=None,
    presented=False,
    resident=False,
    claimed=False,
    elsewhere=False,
    data_age=1.0,
)


def with_pass(shown: PassNow, **other: object) -> Asked:
    return replace(NOBODY, shown=shown, presented=True, **other)


def over(shown: PassNow) -> PassNow:
    return replace(shown, until_ms=NOW)


def early(shown: PassNow) -> PassNow:
    return replace(shown, since_ms=NOW + 1)


def unheard(shown: PassNow) -> PassNow:
    return replace(shown, status=None)


@dataclass(frozen=True)
class Row:
    said: str
    asked: Asked
    gate: GateNow = OPEN


def out(asked: Asked) -> Asked:
    return replace(asked, direction="out")


FORGED = replace(NOBODY, presented=True)
CLAIMS = replace(NOBODY, claimed=True)
REVOKED, GONE = replace(HOME, status="revoked"), replace(OUTING, status="revoked")
ASTRAY = replace(HOME, area=ELSEWHERE)

TABLE = (
    Row("allow emergency", NOBODY, FIRE),
    Row("allow emergency", out(FORGED), FIRE),
    Row("refer stale", NOBODY, UNHEARD_OF),
    Row("refer stale", with_pass(HOME), UNHEARD_OF),
    Row("refer gate-closed", with_pass(HOME), CLOSED),
    Row("refer gate-closed", out(NOBODY), CLOSED),
    Row("deny no-pass", NOBODY),
    Row("deny no-pass", out(NOBODY)),
    Row("refer claimed-address", CLAIMS),
    Row("refer no-pass", out(CLAIMS)),
    Row("deny pass-invalid", FORGED),
    Row("deny pass-invalid", out(replace(FORGED, claimed=True))),
    Row("refer pass-invalid", replace(FORGED, claimed=True)),
    Row("deny wrong-gate", with_pass(ASTRAY)),
    Row("deny wrong-gate", out(with_pass(ASTRAY))),
    Row("refer wrong-gate", with_pass(ASTRAY, claimed=True)),
    Row("refer wrong-gate", with_pass(ASTRAY, resident=True)),
    Row("refer revoked", with_pass(REVOKED)),
    Row("deny revoked", out(with_pass(REVOKED))),
    Row("deny revoked", with_pass(GONE)),
    Row("refer revoked", with_pass(GONE, resident=True)),
    Row("refer revoked", with_pass(replace(MEDIC, status="revoked"))),
    Row("refer not-yet", with_pass(early(HOME))),
    Row("refer not-yet", with_pass(early(OUTING))),
    Row("deny not-yet", out(with_pass(early(OUTING)))),
    Row("refer expired", with_pass(over(HOME))),
    Row("refer expired", with_pass(over(MEDIC))),
    Row("refer expired", with_pass(replace(HOME, status="expired"))),
    Row("deny expired", out(with_pass(over(HOME)))),
    Row("deny expired", out(with_pass(over(OUTING)))),
    Row("allow late-return", with_pass(over(OUTING))),
    Row("allow late-return", with_pass(unheard(over(OUTING)))),
    Row("refer seen-elsewhere", with_pass(HOME, elsewhere=True)),
    Row("refer seen-elsewhere", out(with_pass(unheard(OUTING), elsewhere=True))),
    Row("allow home", with_pass(HOME)),
    Row("allow home", out(with_pass(HOME))),
    Row("allow home", with_pass(HOME, data_age=None)),
    Row("allow medic", with_pass(MEDIC)),
    Row("allow movement", with_pass(OUTING)),
    Row("allow movement", out(with_pass(OUTING))),
    Row("allow signature-only", with_pass(unheard(HOME))),
    Row("allow signature-only", with_pass(unheard(OUTING), data_age=300.0)),
    Row("refer stale", with_pass(unheard(OUTING), data_age=301.0)),
    Row("refer stale", with_pass(unheard(HOME), data_age=None)),
    Row("refer stale", with_pass(unheard(over(OUTING)), data_age=None)),
)


@pytest.mark.req("S4-15", "F-08", "B-02")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.said.replace(" ", "-"))
def test_a_gate_says(row: Row) -> None:
    decision = decide(row.asked, row.gate, RULES)
    assert f"{decision.verdict} {decision.code}" == row.said


def test_the_table_has_every_code() -> None:
    assert {row.said.split()[1] for row in TABLE} == set(CODES)


asked = st.builds(
    Asked,
    direction=st.sampled_from(["in", "out"]),
    now_ms=st.integers(0, 2 * NOW),
    shown=st.none()
    | st.builds(
        PassNow,
        kind=st.sampled_from(["home", "medic", "movement"]),
        area=st.sampled_from([AREA, ELSEWHERE]),
        since_ms=st.integers(0, 2 * NOW),
        until_ms=st.integers(0, 2 * NOW),
        status=st.sampled_from([None, "valid", "revoked", "expired"]),
    ),
    presented=st.booleans(),
    resident=st.booleans(),
    claimed=st.booleans(),
    elsewhere=st.booleans(),
    data_age=st.none() | st.floats(0, 1e9),
)
gates = st.builds(
    GateNow,
    areas=st.sampled_from([(AREA,), (ELSEWHERE,), (ELSEWHERE, AREA), ()]),
    open=st.booleans(),
    emergency=st.booleans(),
    known=st.booleans(),
)


@pytest.mark.req("S4-15")
@given(asked, gates)
def test_no_input_whatever_denies_a_resident_or_a_medic_their_own_home(one: Asked, gate: GateNow) -> None:
    shown = one.shown
    own = shown is not None and shown.kind in {"home", "medic"} and shown.area in gate.areas
    decision = decide(one, gate, RULES)
    assert decision.code in CODES
    if one.direction == "in" and (own or one.resident):
        assert decision.verdict != "deny"


def test_a_vehicle_is_answered_as_its_strictest_person() -> None:
    allow, refer, deny = (Decision(verdict, verdict) for verdict in ("allow", "refer", "deny"))
    assert strictest([allow, deny, refer]) == deny
    assert strictest([allow, refer]) == refer
    assert strictest([allow]) == allow
