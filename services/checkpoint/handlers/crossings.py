"""Group `checkpoint.crossings`: crossings become who is in and out, each gate's day, readings and alerts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.checkpoint.domain import gate_day
from services.checkpoint.domain import presence as rules
from services.checkpoint.domain.gate_day import GateDay, gate_day_id
from services.checkpoint.domain.ground import SYSTEM
from services.checkpoint.domain.presence import BOUND, About, Presence, presence_id
from services.checkpoint.domain.rules import GateRules
from services.checkpoint.store import GATE_DAYS, HOUSEHOLDS, PASSES, PRESENCE
from shared.contracts import checkpoint as contract
from shared.contracts import screening
from shared.contracts.alerts import Alert
from shared.contracts.base import Model
from shared.contracts.checkpoint import Crosser, Crossing, OverstayTick
from shared.contracts.envelope import Message, message
from shared.contracts.screening import Reading
from shared.contracts.topics import Topic
from shared.domain.dated import Dated
from shared.flow.documents import Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record
from shared.kernel.clock import from_ms, iso, local_day, utc_ms
from shared.kernel.ids import derived_id

OVERSTAY: Final = "overstay"


class Crossings(Merge):
    """Merges what gates say. A gate need not be registered: what happened there has happened.

    A gate that has not heard of a pass lets it through by its signature and names no household: here it is
    looked up. The text of a pass is given out only once the pass is majority committed, and its household
    never changes, so what is read is the same at every delivery.
    """

    def __init__(self, *, source: str, rules: Dated[GateRules], zone: ZoneInfo) -> None:
        self._source = source
        self._rules = rules
        self._zone = zone

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load presences and gate-days, then the households that a reading or an alert is about."""
        records = [arrival for arrival in arrivals if isinstance(arrival, Record)]
        presences = {id_ for record in records for id_ in _presences_of(record.body)}
        await docs.load(PRESENCE, presences)
        crossings = [record.body for record in records if isinstance(record.body, Crossing)]
        await docs.load(GATE_DAYS, {self._day_id(crossing) for crossing in crossings})
        people = [person for crossing in crossings for person in crossing.people]
        await docs.load(PASSES, {person.pass_id or "" for person in people if _is_looked_up(person)})
        about = (held.about for id_ in presences if (held := docs.get(PRESENCE, id_)) is not None)
        households = {each.household for each in about if each is not None and each.kind == BOUND}
        households |= {_named(docs, person).household or "" for person in people if _is_told(person)}
        await docs.load(HOUSEHOLDS, households - {""})

    def rule(self, docs: Documents, record: Record) -> None:
        """Merge one crossing or tick."""
        body = record.body
        match body:
            case Crossing():
                self._crossing(docs, body, record)
            case OverstayTick():
                presence = _held(docs, body.desk, body.pass_id)
                rules.merge_tick(presence, utc_ms(body.due), utc_ms(record.at))
                _put(docs, presence)
            case _:
                raise TypeError(type(body).__name__)

    def _crossing(self, docs: Documents, crossing: Crossing, record: Record) -> None:
        id_ = self._day_id(crossing)
        day = docs.get(GATE_DAYS, id_) or GateDay(crossing.gate, id_.rpartition("/")[2])
        gate_day.merge_crossing(day, record.id, crossing)
        docs.put(GATE_DAYS, id_, day)
        at = utc_ms(_believed(crossing, record.at))
        for person in _passed(crossing):
            presence = _held(docs, crossing.desk, person.pass_id or "")
            rules.merge_crossing(presence, record.id, crossing, _named(docs, person), at)
            _put(docs, presence)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish a reading for each temperature, and an alert for each holder who was not back in time."""
        last: dict[str, Record] = {}
        for arrival in arrivals:
            if not isinstance(arrival, Record):
                continue
            if isinstance(arrival.body, Crossing):
                yield from self._readings(docs, arrival.body, arrival)
            last |= dict.fromkeys(_presences_of(arrival.body), arrival)
        for id_, record in last.items():
            presence = docs.get(PRESENCE, id_)
            about, shown = (presence.about, rules.standing(presence)) if presence else (None, None)
            # Without a household there is nobody to tell; the gate's own page shows it all the same.
            if presence and about and about.household and shown and shown.overstayed:
                yield self._alert(docs, presence, about, record)

    def _readings(self, docs: Documents, crossing: Crossing, record: Record) -> Iterator[Message]:
        for number, each in enumerate(crossing.people):
            person = _named(docs, each)
            if person.temperature is None or person.household is None or person.subject is None:
                continue
            household = docs.get(HOUSEHOLDS, person.household)
            reading = Reading(
                desk=household.desk if household else crossing.desk,
                household=person.household,
                person=person.subject,
                temperature=person.temperature,
                means="gate",
                gate=crossing.gate,
                at=_believed(crossing, record.at),
            )
            yield self._message(
                screening.READINGS_TOPIC, screening.READING, reading.desk, reading, record,
                derived_id("reading", record.id, number),
            )  # fmt: skip

    def _alert(self, docs: Documents, presence: Presence, about: About, record: Record) -> Message:
        """Tell the household's chain; at each later crossing of the pass again, under the same id."""
        household = docs.get(HOUSEHOLDS, about.household)
        until = from_ms(about.until)
        alert = Alert(
            alert=derived_id(OVERSTAY, presence.pass_id, iso(until)),
            rule=OVERSTAY,
            version=self._rules.version_on(until)[0],
            desk=household.desk if household else presence.desk,
            unit=household.unit if household else about.area,
            household=about.household,
            charge=household.charges.get("main") if household else None,
            subject=about.subject or None,
            text=f"限时外出逾时未归，应于 {until.astimezone(self._zone):%Y-%m-%d %H:%M} 前返回，请核实。",
            at=until,
        )
        return self._message(contract.ALERTS_TOPIC, contract.ALERT, alert.desk, alert, record, alert.alert)

    def _message(self, topic: Topic, type_: str, key: str, body: Model, cause: Record, id_: str) -> Message:
        context = cause.causing(id_, source=self._source, actor=SYSTEM)
        return message(topic, type_, key, body, context)

    def weight(self, record: Arrival) -> int:
        """Count a crossing as the people in it: each has a presence to write."""
        body = record.body if isinstance(record, Record) else None
        return len(body.people) if isinstance(body, Crossing) else 1

    def _day_id(self, crossing: Crossing) -> str:
        # By what the record itself says: by the broker's time a repetition after midnight would count again.
        return gate_day_id(crossing.gate, local_day(crossing.at, self._zone))


