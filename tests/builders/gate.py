"""What a gate is given in tests: keys in a file, passes as text, facts, and time that a test moves."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.checkpoint.domain.rules import GateRules
from services.checkpoint.gatekeeping import Gatekeeper, Question
from services.checkpoint.keys import Keys, KeySet, new_file, new_key
from services.checkpoint.pass_text import Claims, Reader, text_of
from services.checkpoint.views import Views
from shared.contracts.base import Model
from shared.contracts.checkpoint import Crossing, GateFact, PassFact
from shared.contracts.registry import HouseholdFact
from shared.domain.dated import Dated
from shared.flow.records import Origin, Record

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
BEGAN = NOW - timedelta(days=30)
DESK = "610802006003"
AREA, OTHER_AREA = f"{DESK}.c1", f"{DESK}.c2"
GATE, OTHER_GATE, FAR_GATE = f"{AREA}.k1", f"{AREA}.k2", f"{OTHER_AREA}.k1"
DUTY, CHARGE = f"{DESK}/cw5:gate-lead", f"{DESK}001/cw5:grid-worker"
HOUSE, OTHER_HOUSE = "household-1", "household-2"
RULES = GateRules(
    windows={"home": 90 * 86_400, "medic": 86_400, "movement": 86_400},
    emergency=3_600,
    replay=60,
    stale_after={"home": 600, "medic": 600, "movement": 300},
    skew=300,
)


def key_file(path: Path, *more: dict[str, str]) -> Path:
    """Write a key file with a fresh key that began a month ago, and others."""
    made = new_file(BEGAN)
    made["keys"] = [new_key(BEGAN), *more]
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def claims(**other: Any) -> Claims:
    fields: dict[str, Any] = {
        "pass_id": "pass-0001",
        "kind": "home",
        "area": AREA,
        "subject": "abcdefghij0123456789",
        "since": int(BEGAN.timestamp()),
        "until": int((NOW + timedelta(hours=2)).timestamp()),
    }
    return Claims(**{**fields, **other})


def text(keys: KeySet, **other: Any) -> str:
    """Return the text of a pass, signed by the newest key."""
    key = keys.signer(NOW)
    assert key is not None
    said = dict(claims(**other))
    window = {name: datetime.fromtimestamp(said[name], UTC) for name in ("since", "until")}
    return text_of(pass_fact(**said | window), key)


def gate_fact(gate: str = GATE, **other: Any) -> GateFact:
    fields = {"gate": gate, "v": 1, "desk": DESK, "area": gate.rpartition(".")[0], "open": True, "duty": DUTY}
    return GateFact(**{**fields, **other})


def pass_fact(pass_id: str = "pass-0001", **other: Any) -> PassFact:
    fields = {
        "pass_id": pass_id,
        "v": 1,
        "kind": "home",
        "desk": DESK,
        "area": AREA,
        "household": HOUSE,
        "subject": "abcdefghij0123456789",
        "since": BEGAN,
        "until": NOW + timedelta(hours=2),
        "issuer": DUTY,
    }
    return PassFact(**{**fields, **other})


def household(name: str = HOUSE, area: str = AREA, **other: Any) -> HouseholdFact:
    unit = f"{area}.b1.d{101 if name == HOUSE else 102}"
    fields = {
        "household": name,
        "v": 1,
        "desk": DESK,
        "unit": unit,
        "within": (area, f"{area}.b1", unit),
        "charges": {"main": CHARGE},
    }
    return HouseholdFact(**{**fields, **other})


def record(body: Model) -> Record:
    return Record(Origin("topic", 0, 0, b"", b"", ()), "id-00001", "type", body, NOW, "actor", "")


def filled(*facts: Model) -> Views:
    """Return views with one open gate, a household and whatever else."""
    views = Views()
    for fact in (gate_fact(), household(), *facts):
        views.apply(record(fact))
    return views


class Gate:
    """A gatekeeper with a clock; `age` is that of its data."""

    def __init__(self, views: Views, keys: Keys) -> None:
        self.age: float | None = 0.5
        self.now = NOW
        self.keeper = Gatekeeper(views, Reader(), keys, Dated([(BEGAN, RULES)]), lambda: self.age)

    def ask(self, gate: str = GATE, **question: Any) -> tuple[Crossing, dict[str, Any]]:
        answered = self.keeper.answer(gate, Question(**{"direction": "in", **question}), self.now)
        assert answered is not None
        return answered

    def says(self, gate: str = GATE, **question: Any) -> str:
        crossing, shown = self.ask(gate, **question)
        assert crossing.verdict == shown["verdict"]
        return f"{shown['verdict']} {shown['code']}"


def codes(crossing: Crossing) -> Sequence[str]:
    return [person.code for person in crossing.people]
