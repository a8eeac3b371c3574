"""How checkpoint's values are stored: one collection a kind, their indexes, and what the ticker reads.

Models are one text each: nobody asks the database what is in them, and a text is read many times faster.
"""

import json
import zlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import TypeAdapter

from services.checkpoint.domain import presence as rules
from services.checkpoint.domain.gate_day import GateDay
from services.checkpoint.domain.gates import GateDesk
from services.checkpoint.domain.presence import About, Presence, Trace
from shared.contracts.checkpoint import GateFact, PassFact
from shared.contracts.registry import HouseholdFact, UnitFact
from shared.flow.documents import Body, Collection
from shared.kernel.clock import utc_ms
from shared.service import rosters

ROSTERS: Final = rosters.ROSTERS

# --- copies of registry's facts ---

HOUSEHOLDS: Collection[HouseholdFact] = Collection(
    "households",
    encode=lambda fact: {"fact": fact.model_dump_json(exclude_none=True), "household_v": fact.v},
    decode=lambda body: HouseholdFact.model_validate_json(body["fact"]),
)
UNITS: Collection[UnitFact] = Collection(
    "units",
    encode=lambda fact: {"fact": fact.model_dump_json(exclude_none=True), "unit_v": fact.v},
    decode=lambda body: UnitFact.model_validate_json(body["fact"]),
)

# --- gates and passes; a fact's `v` is its document's, given to it when it is published ---

_GATES = TypeAdapter(list[GateFact])


def _encode_desk(desk: GateDesk) -> Body:
    gates = [gate for _, gate in sorted(desk.gates.items())]
    due = desk.next_due
    return {
        "gates": _GATES.dump_json(gates, exclude_none=True).decode(),
        "next_due": utc_ms(due) if due else None,
    }


def _decode_desk(body: Body) -> GateDesk:
    return GateDesk({gate.gate: gate for gate in _GATES.validate_json(body["gates"])})


DESKS: Collection[GateDesk] = Collection("desks", _encode_desk, _decode_desk)


def _encode_pass(fact: PassFact) -> Body:
    until = utc_ms(fact.until)
    return {
        "fact": fact.model_dump_json(),
        "area": fact.area,
        "until": until,
        "next_due": until if fact.status == "valid" else None,
    }


PASSES: Collection[PassFact] = Collection(
    "passes", _encode_pass, decode=lambda body: PassFact.model_validate_json(body["fact"])
)

# --- crossings ---


def _encode_presence(presence: Presence) -> Body:
    about, now = presence.about, rules.standing(presence)
    traces = json.dumps(sorted(presence.traces.values()), separators=(",", ":"))
    return {
        "pass_id": presence.pass_id,
        "desk": presence.desk,
        "area": about.area if about else None,
        "about": list(about) if about else None,
        # Most of a trace is one gate's code, said again.
        "traces": zlib.compress(traces.encode(), 1),
        "ticked": presence.ticked,
        "outside": now is not None and now.outside,
        "overdue": now is not None and now.overdue,
    }


def _decode_presence(body: Body) -> Presence:
    traces = [Trace(*trace) for trace in json.loads(zlib.decompress(body["traces"]))]
    return Presence(
        body["pass_id"],
        body["desk"],
        About(*body["about"]) if body["about"] else None,
        {trace.id: trace for trace in traces},
        body["ticked"],
    )


def _lookup_presence(presence: Presence) -> Body:
    due = rules.due(presence)
    return {} if due is None else {"pass_id": presence.pass_id, "desk": presence.desk, "next_due": due}


PRESENCE: Collection[Presence] = Collection(
    "presence", _encode_presence, _decode_presence, lookup=_lookup_presence
)


def _encode_day(held: GateDay) -> Body:
    return {
        "gate": held.gate,
        "day": held.day,
        "ids": held.ids.tobytes(),
        "what": zlib.compress(bytes(held.what), 1),
        "people": zlib.compress(bytes(held.people), 1),
    }


def _decode_day(body: Body) -> GateDay:
    ids = array("Q")
    ids.frombytes(body["ids"])
    what, people = (bytearray(zlib.decompress(body[name])) for name in ("what", "people"))
    return GateDay(body["gate"], body["day"], ids, what, people)


GATE_DAYS: Collection[GateDay] = Collection("gate_days", _encode_day, _decode_day, owned=True)

INDEXES: Mapping[str, Sequence[Sequence[str]]] = {
    "outcomes": [],
    "positions": [],
    "rosters": rosters.INDEXES,
    "households": [],
    "units": [],
    "desks": [["next_due"]],
    "passes": [["next_due"]],
    "presence": [],
    PRESENCE.found_in: [["next_due"]],
    "gate_days": [],
}

DUE_FIELDS: Mapping[str, Sequence[str]] = {
    "desks": ["gates", "next_due"],
    "passes": ["area", "until", "next_due"],
    PRESENCE.found_in: ["pass_id", "desk", "next_due"],
}
"""What the ticker reads of a due document, by collection."""
