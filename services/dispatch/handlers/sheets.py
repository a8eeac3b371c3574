"""Group `dispatch.sheets`: relays, answers, escalations and ticks become sheets; sheets become fan-outs."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from services.dispatch.domain import fanout
from services.dispatch.domain import merging as rules
from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.domain.escalation import climbing, escalations
from services.dispatch.domain.frozen import Frozen, freeze, refreeze
from services.dispatch.domain.sheet import Sheet, frozen_id, sheet_id
from services.dispatch.domain.tally import own_tally
from services.dispatch.store import FROZEN, SHEETS
from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, Delivered, Delivery, Escalate, Fill, Relay, Tick
from shared.contracts.envelope import Message, message
from shared.contracts.registry import Roster
from shared.contracts.topics import Topic
from shared.domain.dated import Dated
from shared.flow.documents import Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record
from shared.kernel.clock import utc_ms
from shared.kernel.ids import derived_id
from shared.service.rosters import ROSTERS

FREEZE_WEIGHT = 40
"""Relays and fills freeze a whole roster: a hundred of them are as much as a transaction should hold."""


class Sheets(Merge):
    """Merges what is said at a desk, and sends on whatever its sheets have released."""

    def __init__(self, *, source: str, deadlines: Dated[DefaultDeadlines]) -> None:
        self._source = source
        self._deadlines = deadlines

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load sheets, then their audiences, and rosters where an audience may have to be frozen."""
        bodies = [arrival.body for arrival in arrivals if isinstance(arrival, Record)]
        await docs.load(SHEETS, {id_ for body in bodies if (id_ := _sheet_of(body))})
        await docs.load(ROSTERS, {desk for body in bodies if (desk := _desk_to_freeze(body))})
        audiences = {
            frozen_id(body.order.directive, body.to, body.order.version)
            for body in bodies
            if isinstance(body, Relay)
        }
        for id_ in {id_ for body in bodies if (id_ := _sheet_of(body))}:
            held = docs.get(SHEETS, id_)
            if held is None or held.order is None:
                continue
            audiences.add(held.frozen or frozen_id(held.directive, held.desk, held.order.version))
        await docs.load(FROZEN, audiences)

    def rule(self, docs: Documents, record: Record) -> None:
        """Merge one record into its sheet."""
        body = record.body
        match body:
            case Relay():
                self._relay(docs, body, record.at)
            case Fill():
                self._fill(docs, body, record.at)
            case Tick():
                sheet = _held(docs, body.directive, body.desk)
                rules.tick(sheet, utc_ms(body.due), utc_ms(record.at), _audience(docs, sheet))
                _put(docs, sheet, asked=True)
            case Answer():
                self._answer(docs, body, record)
            case _:
                pass  # an escalation changes nothing here: it is passed on in `derive`

    def _relay(self, docs: Documents, relay: Relay, now: datetime) -> None:
        order = relay.order
        sheet = _held(docs, order.directive, relay.to)
        if sheet.order is not None and order.rank <= sheet.order.rank:
            return
        earlier, frozen = _audience(docs, sheet), None
        if sheet.order is None or order.version > sheet.order.version:
            frozen = _frozen(order, _roster(docs, order, relay.to), earlier)
        if rules.merge_relay(sheet, relay, frozen, now, earlier) and frozen is not None:
            docs.put(FROZEN, frozen_id(sheet.directive, sheet.desk, frozen.version), frozen)
        _put(docs, sheet, asked=True)

    def _fill(self, docs: Documents, body: Fill, now: datetime) -> None:
        sheet = _held(docs, body.directive, body.desk)
        roster = _roster(docs, sheet.order, body.desk) if sheet.order else None
        if roster is None or sheet.order is None:
            return
        frozen = freeze(sheet.order, roster)
        if rules.fill(sheet, frozen, now):
            docs.put(FROZEN, frozen_id(sheet.directive, sheet.desk, frozen.version), frozen)
            _put(docs, sheet, asked=True)

    def _answer(self, docs: Documents, answer: Answer, record: Record) -> None:
        sheet = _held(docs, answer.directive, answer.desk)
        now = utc_ms(record.at)
        rules.merge_answer(sheet, answer, record.id, now, _audience(docs, sheet))
        rules.await_relay(sheet, now + int(self._deadlines.on(record.at).done * 1000))
        _put(docs, sheet, asked=answer.by is not None or answer.state == "refused")

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish one tally a touched sheet, and whatever those sheets have released and not sent."""
        last: dict[str, Record] = {}
        freezing: set[str] = set()
        for arrival in arrivals:
            if not isinstance(arrival, Record):
                continue
            if isinstance(arrival.body, Escalate):
                yield self._decide_for(arrival.body, arrival)
            elif id_ := _sheet_of(arrival.body):
                last[id_] = arrival
                freezing |= {id_} if _desk_to_freeze(arrival.body) else set()
        for id_, record in last.items():
            sheet = docs.get(SHEETS, id_)
            if sheet is not None:
                yield from self._of_sheet(docs, sheet, record, froze=id_ in freezing)

    def _of_sheet(self, docs: Documents, sheet: Sheet, cause: Record, *, froze: bool) -> Iterator[Message]:
        frozen = _audience(docs, sheet)
        id_ = sheet_id(sheet.directive, sheet.desk)
        if froze and frozen is not None:
            key = f"{id_}/frozen/{frozen.version}"
            yield self._message(
                contract.PROGRESS_TOPIC, contract.FROZEN, key, frozen.fact(sheet.directive), cause, key
            )
        for delivery in fanout.deliveries(sheet, frozen) if frozen else ():
            to = [entry.addressee for entry in delivery.entries]
            yield self._message(
                contract.DELIVERIES_TOPIC, contract.DELIVERY, sheet.desk, delivery, cause,
                "delivery", id_, delivery.version, delivery.epoch, *to,
            )  # fmt: skip
        for relay in fanout.relays(sheet, frozen):
            yield self._message(
                contract.DESKS_TOPIC, contract.RELAY, relay.to, relay, cause,
                "relay", id_, relay.to, *map(int, relay.order.rank),
            )  # fmt: skip
        for escalate in escalations(sheet, frozen):
            about = [
                f"{entry.addressee}@{sheet.entries.rung[frozen.index[entry.addressee] if frozen else 0]}"
                for entry in escalate.entries
            ]
            yield self._message(
                contract.DESKS_TOPIC, contract.ESCALATE, escalate.to.desk, escalate, cause,
                "escalate", id_, escalate.version, escalate.to.post, *about,
            )  # fmt: skip
        v = docs.version(SHEETS, id_)
        tally = own_tally(sheet, frozen, v)
        if tally is not None:
            yield self._message(
                contract.TALLIES_TOPIC, contract.TALLY, f"{sheet.desk}/{sheet.directive}", tally, cause,
                "tally", id_, v,
            )  # fmt: skip

    def _decide_for(self, escalate: Escalate, cause: Record) -> Message:
        """Bring open entries to the superior who must decide for them."""
        to = escalate.to
        delivery = Delivery(
            directive=escalate.directive,
            version=escalate.version,
            epoch=escalate.epoch,
            desk=to.desk,
            effect=escalate.effect,
            text=escalate.text,
            entries=(Delivered(addressee=to.post, holder=to.holder or "unknown"),),
            sheet=escalate.sheet,
            decide_for=escalate.entries,
        )
        return self._message(
            contract.DELIVERIES_TOPIC, contract.DELIVERY, to.desk, delivery, cause, "decide-for", cause.id
        )

    def _message(
        self, topic: Topic, type_: str, key: str, body: Model, cause: Record, *name: str | int
    ) -> Message:
        context = cause.causing(derived_id(*name), source=self._source)
        return message(topic, type_, key, body, context)

    def weight(self, record: Arrival) -> int:
        """Count what freezes as many rows, for a server refuses a transaction that outgrows its cache."""
        return FREEZE_WEIGHT if isinstance(record, Record) and isinstance(record.body, Relay | Fill) else 1

    def mark(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Note what `derive` sent, so that it is not sent at every later touch."""
        bodies = [arrival.body for arrival in arrivals if isinstance(arrival, Record)]
        for id_ in {id_ for body in bodies if (id_ := _sheet_of(body))}:
            sheet = docs.get(SHEETS, id_)
            if sheet is not None and fanout.mark_sent(sheet, _audience(docs, sheet)):
                docs.put(SHEETS, id_, sheet)


