"""Valid objects of checkpoint, with overrides, and its two deciding groups over a log in memory.

street   S/s:chief              (held by `boss`)
desk     K/s:area               (area chief)
         K001/s:grid            (grid chief)
         K001.c1/s:leader       (control group leader of the compound)
         K001.c1.k1/s:branch    (answers for the first gate)
gates    K001.c1.k1 … k6        (exits of compound c1; K001.c2.k1 is another compound's)
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.checkpoint.domain.rules import GateRules
from services.checkpoint.handlers.commands import GatesAndPasses
from services.checkpoint.handlers.crossings import Crossings
from services.checkpoint.schemes import load_teams
from services.checkpoint.store import DESKS, HOUSEHOLDS, PASSES, PRESENCE, ROSTERS, UNITS
from shared.contracts import checkpoint as contract
from shared.contracts.base import Model
from shared.contracts.catalog import MODELS
from shared.contracts.checkpoint import (
    CheckpointCommand,
    Crosser,
    Crossing,
    GateFact,
    IssuePass,
    OpenGate,
    OverstayTick,
    PassFact,
)
from shared.contracts.envelope import Context, Message, header, message
from shared.contracts.outcomes import Outcome, Result
from shared.contracts.registry import HouseholdFact, Roster, Seat, UnitFact
from shared.contracts.teams import TeamMember
from shared.domain.dated import Dated
from shared.flow.batch import Flow
from shared.flow.decide import OUTCOMES, Decide
from shared.flow.documents import Collection, Write
from shared.messaging.reading import read
from tests.fakes.log import PARTITIONS, Watch, arriving
from tests.fakes.storage import MemoryStorage

STREET = "610802006"
DESK = f"{STREET}003"
GRID = f"{DESK}001"
AREA = f"{GRID}.c1"
OTHER_AREA = f"{GRID}.c2"
GATE, GATE2, GATE3 = (f"{AREA}.k{number}" for number in (1, 2, 3))
OTHER_GATE = f"{OTHER_AREA}.k1"
PATH = ("61", "6108", "610802", STREET)

CHIEF = f"{STREET}/s:chief"
AREA_CHIEF = f"{DESK}/s:area"
GRID_CHIEF = f"{GRID}/s:grid"
LEADER = f"{AREA}/s:leader"
BRANCH = f"{GATE}/s:branch"
HOLDERS = {CHIEF: "boss", AREA_CHIEF: "p-area", GRID_CHIEF: "p-grid", LEADER: "p-leader", BRANCH: "p-branch"}

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in the city."""

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ZONE = ZoneInfo("Asia/Shanghai")
SOURCE = "/city/6108/checkpoint"
SCHEMES = Path(__file__).parents[2] / "schemes"
HOUSEHOLD = "household-1"
PASS = "pass-0001"
SUBJECT = "ps-1"


def rules(**other: Any) -> GateRules:
    """Return rules with short numbers."""
    fields: dict[str, Any] = {
        "windows": {"home": 86_400 * 90, "medic": 86_400 * 30, "movement": 86_400},
        "emergency": 14_400,
        "replay": 60,
        "stale_after": {"home": 86_400, "medic": 86_400, "movement": 3_600},
        "skew": 300,
    }
    return GateRules(**{**fields, **other})


RULES: Dated[GateRules] = Dated([(datetime(2020, 1, 1, tzinfo=UTC), rules())])


def seat(post: str, holder: str | None = None) -> Seat:
    """Return a seat at the unit its id names."""
    unit = post.split("/", maxsplit=1)[0]
    head, *segments = unit.split(".")
    within = tuple(".".join([head, *segments[:size]]) for size in range(len(segments) + 1))
    return Seat(
        post=post, level="s:1", verb="leads", done_at="relayed", unit=unit,
        holder=holder or HOLDERS.get(post), within=within if len(head) > 12 else (),
    )  # fmt: skip


def roster(desk: str = DESK, posts: Sequence[str] = (AREA_CHIEF, GRID_CHIEF, LEADER, BRANCH)) -> Roster:
    """Return the roster of a desk with these posts, each held as the module says."""
    path = tuple(above for above in PATH if above != desk and desk.startswith(above))
    return Roster(desk=desk, v=7, on=date(2026, 3, 2), path=path, seats=tuple(map(seat, posts)))


