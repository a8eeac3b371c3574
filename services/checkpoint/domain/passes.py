"""Passes: for a household's pseudonym, an area and a window with both ends; revoked, expired (S1-09)."""

from datetime import datetime

from services.checkpoint.domain.gates import GateDesk
from services.checkpoint.domain.ground import Ground, default_path, not_entitled, places_around
from shared.contracts.checkpoint import ExpirePass, IssuePass, PassFact, RevokePass
from shared.contracts.registry import HouseholdFact, UnitFact
from shared.domain.authority import Refusal
from shared.kernel.codes import desk_of


def issue(
    command: IssuePass,
    ground: Ground,
    *,
    known: PassFact | None,
    household: HouseholdFact | None,
    area: UnitFact | None,
    desk: GateDesk,
) -> PassFact | Refusal:
    """Decide a new pass; `household` and `area` are copies of registry's facts, `desk` the gates there."""
    if known is not None:
        return Refusal("pass-exists", command.pass_id)
    # A pass's text counts whole seconds; what is decided and what is signed must not differ.
    since = command.since or ground.now.replace(microsecond=0)
    return (
        beyond_issuer(command, ground, household=household, area=area, desk=desk)
        or _not_of_this_time(command, since, ground)
        or PassFact(
            pass_id=command.pass_id, v=0, kind=command.kind, desk=desk_of(command.area), area=command.area,
            household=command.household, subject=command.subject, since=since, until=command.until,
            issuer=command.issuer,
        )
    )  # fmt: skip


def beyond_issuer(
    command: IssuePass,
    ground: Ground,
    *,
    household: HouseholdFact | None,
    area: UnitFact | None,
    desk: GateDesk,
) -> Refusal | None:
    """Return why the issuer may issue nobody of this household a pass for this area; None if they may."""
    refused = not_entitled(command.issuer, _places(command.area, area), ground)
    if refused is not None:
        return refused
    if household is None or household.desk != desk_of(command.area):
        return Refusal("unknown-household", command.household)
    return _not_of_this_place(command, household, area, desk)


def revoke(
    command: RevokePass, ground: Ground, *, known: PassFact | None, area: UnitFact | None
) -> PassFact | Refusal:
    """Withdraw a pass, whether or not its window has ended."""
    if known is None:
        return Refusal("unknown-pass", command.pass_id)
    if known.area != command.area:
        return Refusal("another-area", command.area)
    refused = not_entitled(command.issuer, _places(command.area, area), ground)
    if refused is not None:
        return refused
    if known.status == "revoked":
        return Refusal("already-revoked", command.pass_id)
    return known.model_copy(update={"status": "revoked"})


def expire(command: ExpirePass, ground: Ground, *, known: PassFact | None) -> PassFact | Refusal:
    """Say that the window of a pass has ended, which its end alone had said before."""
    if known is None:
        return Refusal("unknown-pass", command.pass_id)
    if known.area != command.area:
        return Refusal("another-area", command.area)
    if known.until != command.until:
        return Refusal("another-window", known.until.isoformat())
    if known.status != "valid":
        return Refusal(f"already-{known.status}", command.pass_id)
    return ground.not_by_itself(command.until) or known.model_copy(update={"status": "expired"})


def _not_of_this_place(
    command: IssuePass, household: HouseholdFact, area: UnitFact | None, desk: GateDesk
) -> Refusal | None:
    """Return why the pass is for the wrong area. A medic may pass where they do not live; nobody else may."""
    lives_in = {*household.within, household.unit, household.desk}
    covered = {command.area, *(area.covers if area else ())}
    if covered & lives_in:
        return None
    if command.kind != "medic":
        return Refusal("area-not-home", command.area)
    known = area is not None or any(gate.area == command.area for gate in desk.gates.values())
    return None if known else Refusal("unknown-area", command.area)


def _not_of_this_time(command: IssuePass, since: datetime, ground: Ground) -> Refusal | None:
    longest = ground.rules.longest_window(command.kind)
    if command.until - since > longest:
        return Refusal("window-too-long", f"{command.kind}: {longest}")
    if command.until <= ground.now:
        return Refusal("window-over", command.until.isoformat())
    return None


def _places(code: str, area: UnitFact | None) -> tuple[str, ...]:
    return places_around(code, area.path if area else default_path(code))