def _believed(crossing: Crossing, now: datetime) -> datetime:
    """Return when a crossing was: as its gate says, but never after the broker had the record."""
    return min(crossing.at, now)


def _passed(crossing: Crossing) -> list[Crosser]:
    """Return who went through with a pass; a vehicle of whom one may not pass does not pass."""
    if crossing.verdict != "allow":
        return []
    return [person for person in crossing.people if person.pass_id and person.verdict == "allow"]


def _is_told(person: Crosser) -> bool:
    """Return whether a household's chain may have to hear of this person: of a fever, or of an overstay."""
    return person.temperature is not None or person.kind == BOUND


def _is_looked_up(person: Crosser) -> bool:
    return person.household is None and person.pass_id is not None and _is_told(person)


def _named(docs: Documents, person: Crosser) -> Crosser:
    """Return a person with the household of their pass, where none was said and somebody must be told."""
    issued = docs.get(PASSES, person.pass_id or "") if _is_looked_up(person) else None
    return person.model_copy(update={"household": issued.household}) if issued else person


def _presences_of(body: Model) -> list[str]:
    match body:
        case Crossing():
            return [presence_id(body.desk, person.pass_id or "") for person in _passed(body)]
        case OverstayTick():
            return [presence_id(body.desk, body.pass_id)]
        case _:
            return []


def _put(docs: Documents, presence: Presence) -> None:
    docs.put(PRESENCE, presence_id(presence.desk, presence.pass_id), presence)


def _held(docs: Documents, desk: str, pass_id: str) -> Presence:
    return docs.get(PRESENCE, presence_id(desk, pass_id)) or Presence(pass_id, desk)
