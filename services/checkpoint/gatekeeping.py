"""From a gate's question to its answer and the crossing that is kept of it. No server is asked on the way."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from services.checkpoint.domain.deciding import Asked, Decision, GateNow, PassNow, decide, strictest
from services.checkpoint.domain.rules import GateRules
from services.checkpoint.keys import Keys
from services.checkpoint.pass_text import Presented, Reader
from services.checkpoint.views import GateView, PassView, Views
from shared.contracts.base import Code, Instant, MessageId, Model
from shared.contracts.checkpoint import Crosser, CrosserRole, Crossing, Direction
from shared.contracts.screening import Celsius
from shared.domain.dated import Dated
from shared.kernel.clock import iso, utc_ms
from shared.kernel.codes import desk_of, parse

PASSAGES: Final = 200_000
OCCUPANTS: Final = 59
_GATE: Final = "gate"

Json = dict[str, Any]


class Claim(Model):
    """Where somebody says that they live; nothing is proved by it, so it can only lead to people."""

    household: MessageId | None = None
    unit: Code | None = None


class Person(Model):
    """One person: what they show, what was measured, and where they say that they live."""

    text: Annotated[str, StringConstraints(max_length=4_096)] | None = Field(default=None, alias="pass")
    temperature: Celsius | None = None
    claims: Claim | None = None


class Vehicle(Model):
    """Everybody in a vehicle (S3-21): without a driver's record its crossing is incomplete."""

    driver: Person | None = None
    occupants: Annotated[tuple[Person, ...], Field(max_length=OCCUPANTS)] = ()


class Question(Person):
    """What a gate asks; `at` is its own clock, which is kept and decides nothing."""

    direction: Direction
    at: Instant | None = None
    vehicle: Vehicle | None = None

    def people(self) -> list[tuple[CrosserRole, Person]]:
        """Return who is asked about: the person on foot, or everybody in the vehicle; [] if nobody is."""
        if self.vehicle is None:
            return [("pedestrian", self)]
        driver: list[tuple[CrosserRole, Person]] = (
            [("driver", self.vehicle.driver)] if self.vehicle.driver else []
        )
        return [*driver, *(("occupant", each) for each in self.vehicle.occupants)]


