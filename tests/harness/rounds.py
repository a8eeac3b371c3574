"""A small city as screening hears of it: households and charges, rounds, visits; and what must always hold.

first community   four households in its grid and one in none; second community: two in its grid.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Charges, HouseholdFact
from shared.contracts.screening import (
    CloseRound,
    Coverage,
    OpenRound,
    PersonSeen,
    Reading,
    ScreeningCommand,
    Visit,
)
from shared.contracts.topics import Topic
from shared.kernel.codes import desk_of
from tests.harness import judging
from tests.harness.api import Api
from tests.harness.log import SOURCE, Log, header, new_id
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.truth import fail_for
from tests.harness.waiting import until
from tests.harness.world import (
    FIRST,
    SECOND,
    STREET,
    STREET_DUTY,
    chief,
    community,
    district,
    holder,
    member,
    street,
)

GRID = f"{FIRST}001"
HOUSES = tuple(f"hh-first-{number:04}" for number in range(5))
"""The last of them in no grid."""

NEIGHBOURS = ("hh-second-0000", "hh-second-0001")
ALL = (*HOUSES, *NEIGHBOURS)
COVERING = ("screened", "vacant", "moved-away")


def fact(
    topic: Topic, type_: str, key: str, body: Model, *, actor: str = "registry", id_: str | None = None
) -> Message:
    """Return any message of the outside world."""
    context = Context(id=id_ or new_id("fact"), source=SOURCE, at=datetime.now(UTC), actor=actor)
    return message(topic, type_, key, body, context)


def desk_of_house(house: str) -> str:
    return SECOND if house in NEIGHBOURS else FIRST


def household(id_: str, **other: Any) -> Message:
    """Return a household of two, as registry says it."""
    desk = desk_of_house(id_)
    grid = None if id_ == HOUSES[-1] else f"{desk}001"
    unit = f"{grid}.b1.d{id_[-1]}" if grid else f"{desk}.c1.d{id_[-1]}"
    fields: dict[str, Any] = {
        "household": id_,
        "v": 1,
        "desk": desk,
        "unit": unit,
        "within": (grid, unit) if grid else (unit,),
        "care_unit": grid,
        "members": (f"p-{id_}-a", f"p-{id_}-b"),
        "charges": {"main": member(desk)},
    }
    body = HouseholdFact(**{**fields, **other})
    return fact(registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, body.household, body)


def charges(desk: str, households: int, v: int = 1) -> Message:
    body = Charges(desk=desk, v=v, households=households, members=2 * households, uncharged=0)
    return fact(registry.CHARGES_TOPIC, registry.CHARGES, desk, body)


def open_round(round_: str, scope: str = STREET, issuer: str = STREET_DUTY, **other: Any) -> Message:
    """Return the command that opens a round; its id is the round's, as the API does it."""
    command = OpenRound(round=round_, issuer=issuer, scope=scope, title="第一轮入户排查", **other)
    return _command(command, round_)


def close_round(round_: str, scope: str = STREET, issuer: str = STREET_DUTY) -> Message:
    return _command(CloseRound(round=round_, issuer=issuer, scope=scope), new_id("close"))


def _command(command: OpenRound | CloseRound, id_: str) -> Message:
    body, key = ScreeningCommand(command=command), desk_of(command.scope)
    return fact(contract.COMMANDS_TOPIC, contract.COMMAND, key, body, actor=holder(command.issuer), id_=id_)


def visit(round_: str, house: str, found: str = "screened", **other: Any) -> Visit:
    """Return a visit that measured both members, if anybody opened."""
    members = [PersonSeen(person=f"p-{house}-{who}", temperature=36.5) for who in "ab"]
    desk = desk_of_house(house)
    fields: dict[str, Any] = {
        "round": round_,
        "desk": desk,
        "household": house,
        "found": found,
        "members": members if found == "screened" else (),
        "by": chief(desk),
        "at": datetime.now(UTC),
    }
    return Visit(**{**fields, **other})


def of_visit(body: Visit, id_: str | None = None) -> Message:
    actor = holder(body.by)
    return fact(contract.VISITS_TOPIC, contract.VISIT, body.desk, body, actor=actor, id_=id_)


