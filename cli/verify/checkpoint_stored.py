"""What checkpoint's database says. A gate's day is a byte a crossing, and one of how many people."""

import json
import zlib
from collections import Counter
from typing import Any, Final

from cli.verify import copies
from cli.verify.checkpoint import COPIES
from cli.verify.statements import Statements
from cli.verify.stored import Documents, outcomes
from shared.contracts.checkpoint import GateFact, PassFact
from shared.kernel.clock import utc_ms

COLLECTIONS = (
    "outcomes", "desks", "passes", "presence", "gate_days", "rosters", "households", "units",
)  # fmt: skip
VERDICTS: Final = ("allow", "deny", "refer")
BITS: Final = {
    "vehicles": 0b1000, "no-pass": 0b1_0000, "no-temperature": 0b10_0000, "no-driver": 0b100_0000,
}  # fmt: skip
VERDICT, OUT = 0b11, 0b100


def stored(documents: Documents) -> Statements:
    """Return what is stored."""
    found = outcomes(documents["outcomes"])
    for desk in documents["desks"]:
        for gate in map(GateFact.model_validate, json.loads(desk["gates"])):
            found[f"gate {gate.gate}"] = {
                "open": gate.open, "purpose": gate.purpose, "duty": gate.duty,
                "emergency until": utc_ms(gate.emergency.until) if gate.emergency else None,
                "team": gate.team.name if gate.team else None,
            }  # fmt: skip
    for each in documents["passes"]:
        fact = PassFact.model_validate_json(each["fact"])
        found[f"pass {fact.pass_id}"] = {
            "status": fact.status, "kind": fact.kind, "area": fact.area, "household": fact.household,
            "subject": fact.subject, "since": utc_ms(fact.since), "until": utc_ms(fact.until),
        }  # fmt: skip
    for day in documents["gate_days"]:
        found[f"gate {day['gate']} on {day['day']}"] = _of_day(day)
    for each in documents["presence"]:
        where = _of_presence(each)
        found |= {f"pass {each['pass_id']} at {each['desk']}": where} if where else {}
    return found | copies.stored(documents, [*COPIES, "units"])


def _of_day(day: dict[str, Any]) -> dict[str, int]:
    kinds, people = zlib.decompress(day["what"]), zlib.decompress(day["people"])
    counted: Counter[str] = Counter(crossings=len(day["ids"]) // 8)
    for what, passed in zip(kinds, people, strict=True):
        counted[VERDICTS[what & VERDICT]] += 1
        counted["out" if what & OUT else "in"] += passed
        counted.update(name for name, bit in BITS.items() if what & bit)
    return {name: count for name, count in counted.items() if count}


def _of_presence(presence: dict[str, Any]) -> dict[str, Any] | None:
    if not presence["about"]:
        return None
    traces = json.loads(zlib.decompress(presence["traces"]))
    # A trace is the time it claims, its id, the time it is believed, whether it led out, and the gate.
    *_, out, gate = max(traces, key=lambda trace: (trace[2], trace[1]))
    return {"outside": out, "gate": gate, "overdue": presence["overdue"]}