def _sheet_of(body: Model) -> str | None:
    match body:
        case Relay():
            return sheet_id(body.order.directive, body.to)
        case Answer() | Tick() | Fill():
            return sheet_id(body.directive, body.desk)
        case _:
            return None


def _desk_to_freeze(body: Model) -> str | None:
    match body:
        case Relay():
            return body.to
        case Fill():
            return body.desk
        case _:
            return None


def _roster(docs: Documents, order: Order, desk: str) -> Roster | None:
    """Return the roster to freeze from; for an alert, one without seats is as good as none."""
    roster = docs.get(ROSTERS, desk)
    return None if roster is not None and order.kind == "alert" and not roster.seats else roster


def _frozen(order: Order, roster: Roster | None, earlier: Frozen | None) -> Frozen | None:
    """Return who a version is for; without a roster those whom an earlier one was for, if they are known."""
    if roster is not None:
        return freeze(order, roster, earlier)
    return refreeze(order, earlier) if earlier is not None else None


def _held(docs: Documents, directive: str, desk: str) -> Sheet:
    return docs.get(SHEETS, sheet_id(directive, desk)) or Sheet(directive, desk)


def _audience(docs: Documents, sheet: Sheet) -> Frozen | None:
    return docs.get(FROZEN, sheet.frozen) if sheet.frozen else None


def _put(docs: Documents, sheet: Sheet, *, asked: bool) -> None:
    if asked:
        to = climbing(sheet, _audience(docs, sheet), unsent=False)
        sheet.asked = sorted({post.post for post in to})
    docs.put(SHEETS, sheet_id(sheet.directive, sheet.desk), sheet)
