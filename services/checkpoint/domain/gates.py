"""The gates of one community: which stand open, for whom, and who answers for them.

One-exit rule (S2-05, F-07): once an area has an open gate it has exactly one, until that one is moved.
Closed gates stay in the register. An emergency stands beside the rule: it has a reason and an end, and needs
nobody to end it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.checkpoint.domain.ground import Ground, default_path, not_entitled, places_around
from services.checkpoint.domain.teams import faults_of
from shared.contracts.checkpoint import (
    CloseGate,
    Emergency,
    EndEmergency,
    GateFact,
    MoveExit,
    OpenEmergency,
    OpenGate,
    SetTeam,
    Team,
)
from shared.contracts.registry import UnitFact
from shared.contracts.teams import TeamDefinition
from shared.domain.authority import Refusal, seat_of
from shared.kernel.codes import desk_of

GATE_KIND = "gate"
Changed = tuple[GateFact, ...]


@dataclass(slots=True)
class GateDesk:
    """The gates of one community that checkpoint has heard of, by code."""

    gates: dict[str, GateFact] = field(default_factory=dict)

    def exit_of(self, area: str) -> GateFact | None:
        """Return the one open exit of an area."""
        return next((gate for gate in self.gates.values() if gate.area == area and is_exit(gate)), None)

    @property
    def next_due(self) -> datetime | None:
        """When the next emergency ends by itself."""
        ends = (gate.emergency.until for gate in self.gates.values() if gate.emergency)
        return min(ends, default=None)


def is_exit(gate: GateFact) -> bool:
    """Return whether this is the open exit of its area: turn-back and boundary posts are none (S2-09)."""
    return gate.open and gate.purpose == "gate"


def area_of(unit: UnitFact) -> str:
    """Return the closed area a gate is an exit of: what it covers, else the unit it stands in."""
    if unit.covers:
        return unit.covers[0]
    return unit.path[-1] if unit.path else desk_of(unit.code)


def open_gate(
    command: OpenGate, ground: Ground, *, desk: GateDesk, unit: UnitFact | None
) -> Changed | Refusal:
    """Open an area's exit, or set up a turn-back point or boundary post; again, to change who answers."""
    opened = _opened(command, ground, desk, unit)
    if isinstance(opened, Refusal):
        return opened
    if command.purpose == "boundary" and command.between is None:
        return Refusal("between-missing", command.gate)
    opened = opened.model_copy(
        update={
            "purpose": command.purpose,
            "between": command.between if command.purpose == "boundary" else None,
        }
    )
    another = desk.exit_of(opened.area)
    if is_exit(opened) and another is not None and another.gate != opened.gate:
        return Refusal("another-exit-open", another.gate)
    return _leaving_no_area_shut(opened, desk) or (opened,)


def move_exit(
    command: MoveExit, ground: Ground, *, desk: GateDesk, unit: UnitFact | None
) -> Changed | Refusal:
    """Open this gate as the exit of its area and close the one before it, in one decision."""
    opened = _opened(command, ground, desk, unit)
    if isinstance(opened, Refusal):
        return opened
    opened = opened.model_copy(update={"purpose": "gate", "between": None})
    before = desk.exit_of(opened.area)
    closed = (before.model_copy(update={"open": False}),) if before and before.gate != opened.gate else ()
    return _leaving_no_area_shut(opened, desk) or (*closed, opened)


def close_gate(
    command: CloseGate, ground: Ground, *, desk: GateDesk, unit: UnitFact | None
) -> Changed | Refusal:
    """Close a gate. One never opened enters the register as closed: five of six exits are (S2-05)."""
    gate = _held(command.gate, command.issuer, ground, desk, unit)
    if isinstance(gate, Refusal):
        return gate
    refused = not_entitled(command.issuer, _places(gate, unit), ground)
    if refused is not None:
        return refused
    if command.gate in desk.gates and not gate.open:
        return Refusal("already-closed", command.gate)
    if is_exit(gate):
        return Refusal("last-exit", f"move the exit of {gate.area} instead")
    return (gate.model_copy(update={"open": False}),)


def open_emergency(
    command: OpenEmergency, ground: Ground, *, desk: GateDesk, unit: UnitFact | None
) -> Changed | Refusal:
    """Open a gate beside the one exit until an instant; several may stand open, each for its reason."""
    gate = _held(command.gate, command.issuer, ground, desk, unit)
    if isinstance(gate, Refusal):
        return gate
    refused = _not_at_hand(command.issuer, gate, ground, desk, unit)
    if refused is not None:
        return refused
    if command.until <= ground.now:
        return Refusal("already-over", command.until.isoformat())
    longest = ground.now + ground.rules.longest_emergency
    if command.until > longest:
        return Refusal("ends-too-late", longest.isoformat())
    emergency = Emergency(kind=command.kind, reason=command.reason, since=ground.now, until=command.until)
    return (gate.model_copy(update={"emergency": emergency}),)


