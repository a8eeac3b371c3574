"""Group `dispatch.commands`: issue, raise, amend, cancel, extend or close a directive; or refuse to."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from services.dispatch.domain import directive as rules
from services.dispatch.domain.alert import raise_alert
from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.domain.directive import Directive, Issuer, Limits
from services.dispatch.store import DIRECTIVES, ISSUERS
from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.directives import (
    AmendDirective,
    CancelDirective,
    CloseDirective,
    DirectiveCommand,
    DirectiveFact,
    ExtendDirective,
    IssueDirective,
    Order,
    RaiseDirective,
)
from shared.contracts.dispatch import LinePost, Relay
from shared.contracts.envelope import Context, Message, message
from shared.contracts.outcomes import Event, Outcome
from shared.contracts.registry import Roster
from shared.domain.authority import Refusal
from shared.domain.dated import Dated
from shared.flow.decide import Accepted, Rejected
from shared.flow.documents import Documents
from shared.flow.records import Record
from shared.kernel.codes import desk_of, desk_of_post
from shared.kernel.ids import derived_id
from shared.service.rosters import ROSTERS

CHANGED = "directive-changed"

Command = (
    IssueDirective | AmendDirective | CancelDirective | CloseDirective | ExtendDirective | RaiseDirective
)


class Directives:
    """The `Decider` of directives."""

    def __init__(self, *, source: str, limits: Limits, deadlines: Dated[DefaultDeadlines]) -> None:
        self._source = source
        self._limits = limits
        self._deadlines = deadlines

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        """Load directives, their issuers' open ones, and the roster copies a decision may rest on."""
        commands = [_command(record) for record in records]
        await docs.load(DIRECTIVES, {command.directive for command in commands})
        # An alert's issuer is known only when its chain is, and it counts against nobody's open directives.
        await docs.load(
            ISSUERS, {command.issuer for command in commands if not isinstance(command, RaiseDirective)}
        )
        desks = {record.body.desk for record in records if isinstance(record.body, DirectiveCommand)}
        desks |= {desk_of(command.scope) for command in commands if isinstance(command, IssueDirective)}
        await docs.load(ROSTERS, desks)

    def rows(self, record: Record) -> Sequence[Model]:
        """Return the one command a record carries."""
        return (_command(record),)

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        """Decide with what the documents say now."""
        decided, based_on = self._decide(docs, row, record)
        if isinstance(decided, Refusal):
            return Rejected(decided.code, decided.detail, based_on)
        return Accepted((_event(decided),), based_on)

    def _decide(
        self, docs: Documents, row: Model, record: Record
    ) -> tuple[Directive | Refusal, Mapping[str, int]]:
        match row:
            case IssueDirective():
                rosters = _rosters(docs, {desk_of_post(row.issuer), desk_of(row.scope)})
                decided = rules.issue(
                    row,
                    actor=record.actor,
                    now=record.at,
                    known=docs.get(DIRECTIVES, row.directive),
                    issuer=docs.get(ISSUERS, row.issuer) or Issuer(),
                    rosters=rosters,
                    deadlines=self._deadlines.on(record.at).order,
                    limits=self._limits,
                )
                return decided, {f"roster/{desk}": roster.v for desk, roster in rosters.items()}
            case AmendDirective() | CancelDirective():
                return self._say_more(docs, row, record)
            case CloseDirective():
                known = docs.get(DIRECTIVES, row.directive)
                return rules.close(row, actor=record.actor, now=record.at, known=known), {}
            case ExtendDirective():
                return rules.extend(row, actor=record.actor, known=docs.get(DIRECTIVES, row.directive)), {}
            case RaiseDirective():
                return self._raise(docs, row, record)
            case _:
                raise TypeError(type(row).__name__)

    def _say_more(
        self, docs: Documents, row: AmendDirective | CancelDirective, record: Record
    ) -> tuple[Directive | Refusal, Mapping[str, int]]:
        here = docs.get(ROSTERS, desk_of_post(row.issuer))
        known = docs.get(DIRECTIVES, row.directive)
        if isinstance(row, AmendDirective):
            decided = rules.amend(row, actor=record.actor, now=record.at, known=known, here=here)
        else:
            decided = rules.cancel(row, actor=record.actor, now=record.at, known=known, here=here)
        return decided, {f"roster/{here.desk}": here.v} if here else {}

    def _raise(
        self, docs: Documents, row: RaiseDirective, record: Record
    ) -> tuple[Directive | Refusal, Mapping[str, int]]:
        here = docs.get(ROSTERS, row.alert.desk)
        decided = raise_alert(
            row,
            actor=record.actor,
            now=record.at,
            known=docs.get(DIRECTIVES, row.directive),
            here=here,
            deadlines=self._deadlines.on(record.at).alert,
        )
        return decided, {f"roster/{here.desk}": here.v} if here else {}

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        """Make a changed directive true, and keep its issuer's list of open ones."""
        del record
        directive = _directive(event)
        order = directive.order
        docs.put(DIRECTIVES, order.directive, directive)
        if order.kind == "alert":
            return
        issuer = docs.get(ISSUERS, order.issuer) or Issuer()
        if order.status == "open":
            issuer.open.add(order.directive)
        else:
            issuer.open.discard(order.directive)
        docs.put(ISSUERS, order.issuer, issuer)

    def derive(self, docs: Documents, decided: Sequence[tuple[Record, Outcome]]) -> Iterable[Message]:
        """Publish each touched directive as stored, and relay it to the issuing desk."""
        last = {_command(record).directive: record for record, _ in decided}
        for id_, record in last.items():
            directive = docs.get(DIRECTIVES, id_)
            if directive is None:
                continue
            order = directive.order
            fact = DirectiveFact(
                v=docs.version(DIRECTIVES, id_),
                order=order,
                reason=directive.reason,
                closed_at=directive.closed_at,
            )
            yield message(
                contract.DIRECTIVES_TOPIC, contract.DIRECTIVE, id_, fact,
                self._context(record, "directive", id_, fact.v),
            )  # fmt: skip
            relay = Relay(order=order, to=order.desk, line=directive.line)
            yield message(
                contract.DESKS_TOPIC, contract.RELAY, order.desk, relay,
                self._context(record, "relay", id_, *map(int, order.rank)),
            )  # fmt: skip

    def _context(self, cause: Record, *name: str | int) -> Context:
        return cause.causing(derived_id(*name), source=self._source, actor=cause.actor)


def _command(record: Record) -> Command:
    body = record.body
    if not isinstance(body, DirectiveCommand):
        raise TypeError(type(body).__name__)
    return body.command


def _rosters(docs: Documents, desks: set[str]) -> dict[str, Roster]:
    return {desk: roster for desk in sorted(desks) if (roster := docs.get(ROSTERS, desk)) is not None}


def _event(directive: Directive) -> Event:
    data = {
        "order": directive.order.model_dump(mode="json", exclude_none=True),
        "line": [post.model_dump(mode="json", exclude_none=True) for post in directive.line],
        "reason": directive.reason,
        "closed_at": directive.closed_at.isoformat() if directive.closed_at else None,
    }
    return Event(type=CHANGED, data=data)


def _directive(event: Event) -> Directive:
    data = event.data
    closed_at = data["closed_at"]
    return Directive(
        Order.model_validate(data["order"]),
        tuple(LinePost.model_validate(post) for post in data["line"]),
        data["reason"],
        datetime.fromisoformat(closed_at) if closed_at else None,
    )