class Passages:
    """Who was let through where a moment ago, at this process: two gates within the window are odd (U-25)."""

    def __init__(self, *, limit: int = PASSAGES) -> None:
        self._limit = limit
        self._last: OrderedDict[tuple[str, Direction], tuple[int, str]] = OrderedDict()

    def elsewhere(self, pass_id: str, direction: Direction, gate: str, since_ms: int) -> bool:
        """Return whether a pass went the same way at another gate since then."""
        at, where = self._last.get((pass_id, direction), (-1, gate))
        return where != gate and at >= since_ms

    def note(self, pass_id: str, direction: Direction, gate: str, at_ms: int, since_ms: int) -> None:
        """Remember a passage, and forget those before the window."""
        last = self._last
        last[pass_id, direction] = at_ms, gate
        last.move_to_end((pass_id, direction))
        while len(last) > self._limit or next(iter(last.values()))[0] < since_ms:
            last.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What is the same for everybody in one question."""

    code: str
    view: GateView | None
    gate: GateNow
    direction: Direction
    now_ms: int
    rules: GateRules
    data_age: float | None


class Gatekeeper:
    """Answers questions from the views, the keys and the rules of the day."""

    def __init__(
        self,
        views: Views,
        reader: Reader,
        keys: Keys,
        rules: Dated[GateRules],
        data_age: Callable[[], float | None],
    ) -> None:
        self._views = views
        self._reader = reader
        self._keys = keys
        self._rules = rules
        self._data_age = data_age
        self._passages = Passages()

    def answer(self, gate: str, question: Question, now: datetime) -> tuple[Crossing, Json] | None:
        """Return the crossing and the answer; None for a gate that there is not.

        While the process has no data at all, every gate might be one, and everybody is referred.
        """
        view, age = self._views.gates.get(gate), self._data_age()
        if view is None and (age is not None or parse(gate).kind != _GATE):
            return None
        version, rules = self._rules.version_on(now)
        now_ms = utc_ms(now)
        moment = _Moment(gate, view, _now(view, now_ms), question.direction, now_ms, rules, age)
        people = [self._person(role, person, moment) for role, person in question.people()]
        overall = strictest([decision for _, decision, _ in people])
        if overall.verdict == "allow":
            self._note((crosser.pass_id for crosser, _, _ in people), moment)
        crossing = Crossing(
            gate=gate,
            desk=view.desk if view else desk_of(gate),
            area=view.area if view else str(parse(gate).parent()),
            direction=question.direction,
            at=now,
            claimed_at=question.at,
            vehicle=question.vehicle is not None,
            people=tuple(crosser for crosser, _, _ in people),
            verdict=overall.verdict,
            rules=version,
            data_age=None if age is None else round(age, 1),
        )
        return crossing, self._shown(crossing, overall, moment, [posts for _, _, posts in people])

    def _person(
        self, role: CrosserRole, person: Person, moment: _Moment
    ) -> tuple[Crosser, Decision, list[str]]:
        presented = self._reader.read(person.text, self._keys.current()) if person.text else None
        known = self._views.passes.get(presented.pass_id) if presented else None
        decision = decide(self._asked(person, presented, known, moment), moment.gate, moment.rules)
        crosser = Crosser(
            role=role,
            pass_id=presented.pass_id if presented else None,
            kind=presented.kind if presented else None,
            subject=presented.subject if presented else None,
            household=known.household if known else None,
            until=presented.until if presented else None,
            temperature=person.temperature,
            verdict=decision.verdict,
            code=decision.code,
        )
        return crosser, decision, self._posts(decision, person, known, moment)

    def _note(self, pass_ids: Iterable[str | None], moment: _Moment) -> None:
        since = moment.now_ms - moment.rules.replay_ms
        for pass_id in filter(None, pass_ids):
            self._passages.note(pass_id, moment.direction, moment.code, moment.now_ms, since)

    def _asked(
        self, person: Person, presented: Presented | None, known: PassView | None, moment: _Moment
    ) -> Asked:
        home, said = self._home(presented, known, moment), self._claimed(person.claims, moment)
        since = moment.now_ms - moment.rules.replay_ms
        return Asked(
            direction=moment.direction,
            now_ms=moment.now_ms,
            shown=_shown_pass(presented, known) if presented else None,
            presented=bool(person.text),
            # What cannot be known must not shut anybody out of their home.
            resident=home is not False or said is True,
            claimed=person.claims is not None and (home is True or said is not False),
            elsewhere=presented is not None
            and self._passages.elsewhere(presented.pass_id, moment.direction, moment.code, since),
            data_age=moment.data_age,
        )

    def _home(self, presented: Presented | None, known: PassView | None, moment: _Moment) -> bool | None:
        """Return whether the holder of a pass lives inside the area; None where it cannot be known.

        Of a pass that is not known yet, its own area says where its household lives.
        """
        if known is not None:
            return self._views.lives_in(known.household, moment.gate.areas)
        return self._views.place_in(presented.area, moment.gate.areas) if presented else False

    def _claimed(self, claim: Claim | None, moment: _Moment) -> bool | None:
        """Return whether a claim names a home inside the area; None where that is for people to say."""
        if claim is not None and claim.household is not None:
            return self._views.lives_in(claim.household, moment.gate.areas)
        if claim is not None and claim.unit is not None:
            return self._views.place_in(claim.unit, moment.gate.areas)
        return False

    def _posts(
        self, decision: Decision, person: Person, known: PassView | None, moment: _Moment
    ) -> list[str]:
        """Return who a person is referred to: whoever answers for the gate, then for the household."""
        if decision.verdict != "refer" or moment.view is None:
            return []
        household = known.household if known else person.claims.household if person.claims else None
        home = self._views.homes.get(household) if household else None
        return [moment.view.duty, *([home.charge] if home and home.charge else [])]

    def _shown(
        self, crossing: Crossing, overall: Decision, moment: _Moment, posts: Sequence[Sequence[str]]
    ) -> Json:
        """Return what the gate sees: the answer, back-by, and where to turn; nothing of the person (F-08)."""
        first = crossing.people[0]
        answer: Json = {
            "verdict": overall.verdict,
            "code": overall.code,
            "incomplete": crossing.incomplete,
            "rules": crossing.rules,
            "data_age": crossing.data_age,
        }
        if overall.verdict == "allow" and first.kind == "movement" and first.until:
            answer["until"] = iso(first.until)
        if referred := list(dict.fromkeys(post for each in posts for post in each)):
            answer["refer_to"] = referred
        if overall.code == "gate-closed" and (another := self._views.open_gate(crossing.area)):
            answer["open_gate"] = another
        if crossing.vehicle:
            answer["people"] = [
                {"role": each.role, "verdict": each.verdict, "code": each.code} for each in crossing.people
            ]
        claimed = crossing.claimed_at
        if claimed and abs((claimed - crossing.at).total_seconds()) > moment.rules.skew:
            answer["clock_skew"] = True
        return answer


def _now(view: GateView | None, now_ms: int) -> GateNow:
    if view is None:
        return GateNow((), open=False, emergency=False, known=False)
    return GateNow(view.areas, open=view.open, emergency=now_ms < view.emergency_until_ms)


def _shown_pass(presented: Presented, known: PassView | None) -> PassNow:
    return PassNow(
        presented.kind,
        presented.area,
        presented.since_ms,
        presented.until_ms,
        known.status if known else None,
    )