def unit(code: str = GATE, **other: Any) -> UnitFact:
    """Return a gate of registry's, or whatever else `kind` says."""
    head, *segments = code.split(".")
    inside = tuple(".".join([head, *segments[:size]]) for size in range(len(segments)))
    fields: dict[str, Any] = {
        "code": code, "v": 3, "kind": "gate", "path": (*PATH, DESK, *inside), "valid_from": date(2026, 1, 1),
    }  # fmt: skip
    return UnitFact(**{**fields, **other})


def household(id_: str = HOUSEHOLD, **other: Any) -> HouseholdFact:
    """Return a household in compound c1."""
    home = f"{AREA}.b1.d1"
    fields: dict[str, Any] = {
        "household": id_, "v": 5, "desk": DESK, "unit": home, "within": (GRID, AREA, f"{AREA}.b1", home),
        "charges": {"main": LEADER},
    }  # fmt: skip
    return HouseholdFact(**{**fields, **other})


def opening(gate: str = GATE, **other: Any) -> OpenGate:
    return OpenGate(**{"gate": gate, "issuer": LEADER, "duty": LEADER, **other})


def issuing(**other: Any) -> IssuePass:
    """Return a movement pass: out from noon, back within four hours."""
    fields: dict[str, Any] = {
        "pass_id": PASS, "issuer": LEADER, "kind": "movement", "area": AREA, "household": HOUSEHOLD,
        "subject": SUBJECT, "since": NOON, "until": NOON + 4 * HOUR,
    }  # fmt: skip
    return IssuePass(**{**fields, **other})


def crosser(**other: Any) -> Crosser:
    """Return the holder of the movement pass, healthy and let through."""
    fields: dict[str, Any] = {
        "pass_id": PASS, "kind": "movement", "subject": SUBJECT, "household": HOUSEHOLD,
        "until": NOON + 4 * HOUR, "temperature": 36.5, "verdict": "allow", "code": "movement",
    }  # fmt: skip
    return Crosser(**{**fields, **other})


def crossing(direction: str = "out", *, after: timedelta = MINUTE, **other: Any) -> Crossing:
    """Return one passage at the first gate, some time after noon."""
    fields: dict[str, Any] = {
        "gate": GATE, "desk": DESK, "area": AREA, "direction": direction, "at": NOON + after,
        "people": (crosser(),), "verdict": "allow", "rules": "2020-01-01", "data_age": 0.2,
    }  # fmt: skip
    return Crossing(**{**fields, **other})


def tick(due: datetime = NOON + 4 * HOUR, **other: Any) -> OverstayTick:
    return OverstayTick(**{"pass_id": PASS, "desk": DESK, "due": due, **other})


def member(person: str, role: str, group: str | None = None, **attributes: str) -> TeamMember:
    return TeamMember(person=person, role=role, group=group, attributes=attributes)


def gate_team() -> list[TeamMember]:
    """Return a complete gate team of six (S2-07)."""
    return [
        member("p-1", "leader", rank="deputy"),
        member("p-2", "agency-cadre", employer="resident-unit"),
        member("p-3", "agency-cadre", employer="resident-unit"),
        member("p-4", "party-organisation"),
        member("p-5", "owners-committee"),
        member("p-6", "property"),
    ]


