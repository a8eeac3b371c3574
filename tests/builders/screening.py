"""Valid objects of screening, with overrides: two communities under a street, and what is said at a door.

street   S/s:chief  (held by `boss`)
desk     D          grid D001: h1 and h2 (building 1), h3 (building 2, nobody's charge); grid D002: h4;
                    h5 in no grid
other    O          grid O001: o1
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.screening.domain.denominator import Denominator
from services.screening.domain.fever import Fever
from services.screening.domain.merging import Ground, merge_opening, take_children, take_households
from services.screening.domain.round import Terms
from services.screening.domain.sheet import Head, Sheet
from services.screening.handlers.progress import CoverageRoll
from services.screening.handlers.rounds import Rounds
from services.screening.handlers.sheets import Sheets
from services.screening.store import CHARGES, HOUSEHOLDS, ROSTERS
from services.screening.subscribers import charges as charges_copies
from services.screening.subscribers import households as household_copies
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.base import Model, Scope
from shared.contracts.catalog import MODELS
from shared.contracts.envelope import Context, Message, header, message
from shared.contracts.registry import Charges, ChildDesk, HouseholdFact, Roster, Seat
from shared.contracts.screening import (
    Census,
    Coverage,
    Opening,
    PersonSeen,
    Reading,
    Round,
    RoundTick,
    ScreeningCommand,
    Visit,
)
from shared.contracts.topics import Topic
from shared.domain.dated import Dated
from shared.flow.batch import Flow
from shared.flow.decide import Decide
from shared.flow.documents import Write
from shared.flow.handler import Handler
from shared.kernel.clock import utc_ms
from shared.messaging.reading import read
from tests.fakes.log import PARTITIONS, Raw, Watch, arriving
from tests.fakes.storage import MemoryStorage

STREET = "610802006"
DESK = f"{STREET}003"
OTHER = f"{STREET}004"
GRID = f"{DESK}001"
GRID2 = f"{DESK}002"
NOON = datetime(2026, 1, 1, 4, tzinfo=UTC)
"""Noon in the city, which is eight hours ahead."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TODAY = date(2026, 1, 1)
ZONE = ZoneInfo("Asia/Shanghai")
ROUND = "01JGXA00000000000000000101"
CHIEF = f"{STREET}/s:chief"
VISITOR = f"{GRID}/s:grid"
FLOOR = f"{GRID}.b1.f1/s:floor"
SOURCE = "/city/6108/test"
FEVER = Dated([(datetime(2020, 1, 1, tzinfo=UTC), Fever(celsius=37.3))])
TERMS = Dated([(datetime(2020, 1, 1, tzinfo=UTC), Terms(due=3600, skew=300))])


def household(name: str, unit: str = f"{GRID}.b1", **other: Any) -> HouseholdFact:
    """Return a household of two, by a short name, in the grid that its unit lies in."""
    grid = unit[:15] if len(unit.split(".", maxsplit=1)[0]) == len(GRID) else None
    fields: dict[str, Any] = {
        "household": name_of(name),
        "v": 1,
        "desk": unit[:12],
        "unit": unit,
        "within": tuple(dict.fromkeys(each for each in (grid, unit) if each)),
        "care_unit": grid,
        "members": (f"p-{name}-a", f"p-{name}-b"),
        "charges": {"main": FLOOR},
    }
    return HouseholdFact(**{**fields, **other})


def name_of(name: str) -> str:
    """Return a household's id."""
    return f"household-{name}"


HOUSES = (
    household("h1"),
    household("h2"),
    household("h3", f"{GRID}.b2", charges={}),
    household("h4", f"{GRID2}.b1"),
    household("h5", f"{DESK}.c1", within=(f"{DESK}.c1",), care_unit=None),
)
OTHER_HOUSES = (household("o1", f"{OTHER}001.b1"),)


def roster(desk: str = DESK, **other: Any) -> Roster:
    """Return a desk's roster; the street's has the chief's seat and both communities."""
    fields: dict[str, Any] = {
        "desk": desk,
        "v": 1,
        "on": TODAY,
        "path": tuple(desk[:size] for size in (2, 4, 6, 9) if size < len(desk)),
        "seats": tuple(_seats(desk)),
        "children": tuple(ChildDesk(desk=child) for child in (DESK, OTHER)) if desk == STREET else (),
    }
    return Roster(**{**fields, **other})