def end_emergency(
    command: EndEmergency, ground: Ground, *, desk: GateDesk, unit: UnitFact | None
) -> Changed | Refusal:
    """End an opening: by somebody who may, early, or by the service itself once its time has passed.

    Whether an emergency holds is computed from its end, everywhere: this only makes the fact say so.
    """
    gate = desk.gates.get(command.gate)
    if gate is None or gate.emergency is None:
        return Refusal("no-emergency", command.gate)
    if gate.emergency.until != command.until:
        return Refusal("another-emergency", gate.emergency.until.isoformat())
    if command.issuer is not None:
        refused = _not_at_hand(command.issuer, gate, ground, desk, unit)
    else:
        refused = ground.not_by_itself(command.until)
    return refused or (gate.model_copy(update={"emergency": None}),)


def set_team(
    command: SetTeam,
    ground: Ground,
    *,
    desk: GateDesk,
    unit: UnitFact | None,
    teams: Mapping[str, TeamDefinition],
) -> Changed | Refusal:
    """Say who mans a gate, if the scheme's team can be made of them (S2-07)."""
    gate = _held(command.gate, command.issuer, ground, desk, unit)
    if isinstance(gate, Refusal):
        return gate
    refused = _not_at_hand(command.issuer, gate, ground, desk, unit)
    if refused is not None:
        return refused
    definition = teams.get(command.team)
    if definition is None:
        return Refusal("unknown-team", command.team)
    faults = faults_of(definition, command.members)
    if faults:
        return Refusal("team-incomplete", "; ".join(f"{fault.code}: {fault.text}" for fault in faults))
    return (gate.model_copy(update={"team": Team(name=command.team, members=command.members)}),)


def _opened(
    command: OpenGate | MoveExit, ground: Ground, desk: GateDesk, unit: UnitFact | None
) -> GateFact | Refusal:
    """Return the gate as it would stand open, in the area that its unit says today."""
    if unit is None or not _stands(unit, ground):
        return Refusal("unknown-gate", command.gate)
    gate = _held(command.gate, command.duty, ground, desk, unit)
    if isinstance(gate, Refusal):
        return gate
    opened = gate.model_copy(update={"area": area_of(unit), "open": True, "duty": command.duty})
    refused = not_entitled(command.issuer, _places(opened, unit), ground)
    if refused is None and seat_of(ground.there, command.duty) is None:
        return Refusal("unknown-duty", command.duty)
    return refused or opened


def _leaving_no_area_shut(opened: GateFact, desk: GateDesk) -> Refusal | None:
    """Return a refusal where the gate is the one exit of an area and would no longer be."""
    before = desk.gates.get(opened.gate)
    if before is None or not is_exit(before) or (is_exit(opened) and opened.area == before.area):
        return None
    return Refusal("last-exit", f"move the exit of {before.area} first")


def _held(code: str, duty: str, ground: Ground, desk: GateDesk, unit: UnitFact | None) -> GateFact | Refusal:
    """Return the gate as registered; one that nobody has named yet is closed, and whoever speaks answers."""
    gate = desk.gates.get(code)
    if gate is not None:
        return gate
    if unit is None or not _stands(unit, ground):
        return Refusal("unknown-gate", code)
    return GateFact(gate=code, v=0, desk=desk_of(code), area=area_of(unit), open=False, duty=duty)


def _stands(unit: UnitFact, ground: Ground) -> bool:
    begun = unit.valid_from <= ground.today
    return unit.kind == GATE_KIND and begun and (unit.valid_to is None or ground.today < unit.valid_to)


def _places(gate: GateFact, unit: UnitFact | None) -> tuple[str, ...]:
    return places_around(gate.area, unit.path if unit else default_path(gate.area))


def _not_at_hand(
    issuer: str, gate: GateFact, ground: Ground, desk: GateDesk, unit: UnitFact | None
) -> Refusal | None:
    """Return why somebody may not act at a gate; who answers for it may, without covering its area."""
    seat, registered = seat_of(ground.here, issuer), desk.gates.get(gate.gate)
    answers = registered is not None and registered.duty == issuer
    if answers and seat is not None and seat.holder == ground.actor:
        return None
    return not_entitled(issuer, _places(gate, unit), ground)
