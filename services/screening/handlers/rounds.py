"""Group `screening.commands`: rounds are opened and closed and criteria put, or the command refused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.screening.domain import round as rules
from services.screening.domain.round import Scopes, Terms
from services.screening.store import ROSTERS, ROUNDS, SCOPES
from shared.contracts import screening as contract
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.outcomes import Event, Outcome
from shared.contracts.registry import Roster
from shared.contracts.screening import (
    CloseRound,
    Criterion,
    CriterionFact,
    Opening,
    OpenRound,
    PutCriterion,
    Round,
    RoundFact,
    ScreeningCommand,
)
from shared.domain.authority import Refusal
from shared.domain.dated import Dated
from shared.flow.decide import Accepted, Rejected
from shared.flow.documents import Documents
from shared.flow.records import Record
from shared.kernel.codes import desk_of, desk_of_post
from shared.kernel.ids import derived_id

ROUND_CHANGED = "round-changed"
CRITERION_CHANGED = "criterion-changed"


class Rounds:
    """The `Decider` of rounds and criteria."""

    def __init__(self, *, source: str, terms: Dated[Terms]) -> None:
        self._source = source
        self._terms = terms

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        """Load rounds, what their scopes have, and the roster copies a decision may rest on."""
        commands = [_command(record) for record in records]
        await docs.load(ROUNDS, {each.round for each in commands if not isinstance(each, PutCriterion)})
        await docs.load(SCOPES, {command.scope for command in commands})
        await docs.load(ROSTERS, {desk for command in commands for desk in _desks(command)})

    def rows(self, record: Record) -> Sequence[Model]:
        """Return the one command a record carries."""
        return (_command(record),)

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        """Decide with what the documents say now."""
        command = _command(record)
        rosters = {desk: roster for desk in _desks(command) if (roster := docs.get(ROSTERS, desk))}
        based_on = {f"roster/{desk}": roster.v for desk, roster in rosters.items()}
        decided = self._decide(docs, row, record, rosters)
        match decided:
            case Refusal():
                return Rejected(decided.code, decided.detail, based_on)
            case Round():
                return Accepted((_event(ROUND_CHANGED, decided),), based_on)
            case Criterion():
                return Accepted((_event(CRITERION_CHANGED, decided),), based_on)

    def _decide(
        self, docs: Documents, row: Model, record: Record, rosters: Mapping[str, Roster]
    ) -> Round | Criterion | Refusal:
        match row:
            case OpenRound():
                return rules.open_round(
                    row,
                    actor=record.actor,
                    now=record.at,
                    known=docs.get(ROUNDS, row.round),
                    scopes=docs.get(SCOPES, row.scope) or Scopes(),
                    rosters=rosters,
                    terms=self._terms.on(record.at),
                )
            case CloseRound():
                known = docs.get(ROUNDS, row.round)
                return rules.close_round(row, actor=record.actor, now=record.at, known=known, rosters=rosters)
            case PutCriterion():
                scopes = docs.get(SCOPES, row.scope) or Scopes()
                return rules.put_criterion(row, actor=record.actor, scopes=scopes, rosters=rosters)
            case _:
                raise TypeError(type(row).__name__)

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        """Make a changed round or criterion true in its scope."""
        del record
        if event.type == CRITERION_CHANGED:
            criterion = Criterion.model_validate(event.data)
            scopes = docs.get(SCOPES, criterion.scope) or Scopes()
            scopes.criteria[criterion.name] = criterion
            docs.put(SCOPES, criterion.scope, scopes)
            return
        round_ = Round.model_validate(event.data)
        scopes = docs.get(SCOPES, round_.scope.unit) or Scopes()
        scopes.number = max(scopes.number, round_.number)
        scopes.live = round_.round if round_.status == "open" else None
        docs.put(SCOPES, round_.scope.unit, scopes)
        docs.put(ROUNDS, round_.round, round_)

    def derive(self, docs: Documents, decided: Sequence[tuple[Record, Outcome]]) -> Iterable[Message]:
        """Publish each touched round and criterion as stored, and open the round at its scope's desk."""
        last = {_subject(_command(record)): record for record, _ in decided}
        for record in last.values():
            command = _command(record)
            if isinstance(command, PutCriterion):
                yield from self._criterion(docs, command, record)
            else:
                yield from self._round(docs, command.round, record)

    def _round(self, docs: Documents, id_: str, cause: Record) -> Iterator[Message]:
        round_ = docs.get(ROUNDS, id_)
        if round_ is None:
            return
        fact = RoundFact(v=docs.version(ROUNDS, id_), round=round_)
        yield message(
            contract.ROUNDS_TOPIC, contract.ROUND, id_, fact, self._context(cause, "round", id_, fact.v)
        )
        desk = round_.scope.desk
        opening = Opening(round=round_, to=desk)
        context = self._context(cause, "opening", id_, desk, round_.status)
        yield message(contract.DESKS_TOPIC, contract.OPENING, desk, opening, context)

    def _criterion(self, docs: Documents, command: PutCriterion, cause: Record) -> Iterator[Message]:
        scopes = docs.get(SCOPES, command.scope)
        criterion = scopes.criteria.get(command.name) if scopes else None
        if criterion is None:
            return
        fact = CriterionFact(v=criterion.version, criterion=criterion)
        key = f"{criterion.scope}/{criterion.name}"
        context = self._context(cause, "criterion", key, fact.v)
        yield message(contract.ROUNDS_TOPIC, contract.CRITERION, key, fact, context)

    def _context(self, cause: Record, *name: str | int) -> Context:
        return cause.causing(derived_id(*name), source=self._source, actor=cause.actor)


def _command(record: Record) -> OpenRound | CloseRound | PutCriterion:
    body = record.body
    if not isinstance(body, ScreeningCommand):
        raise TypeError(type(body).__name__)
    return body.command


def _desks(command: OpenRound | CloseRound | PutCriterion) -> list[str]:
    return sorted({desk_of_post(command.issuer), desk_of(command.scope)})


def _subject(command: OpenRound | CloseRound | PutCriterion) -> str:
    if isinstance(command, PutCriterion):
        return f"{command.scope}/{command.name}"
    return command.round


def _event(type_: str, changed: Round | Criterion) -> Event:
    return Event(type=type_, data=changed.model_dump(mode="json", exclude_none=True))