def _seats(desk: str) -> Iterable[Seat]:
    posts = {STREET: [(CHIEF, "boss")], DESK: [(f"{DESK}/s:area", "area"), (VISITOR, "walker")]}
    for post, holder in posts.get(desk, []):
        unit = post.split("/")[0]
        within = (unit,) if unit != desk else ()
        yield Seat(
            post=post, level="s:1", verb="leads", done_at="relayed", holder=holder, unit=unit, within=within
        )


def charges(desk: str = DESK, households: int = len(HOUSES), **other: Any) -> Charges:
    """Return a desk's charges record."""
    fields = {"desk": desk, "v": 1, "households": households, "members": 2 * households, "uncharged": 0}
    return Charges(**{**fields, **other})


def round_(**other: Any) -> Round:
    """Return an open round over the desk."""
    unit = other.pop("unit", DESK)
    desk = unit.partition(".")[0][:12]
    fields: dict[str, Any] = {
        "round": ROUND,
        "number": 1,
        "scope": Scope(unit=unit, desk=desk, path=tuple(desk[:n] for n in (2, 4, 6, 9) if n < len(desk))),
        "issuer": CHIEF,
        "title": "第一轮入户排查",
        "opened_at": NOON,
        "due": NOON + HOUR,
    }
    return Round(**{**fields, **other})


def closed(given: Round) -> Round:
    """Return a round as `close_round` makes it."""
    return given.model_copy(update={"status": "closed", "closed_at": NOON + HOUR})


def seen(name: str, who: str = "a", **other: Any) -> PersonSeen:
    """Return a member without a fever who says no to everything."""
    fields: dict[str, Any] = {"temperature": 36.5, "answers": {"symptoms": False, "travelled": False}}
    return PersonSeen(person=f"p-{name}-{who}", **{**fields, **other})


def visit(name: str, found: str = "screened", **other: Any) -> Visit:
    """Return a visit at noon; where it screened, to both members at once (U-12)."""
    members = (seen(name), seen(name, "b")) if found == "screened" else ()
    fields: dict[str, Any] = {
        "round": ROUND,
        "desk": DESK,
        "household": name_of(name),
        "found": found,
        "members": members,
        "by": VISITOR,
        "at": NOON,
    }
    return Visit(**{**fields, **other})


def reading(name: str, temperature: float = 36.6, **other: Any) -> Reading:
    """Return a reading of a household's first member at noon."""
    fields: dict[str, Any] = {
        "desk": DESK,
        "household": name_of(name),
        "person": f"p-{name}-a",
        "temperature": temperature,
        "means": "gate",
        "at": NOON,
    }
    return Reading(**{**fields, **other})


@dataclass(slots=True)
class Held:
    """A frozen desk in hand: for rules that are tried without documents."""

    head: Head
    denominator: Denominator
    sheets: dict[str, Sheet]
    copies: dict[str, HouseholdFact] = field(default_factory=dict)

    @property
    def ground(self) -> Ground:
        """What the rules are given."""
        return Ground(self.denominator, self.sheets.__getitem__, self.copies.get, ZONE)


def held(given: Round | None = None, households: Sequence[HouseholdFact] = HOUSES) -> Held:
    """Return the desk as the round has frozen it."""
    terms = given or round_()
    head = Head(terms.round, DESK)
    merge_opening(head, Opening(round=terms, to=DESK))
    take_children(head, roster())
    denominator, sheets = take_households(head, terms, charges(), households)
    return Held(head, denominator, sheets, {each.household: each for each in households})


# --- the groups together ---

GROUPS: Mapping[str, str] = {
    contract.COMMANDS_TOPIC.name: "screening.commands",
    contract.DESKS_TOPIC.name: "screening.sheets",
    contract.VISITS_TOPIC.name: "screening.sheets",
    contract.READINGS_TOPIC.name: "screening.sheets",
    contract.TALLIES_TOPIC.name: "screening.progress",
    registry.HOUSEHOLDS_TOPIC.name: "screening.households",
    registry.CHARGES_TOPIC.name: "screening.charges",
}


def handlers() -> dict[str, Handler]:
    """Return the handler of each group."""
    return {
        "screening.commands": Decide(
            Rounds(source=SOURCE, terms=TERMS),
            outcomes=contract.OUTCOMES_TOPIC,
            outcome_type=contract.OUTCOME,
            source=SOURCE,
        ),
        "screening.sheets": Sheets(source=SOURCE, fever=FEVER, zone=ZONE),
        "screening.progress": CoverageRoll(source=SOURCE),
        "screening.households": household_copies(),
        "screening.charges": charges_copies(),
    }