class Checkpoint:
    """Both groups that decide and merge, on one storage; `said` is what they published, in turn."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.watch = Watch()
        self._offsets = dict.fromkeys((contract.COMMANDS_TOPIC.name, contract.CROSSINGS_TOPIC.name), 0)
        decider = GatesAndPasses(source=SOURCE, rules=RULES, teams=load_teams(SCHEMES), zone=ZONE)
        commands = Decide(
            decider, outcomes=contract.OUTCOMES_TOPIC, outcome_type=contract.OUTCOME, source=SOURCE
        )
        crossings = Crossings(source=SOURCE, rules=RULES, zone=ZONE)
        self._flows = {
            contract.COMMANDS_TOPIC.name: self._flow("checkpoint.commands", commands),
            contract.CROSSINGS_TOPIC.name: self._flow("checkpoint.crossings", crossings),
        }
        self.know(ROSTERS, DESK, roster())
        self.know(ROSTERS, STREET, roster(STREET, (CHIEF,)))
        for code in (*(f"{AREA}.k{number}" for number in range(1, 7)), OTHER_GATE):
            self.know(UNITS, code, unit(code))
        self.know(HOUSEHOLDS, HOUSEHOLD, household())

    def _flow(self, group: str, handler: Any) -> Flow:
        return Flow(
            group, handler, storage=self.storage, publish=self.watch.publish,
            partitions=lambda _topic: PARTITIONS, observer=self.watch,
        )  # fmt: skip

    def know(self, collection: Collection[Any], id_: str, value: Any) -> None:
        """Store a copy or a document, in place of what was there."""
        known = self.storage.body(collection.name, id_)
        self.storage.put(Write(collection.name, id_, known["v"] if known else 0, collection.encode(value)))

    async def take(self, *records: Message, now: datetime = NOON, again: bool = False) -> None:
        """Give records of one topic as one poll, at `now` by the broker; `again`: the poll before, anew."""
        topic = records[0].topic
        first = self._offsets[topic] - len(records) * again
        timestamp = int(now.timestamp() * 1000)
        raws = [
            arriving(each, offset=first + place, timestamp=timestamp) for place, each in enumerate(records)
        ]
        self._offsets[topic] = first + len(records)
        await self._flows[topic]([read(raw) for raw in raws])

    async def tell(
        self, command: Any, *, actor: str = "p-leader", now: datetime = NOON, id_: str = ""
    ) -> Result:
        """Decide one command and return its result."""
        record = ordered(
            command, actor=actor, id_=id_ or f"command-{self._offsets[contract.COMMANDS_TOPIC.name]:04}"
        )
        await self.take(record, now=now)
        return self.outcome(header(record.headers, "ce_id")).results[0]

    def outcome(self, id_: str) -> Outcome:
        body = self.storage.body(OUTCOMES.name, id_)
        assert body is not None
        return OUTCOMES.decode(body)

    def gate(self, code: str = GATE) -> GateFact:
        body = self.storage.body(DESKS.name, DESK)
        assert body is not None
        return DESKS.decode(body).gates[code]

    def gates(self) -> dict[str, GateFact]:
        body = self.storage.body(DESKS.name, DESK)
        return DESKS.decode(body).gates if body else {}

    def pass_(self, id_: str = PASS) -> PassFact:
        body = self.storage.body(PASSES.name, id_)
        assert body is not None
        return PASSES.decode(body)

    def presence(self, id_: str = PASS) -> dict[str, Any]:
        """Return a stored presence as the database has it, without how often anything was written."""
        body = self.storage.body(PRESENCE.name, f"{DESK}/{id_}")
        assert body is not None
        return {name: value for name, value in body.items() if name not in {"v", "lookups"}}

    def due(self, id_: str = PASS) -> int | None:
        """Return when somebody looks whether the holder of a pass is back (ms)."""
        body = self.storage.body(PRESENCE.found_in, f"{DESK}/{id_}")
        return body.get("next_due") if body else None

    def said(self, type_: str) -> list[Any]:
        """Return the bodies published of one message type."""
        return [MODELS[type_].model_validate_json(each.value or b"") for each in self.watch.of(type_)]


def ordered(command: Any, *, actor: str = "p-leader", id_: str = "command-0000") -> Message:
    """Return the record of a command."""
    body = CheckpointCommand(command=command)
    context = Context(id_, SOURCE, NOON, actor)
    return message(contract.COMMANDS_TOPIC, contract.COMMAND, body.desk, body, context)


def crossed(body: Model, id_: str = "crossing-0001") -> Message:
    """Return the record of a crossing or tick."""
    type_ = contract.TICK if isinstance(body, OverstayTick) else contract.CROSSING
    desk = body.desk if isinstance(body, OverstayTick | Crossing) else DESK
    return message(contract.CROSSINGS_TOPIC, type_, desk, body, Context(id_, SOURCE, NOON))
