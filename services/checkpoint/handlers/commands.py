"""Group `checkpoint.commands`: gates and passes of a community are decided, or the command refused."""

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from services.checkpoint.domain import gates, passes
from services.checkpoint.domain.gates import GateDesk
from services.checkpoint.domain.ground import Ground
from services.checkpoint.domain.rules import GateRules
from services.checkpoint.store import DESKS, HOUSEHOLDS, PASSES, ROSTERS, UNITS
from shared.contracts import checkpoint as contract
from shared.contracts.base import Model
from shared.contracts.checkpoint import (
    CheckpointCommand,
    CloseGate,
    EndEmergency,
    ExpirePass,
    GateFact,
    IssuePass,
    MoveExit,
    OpenEmergency,
    OpenGate,
    PassFact,
    RevokePass,
    SetTeam,
)
from shared.contracts.envelope import Context, Message, message
from shared.contracts.outcomes import Event, Outcome
from shared.contracts.teams import TeamDefinition
from shared.domain.authority import Refusal
from shared.domain.dated import Dated
from shared.flow.decide import Accepted, Rejected
from shared.flow.documents import Documents
from shared.flow.records import Record
from shared.kernel.clock import local_day
from shared.kernel.codes import desk_of_post
from shared.kernel.ids import derived_id

GATE_CHANGED = "gate-changed"
PASS_CHANGED = "pass-changed"  # noqa: S105 - an event's name, no password
OfPass = IssuePass | RevokePass | ExpirePass
Changed = Sequence[GateFact | PassFact]


class GatesAndPasses:
    """The `Decider` of gates and passes. `rules` and `teams` are configuration, `zone` is the city's."""

    def __init__(
        self, *, source: str, rules: Dated[GateRules], teams: Mapping[str, TeamDefinition], zone: ZoneInfo
    ) -> None:
        self._source = source
        self._rules = rules
        self._teams = teams
        self._zone = zone

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        """Load the gates of each community, the passes, and the copies a decision may rest on."""
        bodies = [_command(record) for record in records]
        commands = [body.command for body in bodies]
        desks = {body.desk for body in bodies}
        await docs.load(DESKS, desks)
        of_passes = [command for command in commands if isinstance(command, OfPass)]
        await docs.load(PASSES, {command.pass_id for command in of_passes})
        issued = [command for command in of_passes if isinstance(command, IssuePass)]
        await docs.load(HOUSEHOLDS, {command.household for command in issued})
        await docs.load(UNITS, {_place(command) for command in commands})
        issuers = {issuer for command in commands if (issuer := _issuer(command))}
        await docs.load(ROSTERS, desks | {desk_of_post(issuer) for issuer in issuers})

    def rows(self, record: Record) -> Sequence[Model]:
        """Return the one command a record carries."""
        return (_command(record),)

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        """Decide with what the documents say now."""
        if not isinstance(row, CheckpointCommand):
            raise TypeError(type(row).__name__)
        ground = self._ground(docs, row, record)
        based_on = _based_on(docs, row, ground)
        decided = self._decide(docs, row, ground)
        if isinstance(decided, Refusal):
            return Rejected(decided.code, decided.detail, based_on)
        return Accepted(tuple(_event(fact) for fact in decided), based_on)

    def _ground(self, docs: Documents, row: CheckpointCommand, record: Record) -> Ground:
        issuer = _issuer(row.command)
        return Ground(
            actor=record.actor,
            now=record.at,
            today=local_day(record.at, self._zone),
            rules=self._rules.on(record.at),
            here=docs.get(ROSTERS, desk_of_post(issuer)) if issuer else None,
            there=docs.get(ROSTERS, row.desk),
        )

    def _decide(self, docs: Documents, row: CheckpointCommand, ground: Ground) -> Changed | Refusal:
        command = row.command
        desk = docs.get(DESKS, row.desk) or GateDesk()
        unit = docs.get(UNITS, _place(command))
        match command:
            case OpenGate():
                return gates.open_gate(command, ground, desk=desk, unit=unit)
            case CloseGate():
                return gates.close_gate(command, ground, desk=desk, unit=unit)
            case MoveExit():
                return gates.move_exit(command, ground, desk=desk, unit=unit)
            case OpenEmergency():
                return gates.open_emergency(command, ground, desk=desk, unit=unit)
            case EndEmergency():
                return gates.end_emergency(command, ground, desk=desk, unit=unit)
            case SetTeam():
                return gates.set_team(command, ground, desk=desk, unit=unit, teams=self._teams)
            case _:
                decided = _decide_pass(docs, command, ground, desk)
                return decided if isinstance(decided, Refusal) else (decided,)

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        """Make a changed gate or pass true; the event says which community it is of."""
        del record
        if event.type == PASS_CHANGED:
            fact = PassFact.model_validate(event.data)
            docs.put(PASSES, fact.pass_id, fact)
            return
        gate = GateFact.model_validate(event.data)
        desk = docs.get(DESKS, gate.desk) or GateDesk()
        desk.gates[gate.gate] = gate
        docs.put(DESKS, gate.desk, desk)

    def derive(self, docs: Documents, decided: Sequence[tuple[Record, Outcome]]) -> Iterable[Message]:
        """Publish each changed gate and pass as stored now: a moved exit is two gates."""
        last: dict[tuple[str, str], Record] = {}
        for record, outcome in decided:
            events = [event for result in outcome.results for event in result.events]
            last |= {(event.type, event.data[_ID[event.type]]): record for event in events}
        for (type_, id_), record in last.items():
            if type_ == PASS_CHANGED:
                yield from self._pass(docs, id_, record)
            else:
                yield from self._gate(docs, id_, record)

    def _pass(self, docs: Documents, id_: str, cause: Record) -> Iterable[Message]:
        stored = docs.get(PASSES, id_)
        if stored is not None:
            fact = stored.model_copy(update={"v": docs.version(PASSES, id_)})
            context = self._context(cause, "pass", id_, fact.v)
            yield message(contract.PASSES_TOPIC, contract.PASS, id_, fact, context)

    def _gate(self, docs: Documents, id_: str, cause: Record) -> Iterable[Message]:
        place = _command(cause).desk
        desk = docs.get(DESKS, place)
        if desk is not None and id_ in desk.gates:
            # A gate is as new as its community's document: that number only grows.
            fact = desk.gates[id_].model_copy(update={"v": docs.version(DESKS, place)})
            context = self._context(cause, "gate", id_, fact.v)
            yield message(contract.GATES_TOPIC, contract.GATE, id_, fact, context)

    def _context(self, cause: Record, *name: str | int) -> Context:
        return cause.causing(derived_id(*name), source=self._source, actor=cause.actor)


