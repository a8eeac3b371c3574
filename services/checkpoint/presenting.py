"""How gates, passes and presence are shown: plain JSON shapes, no decisions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.checkpoint.domain.gate_day import DayCounts, GateDay, counted, total_of
from services.checkpoint.domain.presence import Presence, flags, standing
from shared.contracts.checkpoint import GateFact, PassFact
from shared.kernel.clock import from_ms, iso

Json = dict[str, Any]


def gate_json(gate: GateFact, now: datetime) -> Json:
    """Return a gate; whether an emergency holds is computed from its end."""
    emergency = gate.emergency is not None and now < gate.emergency.until
    return {**gate.model_dump(mode="json", exclude_none=True), "emergency_holds": emergency}


def counts_json(gates: Sequence[GateFact], days: Sequence[GateDay]) -> Json:
    """Return the day in numbers, per gate and in total (U-25)."""
    by_gate: Mapping[str, DayCounts] = {day.gate: counted(day) for day in days}
    return {
        "gates": {gate.gate: asdict(by_gate.get(gate.gate, DayCounts())) for gate in gates},
        "total": asdict(total_of(by_gate.values())),
    }


def pass_json(fact: PassFact) -> Json:
    """Return a pass without its holder's pseudonym, which is for the gate's records alone."""
    return fact.model_dump(mode="json", exclude={"subject", "v"})


def presence_json(presence: Presence, replay_ms: Callable[[int], int]) -> Json | None:
    """Return where the holder of a pass is, by the pass alone; None while nothing is known."""
    now, about = standing(presence), presence.about
    if now is None or about is None:
        return None
    return {
        "pass": presence.pass_id,
        "kind": about.kind,
        "household": about.household,
        "outside": now.outside,
        "since": iso(from_ms(now.since)),
        "gate": now.gate,
        "until": iso(from_ms(about.until)) if about.until else None,
        "overdue": now.overdue,
        "flags": list(flags(presence, replay_ms)),
    }
