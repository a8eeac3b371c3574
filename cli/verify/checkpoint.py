"""What follows from a gate's commands and crossings: gates, passes, each gate's days, and who is out."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from cli.verify import copies
from cli.verify.log import Log
from cli.verify.statements import Statements
from shared.contracts import checkpoint as contract
from shared.contracts import registry
from shared.contracts.checkpoint import (
    CloseGate,
    Crosser,
    Crossing,
    EndEmergency,
    ExpirePass,
    IssuePass,
    MoveExit,
    OpenEmergency,
    OpenGate,
    OverstayTick,
    RevokePass,
    SetTeam,
)
from shared.contracts.registry import UnitFact
from shared.kernel.clock import local_day, utc_ms
from shared.kernel.codes import desk_of

TOPICS = (
    contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC, contract.CROSSINGS_TOPIC,
    registry.ROSTERS_TOPIC, registry.HOUSEHOLDS_TOPIC, registry.UNITS_TOPIC,
)  # fmt: skip
COPIES = ("rosters", "households")
GATE_KIND = "gate"
NOT_COMPARED = (
    "which area a gate belongs to when it was opened; since when somebody is out; what is odd about a pass",
    "crossings of one id with two bodies, and of a pass with more than a hundred crossings the oldest",
    "what a gate decided, and what waits in its spool: no log has it yet",
)


@dataclass(slots=True)
class Gate:
    """A gate as its accepted commands leave it."""

    duty: str
    open: bool = False
    purpose: str = "gate"
    until: int | None = None
    team: str | None = None

    @property
    def is_exit(self) -> bool:
        return self.open and self.purpose == "gate"


@dataclass(slots=True)
class Holder:
    """What the crossings of one pass at one desk say, each id once; times in ms."""

    crossings: dict[str, tuple[int, int, bool, str]] = field(default_factory=dict)
    about: tuple[int, str, str, int] = (0, "", "", 0)
    ticked: int = 0

    def cross(self, id_: str, crossing: Crossing, person: Crosser, at: int) -> None:
        """Take in a crossing that was allowed, believed up to the broker's time."""
        claimed = utc_ms(crossing.at)
        seen = (claimed, min(claimed, at), crossing.direction == "out", crossing.gate)
        self.crossings[id_] = min(self.crossings.get(id_, seen), seen)
        until = utc_ms(person.until) if person.until else 0
        self.about = max(self.about, (claimed, id_, person.kind or "", until))

    def statement(self) -> dict[str, Any] | None:
        """Return where the holder is; None where a tick came and no crossing."""
        if not self.crossings:
            return None
        id_ = max(self.crossings, key=lambda each: (self.crossings[each][1], each))
        _, _, out, gate = self.crossings[id_]
        _, _, kind, until = self.about
        overdue = kind == "movement" and until > 0 and out and self.ticked >= until
        return {"outside": out, "gate": gate, "overdue": overdue}


def said(log: Log, zone: tzinfo) -> Statements:
    """Return what the log says of checkpoint."""
    found: Statements = log.answered(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC)
    gates, passes = _decided(log)
    for code, gate in gates.items():
        found[f"gate {code}"] = {
            "open": gate.open, "purpose": gate.purpose, "duty": gate.duty, "emergency until": gate.until,
            "team": gate.team,
        }  # fmt: skip
    found |= {f"pass {id_}": state for id_, state in passes.items()}
    found |= dict(_days(log, zone))
    for (desk, pass_id), holder in _holders(log).items():
        where = holder.statement()
        found |= {f"pass {pass_id} at {desk}": where} if where else {}
    found |= copies.said(log, COPIES)
    return found | copies.said(log, ["units"], lambda fact: fact.kind == GATE_KIND or bool(fact.covers))


def _decided(log: Log) -> tuple[dict[str, Gate], dict[str, dict[str, Any]]]:
    areas = {
        code: unit.covers[0] if unit.covers else unit.path[-1] if unit.path else desk_of(code)
        for code, unit in log.newest(registry.UNITS_TOPIC, UnitFact).items()
    }
    gates: dict[str, Gate] = {}
    passes: dict[str, dict[str, Any]] = {}
    for said, body, outcome in log.commands(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC):
        command = body.command
        if not outcome.results[0].accepted:
            continue
        match command:
            case IssuePass():
                passes[command.pass_id] = {
                    "status": "valid", "kind": command.kind, "area": command.area,
                    "household": command.household, "subject": command.subject,
                    "since": utc_ms(command.since) if command.since else said.at // 1000 * 1000,
                    "until": utc_ms(command.until),
                }  # fmt: skip
            case RevokePass():
                passes[command.pass_id]["status"] = "revoked"
            case ExpirePass():
                passes[command.pass_id]["status"] = "expired"
            case _:
                _apply(gates, command, areas)
    return gates, passes


def _apply(gates: dict[str, Gate], command: Any, areas: dict[str, str]) -> None:
    # Whoever first names a gate answers for it.
    gate = gates.setdefault(command.gate, Gate(getattr(command, "duty", None) or command.issuer or ""))
    match command:
        case OpenGate():
            gate.open, gate.purpose, gate.duty = True, command.purpose, command.duty
        case CloseGate():
            gate.open = False
        case MoveExit():
            for code, other in gates.items():
                if other.is_exit and areas.get(code) == areas.get(command.gate):
                    other.open = False
            gate.open, gate.purpose, gate.duty = True, "gate", command.duty
        case OpenEmergency():
            gate.until = utc_ms(command.until)
        case EndEmergency():
            gate.until = None
        case SetTeam():
            gate.team = command.team


def _days(log: Log, zone: tzinfo) -> Iterator[tuple[str, Any]]:
    """Yield what each gate counted on each of the city's days: every id once."""
    days: dict[tuple[str, str], dict[str, Crossing]] = defaultdict(dict)
    for record, crossing in log.of(contract.CROSSINGS_TOPIC, Crossing):
        day = local_day(crossing.at, zone).isoformat()
        days[crossing.gate, day].setdefault(record.id, crossing)
    for (gate, day), crossings in days.items():
        counted: Counter[str] = Counter(crossings=len(crossings))
        for crossing in crossings.values():
            counted.update(_counts(crossing))
        yield f"gate {gate} on {day}", {name: count for name, count in counted.items() if count}


def _counts(crossing: Crossing) -> Counter[str]:
    counted: Counter[str] = Counter({crossing.verdict: 1})
    counted.update(crossing.incomplete)
    if crossing.vehicle:
        counted["vehicles"] += 1
    if crossing.verdict == "allow":
        counted[crossing.direction] += sum(person.verdict == "allow" for person in crossing.people)
    return counted


def _holders(log: Log) -> dict[tuple[str, str], Holder]:
    holders: dict[tuple[str, str], Holder] = defaultdict(Holder)
    for record, body in log.of(contract.CROSSINGS_TOPIC, Crossing, OverstayTick):
        match body:
            case Crossing() if body.verdict == "allow":
                for person in body.people:
                    if person.pass_id and person.verdict == "allow":
                        holders[body.desk, person.pass_id].cross(record.id, body, person, record.at)
            case OverstayTick() if utc_ms(body.due) <= record.at:
                holder = holders[body.desk, body.pass_id]
                holder.ticked = max(holder.ticked, utc_ms(body.due))
    return holders
