"""Every topic and group of the other services: bad data is set aside once, and the good beside it applied."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import checkpoint, registry, screening
from shared.contracts.alerts import Alert
from shared.contracts.base import Scope
from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import Message
from shared.contracts.screening import CoverageTally, Opening, Round
from shared.contracts.topics import Topic
from shared.flow.dead_letters import BEGINNING
from shared.runtime.tokens import KeyPair
from tests.harness import gates, rounds
from tests.harness.api import Api
from tests.harness.gates import COMPOUND, crosser, crossing, of_crossing
from tests.harness.log import Log, header, new_id
from tests.harness.poison import check, letters, poisons
from tests.harness.rounds import HOUSES, fact, of_reading, of_visit, reading, visit
from tests.harness.services import Service
from tests.harness.store import stored
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, STREET, STREET_DUTY, community, member
from tests.servers import Servers

SERVICES = ("dispatch", "screening", "checkpoint")
HUGE = {"huge number": {"v": 10**400}}
HOT = {"verdict": "allow", "code": "home", "temperature": 77}
_NUMBERS = count(100)


@dataclass(frozen=True)
class Case:
    """A topic that a group reads: a good record by name, and the document that shows that it was applied."""

    group: str
    good: Callable[[str], Message]
    seen: tuple[str, str] = ("", "")
    wrong: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    name: Callable[[], str] = lambda: new_id("good")

    @property
    def topic(self) -> Topic:
        return BY_NAME[self.good(self.name()).topic]

    def __str__(self) -> str:
        return f"{self.group}-{self.topic.name}"


def place() -> str:
    """Return the code of a community of which nobody has heard yet."""
    return f"{STREET}{next(_NUMBERS)}"


def opening(round_: str) -> Message:
    scope = Scope(unit=FIRST, desk=FIRST, path=("61", "6108", "610802", STREET))
    now = datetime.now(UTC)
    body = Round(
        round=round_, number=1, scope=scope, issuer=STREET_DUTY, title="第一轮", opened_at=now, due=now
    )
    return fact(screening.DESKS_TOPIC, screening.OPENING, FIRST, Opening(round=body, to=FIRST))


def tally(round_: str) -> Message:
    body = CoverageTally(round=round_, desk=FIRST, to=STREET, covers="subtree", v=1, due=datetime.now(UTC))
    return fact(screening.TALLIES_TOPIC, screening.TALLY, f"{STREET}/{round_}", body)


def alert(topic: Topic) -> Callable[[str], Message]:
    def good(id_: str) -> Message:
        body = Alert(
            alert=id_, rule="fever", version="2026-01-01", desk=FIRST, unit=FIRST, household=HOUSES[0],
            charge=member(FIRST), text="请核实。", at=datetime.now(UTC),
        )  # fmt: skip
        (type_,) = topic.models
        return fact(topic, type_, FIRST, body, id_=id_)

    return good


def roster(desk: str) -> Message:
    return fact(registry.ROSTERS_TOPIC, registry.ROSTER, desk, community(desk))


def neighbour(house: str) -> Message:
    return rounds.household(house, unit=f"{FIRST}001.b1", within=(f"{FIRST}001",))


CASES = [
    Case(
        "screening.commands", rounds.open_round, ("outcomes", "{}"),
        {"days in no order": {"days": ["2026-01-02", "2026-01-01"]}, "unknown command": {"do": "dance"}},
    ),
    Case("screening.sheets", opening, ("heads", f"{{}}/{FIRST}"), {"no sender": {"sender": 7}}),
    Case(
        "screening.sheets", lambda name: of_visit(visit(name, HOUSES[0])), ("heads", f"{{}}/{FIRST}"),
        {
            "unknown enum": {"found": "dancing"},
            "seen where nobody was": {"found": "vacant"},
            "77 °C": {"members": [{"person": "p-1", "temperature": 77}]},
            "no zone": {"at": "2026-01-01T00:00:00"},
            "in no calendar": {"at": "0001-01-01T00:00:00+14:00"},
        },
    ),
    # A reading leaves no document where no round has days: a fever is heard of.
    Case(
        "screening.sheets", lambda name: of_reading(reading(HOUSES[0], 39.0, person=name)), ("", ""),
        {
            "77 °C": {"temperature": 77},
            "not a number": {"temperature": float("nan")},
            "unknown enum": {"means": "rumour"},
        },
    ),
    Case(
        "screening.progress", tally, ("progress", f"{{}}/{STREET}"),
        {**HUGE, "below nought": {"missing": -1}},
    ),
    Case("screening.households", neighbour, ("households", "{}"), HUGE),
    Case(
        "screening.charges", lambda desk: rounds.charges(desk, 3), ("charges", "{}"),
        {**HUGE, "below nought": {"households": -1}}, place,
    ),
    *(Case(f"{name}.rosters", roster, ("rosters", "{}"), HUGE, place) for name in SERVICES),
    Case("checkpoint.households", neighbour, ("households", "{}"), HUGE),
    Case(
        "checkpoint.units", gates.gate_unit, ("units", "{}"),
        {**HUGE, "no such day": {"valid_from": "2026-02-30"}},
        lambda: f"{COMPOUND}.k{next(_NUMBERS)}",
    ),
    Case(
        "checkpoint.commands", lambda name: gates.of_command(gates.issuing(name), name), ("outcomes", "{}"),
        {"unknown enum": {"kind": "dance"}, "no inside": {"until": "2020-01-01T00:00:00Z"}},
    ),
    Case(
        "checkpoint.crossings", lambda name: of_crossing(crossing("out", crosser(name))),
        ("presence", f"{FIRST}/{{}}"),
        {
            "unknown enum": {"direction": "up"},
            "nobody": {"people": []},
            "77 °C": {"people": [HOT]},
            "another desk's gate": {"gate": f"{SECOND}001.k1"},
        },
    ),
    *(
        Case("dispatch.alerts", alert(topic), ("outcomes", "{}"), {"no rule's name": {"rule": "Fever!"}})
        for topic in (screening.ALERTS_TOPIC, checkpoint.ALERTS_TOPIC)
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def services(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Mapping[str, Service]]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    made = {
        name: Service(servers, folder, name=name, database=new_id("test"), env=env, forked=True)
        for name in SERVICES
    }
    try:
        for each in made.values():
            each.start()
        yield made
    finally:
        for each in made.values():
            each.kill()


async def applied(case: Case, name: str, services: Mapping[str, Service], log: Log) -> None:
    collection, id_ = case.seen
    service = services[case.group.partition(".")[0]]

    async def look() -> bool:
        if collection:
            return bool(stored(service, collection, id_.format(name)))
        return any(name.encode() in (each.value or b"") for each in await log.read(screening.ALERTS_TOPIC))

    await until(look, what=f"{case}: {name} is applied")


@pytest.mark.req("B-06")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_bad_records_are_set_aside_and_good_ones_applied(
    services: Mapping[str, Service], log: Log, case: Case
) -> None:
    group, topic = case.group, case.topic
    earlier = {header(letter, "dlq_id") for letter in await letters(log, topic, group, 0)}
    first, last = case.name(), case.name()
    spoiled = poisons(case.good(case.name()), case.wrong)
    middle = len(spoiled) // 2
    bad = [each.spoiled for each in spoiled]
    await log.append(case.good(first), *bad[:middle], case.good(case.name()), *bad[middle:], case.good(last))
    for name in (first, last):
        await applied(case, name, services, log)
    found = await letters(log, topic, group, len(earlier) + len(spoiled))
    check([letter for letter in found if header(letter, "dlq_id") not in earlier], group, spoiled)


@pytest.mark.req("B-06")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_is_too_large_holds_nothing_up(
    services: Mapping[str, Service], log: Log, case: Case
) -> None:
    group, topic, good = case.group, case.topic, case.good(case.name())
    earlier = {header(letter, "dlq_id") for letter in await letters(log, topic, group, 0)}
    name = case.name()
    await log.append_packed(
        # As much as a broker takes; more than it takes, but packed; and all of it in one header.
        replace(good, value=b"x" * 4_193_900),
        replace(good, value=b"x" * 12_000_000),
        replace(good, headers=(*good.headers, ("ce_actor", b"x" * 3_000_000))),
    )
    await log.append(case.good(name))
    await applied(case, name, services, log)
    found = await letters(log, topic, group, len(earlier) + 3)
    fresh = [letter for letter in found if header(letter, "dlq_id") not in earlier]
    # A client that had no answer in time has sent such a record again: each time it stands there is a letter.
    assert len(fresh) >= 3
    assert {header(letter, "dlq_code") for letter in fresh} == {"too-large"}
    # A letter has the beginning of it, and where the rest stands.
    assert {len(letter.value) for letter in fresh} == {BEGINNING, len(good.value or b"")}


@pytest.mark.req("B-06")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("screening", "/visits"),
        ("screening", "/readings"),
        ("screening", "/visits/bulk"),
        ("checkpoint", "/passes"),
        ("checkpoint", f"/gates/{COMPOUND}.k1/decisions"),
    ],
)
async def test_a_body_that_is_too_large_is_refused(
    services: Mapping[str, Service], keys: KeyPair, name: str, path: str
) -> None:
    await services[name].ready()
    async with Api(services[name].port, keys.private) as api:
        answer = await api.call("POST", path, member(FIRST), content=b"x" * 3_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
