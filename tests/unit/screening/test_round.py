"""Decisions on rounds and criteria: numbered, one open at a time, and a criterion only ever widens."""

from datetime import timedelta
from typing import Any

import pytest

from services.screening.domain.round import Scopes, Terms, close_round, open_round, put_criterion
from services.screening.settings import ScreeningSettings
from shared.contracts.screening import CloseRound, Criterion, OpenRound, PutCriterion, Round
from shared.domain.authority import Refusal
from shared.domain.dated import Dated
from shared.runtime.dated import read_versions
from tests.builders.screening import CHIEF, DESK, GRID, NOON, ROUND, STREET, TODAY, closed, roster, round_

TERMS = Terms(due=3600, skew=300)
ROSTERS = {STREET: roster(STREET), DESK: roster()}


def opened(scopes: Scopes | None = None, **other: Any) -> Round | Refusal:
    command = {"round": ROUND, "issuer": CHIEF, "scope": DESK, "title": "第二轮"}
    given: dict[str, Any] = {"actor": "boss", "now": NOON, "known": None, "rosters": ROSTERS, "terms": TERMS}
    given |= {name: other.pop(name) for name in list(other) if name in given}
    return open_round(OpenRound(**{**command, **other}), scopes=scopes or Scopes(), **given)


@pytest.mark.req("S4-08")
def test_a_round_is_numbered_in_its_scope_and_due_by_the_dated_terms() -> None:
    new = opened(Scopes(number=2), scope=GRID, days=(TODAY,))
    assert isinstance(new, Round)
    assert (new.number, new.scope.unit, new.scope.desk) == (3, GRID, DESK)
    assert new.due == NOON + timedelta(hours=1)
    assert new.slots == ("2026-01-01",)


@pytest.mark.parametrize(
    ("scopes", "other", "code"),
    [
        (Scopes(live="01JGXA00000000000000000100"), {}, "round-already-open"),
        (Scopes(), {"known": round_()}, "round-exists"),
        (Scopes(), {"criterion": "returnees"}, "unknown-criterion"),
        (Scopes(), {"actor": "somebody"}, "not-the-holder"),
        (Scopes(), {"issuer": f"{STREET}/s:nobody"}, "unknown-issuer"),
        (Scopes(), {"scope": f"{DESK}999"}, "unknown-scope"),
        (Scopes(), {"rosters": {STREET: ROSTERS[STREET]}}, "unknown-scope"),
        (Scopes(), {"issuer": f"{DESK}/s:area", "actor": "area", "scope": STREET}, "outside-scope"),
    ],
)
@pytest.mark.req("S4-08")
def test_a_round_is_refused(scopes: Scopes, other: dict[str, Any], code: str) -> None:
    refused = opened(scopes, **other)
    assert isinstance(refused, Refusal)
    assert refused.code == code


@pytest.mark.req("M-06")
def test_a_round_keeps_the_criterion_version_it_was_opened_under() -> None:
    criterion = Criterion(name="returnees", version=4, scope=DESK, text="返乡人员")
    new = opened(Scopes(criteria={"returnees": criterion}), criterion="returnees")
    assert isinstance(new, Round)
    assert new.criterion_version == 4


def close(known: Round | None, **other: Any) -> Round | Refusal:
    command = {"round": ROUND, "issuer": CHIEF, "scope": DESK}
    return close_round(
        CloseRound(**{**command, **other}), actor="boss", now=NOON, known=known, rosters=ROSTERS
    )


@pytest.mark.req("S4-08", "F-12")
def test_a_round_is_closed_once_by_a_post_whose_scope_covers_it() -> None:
    done = close(round_())
    assert isinstance(done, Round)
    assert (done.status, done.closed_at) == ("closed", NOON)
    for refused, code in (
        (close(None), "unknown-round"),
        (close(round_(unit=GRID)), "unknown-round"),
        (close(closed(round_())), "already-closed"),
        (close(round_(), issuer=f"{DESK}/s:area"), "not-the-holder"),
    ):
        assert isinstance(refused, Refusal)
        assert refused.code == code


def put(scopes: Scopes, *areas: str, **other: Any) -> Criterion | Refusal:
    command = {"name": "returnees", "issuer": CHIEF, "scope": DESK, "text": "返乡人员", "areas": areas}
    return put_criterion(PutCriterion(**{**command, **other}), actor="boss", scopes=scopes, rosters=ROSTERS)


@pytest.mark.req("S4-08")
def test_a_criterion_widens_and_never_narrows() -> None:
    scopes = Scopes()
    first = put(scopes, "4201")
    assert isinstance(first, Criterion)
    assert first.version == 1
    scopes.criteria["returnees"] = first
    assert put(scopes, "4201") == first
    wider = put(scopes, "42", "4201")
    assert isinstance(wider, Criterion)
    assert wider.version == 2
    narrower = put(scopes, "42")
    assert isinstance(narrower, Refusal)
    assert (narrower.code, narrower.detail) == ("not-wider", "4201")


@pytest.mark.req("M-06")
def test_the_terms_that_ship_are_dated_configuration() -> None:
    assert Dated(read_versions(ScreeningSettings().rounds, Terms)).on(NOON).due > 0
