"""Passes: both ends of the window, a household of the area, revoked once, expired by the service alone."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.checkpoint.domain.ground import SYSTEM
from services.checkpoint.store import HOUSEHOLDS, PASSES, UNITS
from shared.contracts import checkpoint as contract
from shared.contracts.checkpoint import ExpirePass, RevokePass
from tests.builders.checkpoint import (
    AREA,
    AREA_CHIEF,
    DESK,
    GRID,
    HOUR,
    HOUSEHOLD,
    LEADER,
    MINUTE,
    NOON,
    OTHER_AREA,
    PASS,
    Checkpoint,
    household,
    issuing,
    opening,
    unit,
)

UNTIL = NOON + 4 * HOUR


def revoking(**other: Any) -> RevokePass:
    return RevokePass(**{"pass_id": PASS, "area": AREA, "issuer": LEADER, "reason": "遗失", **other})


def expiring(**other: Any) -> ExpirePass:
    return ExpirePass(**{"pass_id": PASS, "area": AREA, "until": UNTIL, **other})


@pytest.mark.req("S1-09", "F-08")
class TestIssue:
    async def test_a_pass_has_both_ends_of_its_window_and_a_pseudonym(self) -> None:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(issuing(), id_="command-1")).accepted
        (fact,) = checkpoint.said(contract.PASS)
        assert (fact.since, fact.until, fact.status, fact.v) == (NOON, UNTIL, "valid", 1)
        assert (fact.subject, fact.household, fact.area) == ("ps-1", HOUSEHOLD, AREA)
        assert checkpoint.outcome("command-1").based_on == {f"roster/{DESK}": 7, f"household/{HOUSEHOLD}": 5}

    def test_without_an_end_there_is_none(self) -> None:
        fields = issuing().model_dump(mode="json")
        del fields["until"]
        with pytest.raises(ValidationError):
            contract.IssuePass.model_validate(fields)

    async def test_without_a_beginning_it_begins_when_it_is_decided_in_whole_seconds(self) -> None:
        checkpoint = Checkpoint()
        now = NOON + MINUTE + timedelta(milliseconds=250)
        assert (await checkpoint.tell(issuing(since=None), now=now)).accepted
        (fact,) = checkpoint.said(contract.PASS)
        assert (fact.since, fact.until) == (NOON + MINUTE, UNTIL)

    @pytest.mark.req("M-06")
    async def test_how_long_a_window_may_be_depends_on_its_kind(self) -> None:
        checkpoint, late = Checkpoint(), NOON + 24 * HOUR + MINUTE
        assert (await checkpoint.tell(issuing(until=late))).code == "window-too-long"
        assert (await checkpoint.tell(issuing(until=late, kind="home"))).accepted

    async def test_a_window_that_has_ended_is_no_window(self) -> None:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(issuing(), now=UNTIL)).code == "window-over"

    async def test_a_pass_is_issued_once(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.tell(issuing())
        assert (await checkpoint.tell(issuing())).code == "pass-exists"

    async def test_a_household_that_is_not_known_here_gets_none(self) -> None:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(issuing(household="household-9"))).code == "unknown-household"
        checkpoint.know(HOUSEHOLDS, HOUSEHOLD, household(v=6, desk="610802006004"))
        assert (await checkpoint.tell(issuing())).code == "unknown-household"

    async def test_the_area_is_one_the_household_lives_in(self) -> None:
        checkpoint = Checkpoint()
        chief: dict[str, Any] = {"issuer": AREA_CHIEF}
        for kind in ("home", "movement"):
            result = await checkpoint.tell(issuing(area=OTHER_AREA, kind=kind, **chief), actor="p-area")
            assert result.code == "area-not-home"
        for number, area in enumerate((f"{AREA}.b1", AREA, GRID, DESK)):
            command = issuing(pass_id=f"pass-100{number}", area=area, **chief)
            assert (await checkpoint.tell(command, actor="p-area")).accepted

    async def test_a_closed_area_is_what_it_covers(self) -> None:
        checkpoint, zone = Checkpoint(), f"{DESK}.z1"
        chief: dict[str, Any] = {"issuer": AREA_CHIEF, "area": zone}
        assert (await checkpoint.tell(issuing(**chief), actor="p-area")).code == "area-not-home"
        checkpoint.know(UNITS, zone, unit(zone, kind="defence-zone", covers=(AREA, OTHER_AREA)))
        assert (await checkpoint.tell(issuing(**chief), actor="p-area")).accepted

    async def test_a_medic_passes_where_they_do_not_live_if_the_area_is_known(self) -> None:
        checkpoint = Checkpoint()
        medic: dict[str, Any] = {"kind": "medic", "area": OTHER_AREA, "issuer": AREA_CHIEF}
        assert (await checkpoint.tell(issuing(**medic), actor="p-area")).code == "unknown-area"
        gate = opening(f"{OTHER_AREA}.k1", issuer=AREA_CHIEF)
        assert (await checkpoint.tell(gate, actor="p-area")).accepted
        assert (await checkpoint.tell(issuing(**medic), actor="p-area")).accepted

    async def test_only_who_covers_the_area_issues(self) -> None:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(issuing(), actor="p-grid")).code == "not-the-holder"
        assert (await checkpoint.tell(issuing(area=GRID))).code == "outside-scope"


@pytest.mark.req("F-08")
class TestRevoke:
    async def test_a_revoked_pass_stays_revoked(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.tell(issuing())
        assert (await checkpoint.tell(revoking())).accepted
        assert checkpoint.said(contract.PASS)[-1].status == "revoked"
        assert (await checkpoint.tell(revoking())).code == "already-revoked"
        assert (await checkpoint.tell(expiring(), actor=SYSTEM, now=UNTIL)).code == "already-revoked"

    async def test_what_is_not_there_or_belongs_elsewhere_is_not_revoked(self) -> None:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(revoking())).code == "unknown-pass"
        await checkpoint.tell(issuing())
        assert (await checkpoint.tell(revoking(area=GRID))).code == "another-area"
        assert (await checkpoint.tell(revoking(), actor="p-branch")).code == "not-the-holder"


@pytest.mark.req("S1-09")
class TestExpire:
    async def test_the_service_alone_says_so_and_only_when_the_window_has_ended(self) -> None:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(expiring(), actor=SYSTEM)).code == "unknown-pass"
        await checkpoint.tell(issuing())
        assert (await checkpoint.tell(expiring(), now=UNTIL)).code == "not-the-service"
        early = await checkpoint.tell(expiring(), actor=SYSTEM, now=UNTIL - MINUTE)
        assert early.code == "not-over-yet"
        wrong = await checkpoint.tell(expiring(until=NOON + HOUR), actor=SYSTEM, now=UNTIL)
        assert wrong.code == "another-window"
        assert (await checkpoint.tell(expiring(), actor=SYSTEM, now=UNTIL)).accepted
        assert checkpoint.pass_().status == "expired"
        assert (await checkpoint.tell(expiring(), actor=SYSTEM, now=UNTIL)).code == "already-expired"

    async def test_a_pass_is_due_until_its_window_is_said_to_have_ended(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.tell(issuing())
        stored = checkpoint.storage.body(PASSES.name, PASS)
        assert stored is not None
        assert stored["next_due"] == int(UNTIL.timestamp() * 1000)
        await checkpoint.tell(expiring(), actor=SYSTEM, now=UNTIL)
        stored = checkpoint.storage.body(PASSES.name, PASS)
        assert stored is not None
        assert stored["next_due"] is None