_ID = {GATE_CHANGED: "gate", PASS_CHANGED: "pass_id"}


def _decide_pass(docs: Documents, command: OfPass, ground: Ground, desk: GateDesk) -> PassFact | Refusal:
    known, area = docs.get(PASSES, command.pass_id), docs.get(UNITS, command.area)
    match command:
        case IssuePass():
            household = docs.get(HOUSEHOLDS, command.household)
            return passes.issue(command, ground, known=known, household=household, area=area, desk=desk)
        case RevokePass():
            return passes.revoke(command, ground, known=known, area=area)
        case ExpirePass():
            return passes.expire(command, ground, known=known)


def _command(record: Record) -> CheckpointCommand:
    if not isinstance(record.body, CheckpointCommand):
        raise TypeError(type(record.body).__name__)
    return record.body


def _issuer(command: contract.Order) -> str | None:
    return None if isinstance(command, ExpirePass) else command.issuer


def _place(command: contract.Order) -> str:
    return command.area if isinstance(command, OfPass) else command.gate


def _based_on(docs: Documents, row: CheckpointCommand, ground: Ground) -> dict[str, int]:
    rosters = [roster for roster in (ground.here, ground.there) if roster is not None]
    found = {f"roster/{roster.desk}": roster.v for roster in rosters}
    unit = docs.get(UNITS, _place(row.command))
    if unit is not None:
        found[f"unit/{unit.code}"] = unit.v
    household = docs.get(HOUSEHOLDS, row.command.household) if isinstance(row.command, IssuePass) else None
    if household is not None:
        found[f"household/{household.household}"] = household.v
    return found


def _event(fact: GateFact | PassFact) -> Event:
    type_ = GATE_CHANGED if isinstance(fact, GateFact) else PASS_CHANGED
    return Event(type=type_, data=fact.model_dump(mode="json", exclude_none=True))
