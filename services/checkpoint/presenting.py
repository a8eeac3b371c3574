"""How gates, passes, presence and answers at a gate are shown: plain JSON shapes, no decisions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.checkpoint.domain.gate_day import DayCounts, GateDay, counted, total_of
from services.checkpoint.domain.presence import Presence, flags, standing
from shared.contracts.base import Code, Instant, MessageId, Model, PostId
from shared.contracts.checkpoint import CrosserRole, DecisionCode, GateFact, PassFact, Verdict
from shared.kernel.clock import from_ms, iso

Json = dict[str, Any]


class AnsweredPerson(Model):
    """What holds for one person of a vehicle."""

    role: CrosserRole
    verdict: Verdict
    code: DecisionCode


class Answered(Model):
    """What a gate is answered, and nothing of the person (F-08); what does not apply is left out.

    `rules` is the version that decided, `data_age` how many seconds old the gate's data was; `until` is
    when the holder must be back, `refer_to` who is asked instead, nearest first.
    """

    crossing: MessageId
    verdict: Verdict
    code: DecisionCode
    incomplete: tuple[str, ...]
    rules: str
    data_age: float | None
    until: Instant | None = None
    refer_to: tuple[PostId, ...] | None = None
    open_gate: Code | None = None
    people: tuple[AnsweredPerson, ...] | None = None
    clock_skew: bool | None = None


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