def reading(house: str, temperature: float, **other: Any) -> Reading:
    """Return a reading of a household's first member by telephone."""
    fields: dict[str, Any] = {
        "desk": desk_of_house(house),
        "household": house,
        "person": f"p-{house}-a",
        "temperature": temperature,
        "means": "phone",
        "by": chief(desk_of_house(house)),
        "at": datetime.now(UTC),
    }
    return Reading(**{**fields, **other})


def of_reading(body: Reading) -> Message:
    return fact(contract.READINGS_TOPIC, contract.READING, body.desk, body)


async def settled(service: Service, log: Log, *, houses: Sequence[str] = ALL) -> None:
    """Say all of the city, and wait until the service's copies have it."""
    rosters = (community(FIRST), community(SECOND), street(FIRST, SECOND), district())
    await log.rosters(*rosters)
    counts = (charges(FIRST, len(HOUSES)), charges(SECOND, len(NEIGHBOURS)))
    await log.append(*map(household, houses), *counts)
    await has_rosters(service, *rosters)
    await until(
        lambda: (
            all(stored(service, "households", house) for house in houses)
            and all(stored(service, "charges", desk) for desk in (FIRST, SECOND))
        ),
        what="the households and charges arrive",
    )


async def asked(api: Api, round_: str, what: str, post: str = STREET_DUTY, **query: Any) -> dict[str, Any]:
    """Return what screening shows of a round; {} while there is nothing."""
    answer = await api.call("GET", f"/rounds/{round_}/{what}", post, params=query)
    return dict(answer.json()) if answer.status_code == 200 else {}


async def covered(
    api: Api, round_: str, desk: str = STREET, within_s: float = 20.0, **counts: int | bool
) -> dict[str, Any]:
    """Wait until the coverage of a desk shows these counts."""
    shown: dict[str, Any] = {}

    async def look() -> bool:
        nonlocal shown
        shown = await asked(api, round_, "coverage", desk=desk)
        flat = {**shown, **shown.get("total", {})}
        return bool(shown) and all(flat.get(name) == wanted for name, wanted in counts.items())

    try:
        await until(look, what=f"{desk}: {counts}", within_s=within_s)
    except AssertionError as error:
        raise AssertionError(f"{error}; coverage: {shown}") from None
    return shown


async def never_more_covered_than_visited(log: Log, round_: str) -> list[Coverage]:
    """Fail if any coverage ever counted a household not visited by then; returns all of them."""
    visited = judging.first_said(_visits(await log.read(contract.VISITS_TOPIC), round_))
    shown = []
    for record in await log.read(contract.PROGRESS_TOPIC, round_):
        if header(record, "ce_type") != contract.COVERAGE:
            continue
        coverage = Coverage.model_validate_json(record.value)
        shown.append(coverage)
        here = [at for house, at in visited.items() if coverage.desk in (STREET, desk_of_house(house))]
        what, counted = f"{round_} at {coverage.desk} v{coverage.v}", coverage.total.covered
        fail_for(judging.counted_by_then(what, counted, record.timestamp, here))
        assert counted <= coverage.total.households
    assert shown, "no coverage was published"
    return shown


def _visits(records: Iterable[ConsumerRecord], round_: str) -> Iterator[tuple[str, int]]:
    """Yield each household that was visited to some effect, and when."""
    for record in records:
        try:
            body = Visit.model_validate_json(record.value)
        except ValidationError:
            continue  # bad data is nobody's visit
        if body.round == round_ and body.found in COVERING:
            yield body.household, record.timestamp


async def said_once(log: Log, topics: Iterable[Topic], name: str) -> dict[str, set[str]]:
    """Fail if one id ever stood for two bodies, or one body of a topic for two ids.

    `name` is what the records of interest contain. Returns the ids by topic.
    """
    ids: dict[str, set[str]] = {}
    for topic in topics:
        bodies: dict[str, set[tuple[bytes, bytes]]] = defaultdict(set)
        names: dict[tuple[bytes, bytes], set[str]] = defaultdict(set)
        for record in await log.read(topic):
            if name.encode() in (record.value or b"") + (record.key or b""):
                body = (record.key or b"", record.value or b"")
                bodies[header(record, "ce_id")].add(body)
                names[body].add(header(record, "ce_id"))
        several = {id_: each for id_, each in bodies.items() if len(each) > 1}
        assert not several, f"{topic.name}: one id, several bodies: {several}"
        twice = {body: each for body, each in names.items() if len(each) > 1}
        assert not twice, f"{topic.name}: one body under several ids: {twice}"
        ids[topic.name] = set(bodies)
    return ids
