"""What gates must never do: lose what was answered, merge it twice or out of order, alert without cause."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.checkpoint.domain.gate_day import counted, total_of
from services.checkpoint.domain.presence import standing
from services.checkpoint.store import GATE_DAYS, PRESENCE
from shared.contracts.alerts import Alert
from shared.contracts.checkpoint import Crossing, OverstayTick
from shared.contracts.screening import Reading
from shared.flow.documents import Write
from shared.flow.records import Record
from shared.kernel.clock import iso, utc_ms
from shared.kernel.ids import derived_id
from tests.simulation.gate.people import People
from tests.simulation.gate.process import Gate
from tests.simulation.log import Log
from tests.simulation.storage import View
from tests.simulation.violation import require
from tests.simulation.watching import Watching


@dataclass(slots=True)
class Movements:
    """The allowed crossings of a pass that were applied: id → earliest believed time (ms); whether out."""

    at: dict[str, int] = field(default_factory=dict)
    out: dict[str, bool] = field(default_factory=dict)
    ticked: bool = False

    def in_order(self) -> list[tuple[int, str]]:
        """Return (time, id), oldest first."""
        return sorted((at, id_) for id_, at in self.at.items())

    def outside(self) -> bool:
        """Whether the last crossing went out."""
        return bool(self.at) and self.out[self.in_order()[-1][1]]

    def overstayed(self, until: datetime) -> bool:
        """Whether by what is known the holder was not back in time."""
        limit = utc_ms(until)
        before = [id_ for at, id_ in self.in_order() if at <= limit]
        came_late = bool(before) and self.out[before[-1]] and len(before) < len(self.at)
        return (self.ticked and self.outside()) or came_late


@dataclass(slots=True)
class Checks(Watching):
    """Watches some gates."""

    people: People
    gates: Sequence[Gate]
    crossings: dict[str, Crossing] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)
    justified: set[str] = field(default_factory=set)
    readings: dict[str, Reading] = field(default_factory=dict)
    moves: dict[tuple[str, str], Movements] = field(default_factory=lambda: defaultdict(Movements))
    _last: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(lambda: -1))

    def said(self, record: Record) -> None:
        """Check a record the moment it stands in the log."""
        body = record.body
        match body:
            case Crossing():
                if record.id not in self.crossings:
                    self._in_order(record.id, body)
                self.crossings[record.id] = body
            case Reading():
                known = self.readings.setdefault(record.id, body)
                # A time ahead of the broker's is believed up to the broker's: a repetition may say it later.
                same = known.model_copy(update={"desk": body.desk, "at": body.at}) == body
                require(same, "one reading, one content", f"{record.id} {known} {body}")
            case Alert():
                require(body.alert in self.justified, "no alert without a cause", f"{body}")
                self.alerts.add(body.alert)
            case _:
                pass

    def _in_order(self, id_: str, crossing: Crossing) -> None:
        """Require that what a gate's process kept leaves it in the order it was kept in."""
        for gate in self.gates:
            if id_ in gate.asked:
                place = gate.name, crossing.desk
                require(gate.asked[id_] > self._last[place], "the order of a key is kept", f"{place} {id_}")
                self._last[place] = gate.asked[id_]

    def committing(self, view: View, writes: Sequence[Write]) -> None:
        """Fold what a transaction applies, apart from the rules."""
        for record in self.applying.fresh(view, writes):
            match record.body:
                case Crossing():
                    self._crossed(record, record.body)
                case OverstayTick():
                    self._ticked(record, record.body)
                case _:
                    pass

    def _crossed(self, record: Record, crossing: Crossing) -> None:
        at = min(utc_ms(crossing.at), utc_ms(record.at))
        for person in crossing.people if crossing.verdict == "allow" else ():
            if person.pass_id is None or person.verdict != "allow":
                continue
            moves = self.moves[crossing.desk, person.pass_id]
            moves.at[record.id] = min(at, moves.at.get(record.id, at))
            moves.out[record.id] = crossing.direction == "out"
            self._justify(person.pass_id, moves)

    def _ticked(self, record: Record, tick: OverstayTick) -> None:
        moves = self.moves[tick.desk, tick.pass_id]
        moves.ticked = moves.ticked or (tick.due <= record.at and tick.due >= self._until(tick.pass_id))
        self._justify(tick.pass_id, moves)

    def _justify(self, pass_id: str, moves: Movements) -> None:
        if self.people.passes[pass_id].kind == "movement" and moves.overstayed(self._until(pass_id)):
            self.justified.add(self._alert(pass_id))

    def _until(self, pass_id: str) -> datetime:
        return self.people.passes[pass_id].until

    def _alert(self, pass_id: str) -> str:
        return derived_id("overstay", pass_id, iso(self._until(pass_id)))

    # --- once nothing is left to do ---

    def quiet(self, log: Log) -> None:
        """Check a quiet system."""
        del log
        for gate in self.gates:
            require(gate.answered.keys() <= self.crossings.keys(), "what was answered is not lost", gate.name)
        self._all_merged()
        self._days()
        for (desk, pass_id), moves in self.moves.items():
            self._presence(desk, pass_id, moves)

    def _all_merged(self) -> None:
        applied = {id_ for moves in self.moves.values() for id_ in moves.at}
        allowed = {
            id_
            for id_, crossing in self.crossings.items()
            if crossing.verdict == "allow" and any(person.pass_id for person in crossing.people)
        }
        require(applied == allowed, "every crossing is merged", f"{applied ^ allowed}")

    def _days(self) -> None:
        """Every crossing counts once, at its gate, on one day."""
        right: dict[str, Counter[str]] = defaultdict(Counter)
        for crossing in self.crossings.values():
            right[crossing.gate]["crossings"] += 1
            right[crossing.gate][
                {"allow": "allowed", "deny": "denied", "refer": "referred"}[crossing.verdict]
            ] += 1
            right[crossing.gate]["incomplete"] += bool(crossing.incomplete)
        days = defaultdict(list)
        for body in self.store.all("gate_days"):
            day = GATE_DAYS.decode(body)
            days[day.gate].append(counted(day))
        require(days.keys() == right.keys(), "every gate has its days", f"{days.keys() ^ right.keys()}")
        for gate, counts in days.items():
            total = total_of(counts)
            shown = {
                name: getattr(total, name)
                for name in ("crossings", "allowed", "denied", "referred", "incomplete")
            }
            expected = {name: right[gate][name] for name in shown}
            require(shown == expected, "every crossing counts once", f"{gate} {shown} {expected}")

    def _presence(self, desk: str, pass_id: str, moves: Movements) -> None:
        name = f"{desk}/{pass_id}"
        body = self.store.get("presence", name)
        require(body, "every pass that crossed is known", name)
        if body is None:
            return
        presence = PRESENCE.decode(body)
        require(presence.traces.keys() == moves.at.keys(), "each crossing is paired once", name)
        shown = standing(presence)
        outside = shown is not None and shown.outside
        require(outside == moves.outside(), "presence equals brute force", f"{name} {shown} {moves}")
        # What was justified for a moment may have been put right by another record of the same batch, so that
        # nobody was told; what stands in the end, everybody must have been.
        made = self.people.passes[pass_id]
        limit = utc_ms(made.until)
        before = [id_ for at, id_ in moves.in_order() if at <= limit]
        was_out = bool(before) and moves.out[before[-1]]
        if made.kind == "movement" and (was_out or moves.outside()):
            require(self._alert(pass_id) in self.alerts, "who was not back is told of", name)