class Screening:
    """The groups on one storage; what one publishes the next one reads, until nothing is left to say.

    `twice` feeds every record twice, as after a crash between publishing and the offset commit.
    """

    def __init__(self, *copies: Roster | Charges | HouseholdFact, twice: bool = False) -> None:
        self.storage = MemoryStorage()
        self.twice = twice
        self.watch = Watch()
        self.flows = {
            group: Flow(
                group,
                handler,
                storage=self.storage,
                publish=self.watch.publish,
                partitions=lambda _topic: PARTITIONS,
                observer=self.watch,
            )
            for group, handler in handlers().items()
        }
        self.said: list[Message] = []
        self.numbers = 0
        for copy in copies:
            self.copy(copy)

    def copy(self, fact: Roster | Charges | HouseholdFact) -> None:
        """Keep a copy as its own group would."""
        match fact:
            case Roster():
                self._write(ROSTERS.name, fact.desk, ROSTERS.encode(fact))
            case Charges():
                self._write(CHARGES.name, fact.desk, CHARGES.encode(fact))
            case HouseholdFact():
                self._write(HOUSEHOLDS.name, fact.household, HOUSEHOLDS.encode(fact))

    def _write(self, collection: str, id_: str, body: dict[str, Any]) -> None:
        known = self.storage.body(collection, id_)
        self.storage.put(Write(collection, id_, known["v"] if known else 0, body))

    async def tell(
        self, *bodies: Model, actor: str = "boss", id_: str | None = None, now: datetime = NOON
    ) -> None:
        """Append messages of the outside world as one poll, and let everything follow from them."""
        records = []
        for body in bodies:
            topic, type_, key = address(body)
            self.numbers += 1
            context = Context(id_ or f"message-{self.numbers:04}", SOURCE, NOON, actor)
            records.append(message(topic, type_, key, body, context))
        await self.settle(records, now=now)

    async def settle(self, records: Sequence[Message], *, now: datetime = NOON) -> None:
        waiting = list(records)
        while waiting:
            group = GROUPS.get(waiting[0].topic)
            batch = [each for each in waiting if GROUPS.get(each.topic) == group]
            waiting = [each for each in waiting if GROUPS.get(each.topic) != group]
            if group is None:
                continue
            before = len(self.watch.published)
            await self.take(group, batch, now=now)
            fresh = [each for each in self.watch.published[before:] if each not in self.said]
            self.said.extend(dict.fromkeys(fresh))
            waiting.extend(dict.fromkeys(fresh))

    async def take(self, group: str, batch: Sequence[Message], *, now: datetime = NOON) -> None:
        """Apply one poll of a group."""
        raws: list[Raw] = []
        for each in batch:
            self.numbers += 1
            raws.append(arriving(each, offset=self.numbers, timestamp=utc_ms(now)))
        await self.flows[group]([read(raw) for raw in raws])
        if self.twice:
            await self.flows[group]([read(raw) for raw in raws])

    def bodies(self, type_: str) -> list[Any]:
        """Return what was said of one type, in turn."""
        return [
            MODELS[type_].model_validate_json(each.value or b"")
            for each in self.said
            if header(each.headers, "ce_type") == type_
        ]

    def coverage(self, desk: str = DESK) -> Coverage:
        """Return the newest coverage of a desk."""
        shown: list[Coverage] = [each for each in self.bodies(contract.COVERAGE) if each.desk == desk]
        return max(shown, key=lambda each: each.v)

    def head(self, desk: str = DESK) -> dict[str, Any]:
        """Return the stored head of the round at a desk."""
        return self.storage.body("heads", f"{ROUND}/{desk}") or {}


def address(body: Model) -> tuple[Topic, str, str]:
    """Return where a message of the outside world goes."""
    match body:
        case ScreeningCommand():
            return contract.COMMANDS_TOPIC, contract.COMMAND, contract.COMMANDS_TOPIC.routing(body)  # type: ignore[misc]
        case Opening():
            return contract.DESKS_TOPIC, contract.OPENING, body.to
        case Census():
            return contract.DESKS_TOPIC, contract.CENSUS, body.desk
        case Visit():
            return contract.VISITS_TOPIC, contract.VISIT, body.desk
        case Reading():
            return contract.READINGS_TOPIC, contract.READING, body.desk
        case RoundTick():
            return contract.TALLIES_TOPIC, contract.TICK, f"{body.desk}/{body.round}"
        case HouseholdFact():
            return registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, body.household
        case Charges():
            return registry.CHARGES_TOPIC, registry.CHARGES, body.desk
        case _:
            raise TypeError(type(body).__name__)
