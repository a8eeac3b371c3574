"""A round on real servers: frozen once the facts are complete, visited by every way in, covered, closed."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from typer.testing import CliRunner

from cli import screening as cli
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.alerts import Alert
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Charges, HouseholdFact
from shared.contracts.screening import Coverage, PartFrozen, PersonSeen, Visit
from shared.contracts.topics import Topic
from shared.kernel.clock import local_day
from shared.runtime.tokens import KeyPair
from tests.harness.api import Api
from tests.harness.log import SOURCE, Log, new_id
from tests.harness.services import Service, running
from tests.harness.store import has_rosters
from tests.harness.waiting import until
from tests.harness.world import (
    FIRST,
    SECOND,
    STREET,
    STREET_DUTY,
    area,
    chief,
    community,
    district,
    holder,
    member,
    street,
)
from tests.servers import Servers

GRID = f"{FIRST}001"
HOUSES = [f"hh-first-{number:04}" for number in range(5)]
"""The last of them in no grid."""

NEIGHBOUR = "hh-second-0000"


@pytest.fixture(scope="module")
def screening(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    with running(Service(servers, folder, name="screening", database=new_id("test"), env=env)) as service:
        yield service


@pytest.fixture
async def api(screening: Service, keys: KeyPair) -> AsyncIterator[Api]:
    async with Api(screening.port, keys.private) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def city(screening: Service, log: Log) -> None:
    """Say all of the city but one household of the first community, which its charges record counts."""
    rosters = (community(FIRST), community(SECOND), street(FIRST, SECOND), district())
    await log.rosters(*rosters)
    await log.append(
        *map(household, [*HOUSES[1:], NEIGHBOUR]), charges(FIRST, len(HOUSES)), charges(SECOND, 1)
    )
    await has_rosters(screening, *rosters)


def household(id_: str) -> Message:
    desk = SECOND if id_ == NEIGHBOUR else FIRST
    grid = None if id_ == HOUSES[-1] else f"{desk}001"
    unit = f"{grid}.b1.d{id_[-1]}" if grid else f"{desk}.c1.d{id_[-1]}"
    fact = HouseholdFact(
        household=id_,
        v=1,
        desk=desk,
        unit=unit,
        within=(grid, unit) if grid else (unit,),
        care_unit=grid,
        members=(f"p-{id_}-a", f"p-{id_}-b"),
        charges={"main": member(desk)},
    )
    return said(registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, id_, fact)


def charges(desk: str, households: int) -> Message:
    fact = Charges(desk=desk, v=1, households=households, members=2 * households, uncharged=0)
    return said(registry.CHARGES_TOPIC, registry.CHARGES, desk, fact)


def said(topic: Topic, type_: str, key: str, body: Model, actor: str = "registry") -> Message:
    context = Context(id=new_id("fact"), source=SOURCE, at=datetime.now(UTC), actor=actor)
    return message(topic, type_, key, body, context)


def visit(round_: str, house: str, found: str = "screened", **other: Any) -> Visit:
    """Return a visit that asked both members, if anybody opened."""
    members = [PersonSeen(person=f"p-{house}-{who}", temperature=36.5) for who in "ab"]
    fields: dict[str, Any] = {
        "round": round_,
        "desk": SECOND if house == NEIGHBOUR else FIRST,
        "household": house,
        "found": found,
        "members": members if found == "screened" else (),
        "by": chief(FIRST),
        "at": datetime.now(UTC),
    }
    return Visit(**{**fields, **other})


def sent(given: Visit) -> dict[str, Any]:
    return given.model_dump(mode="json", exclude_none=True, exclude={"at"})


async def opened(api: Api, scope: str = STREET, issuer: str = STREET_DUTY, **other: Any) -> str:
    body = {"issuer": issuer, "scope": scope, "title": "第一轮入户排查", **other}
    answer = await api.call("POST", "/rounds", issuer, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["round"])


async def read(api: Api, round_: str, what: str, reader: str = STREET_DUTY, **query: Any) -> dict[str, Any]:
    answer = await api.call("GET", f"/rounds/{round_}/{what}", reader, params=query)
    return dict(answer.json()) if answer.status_code == 200 else {}


async def covered(api: Api, round_: str, desk: str, **counts: int | bool) -> dict[str, Any]:
    """Wait until the coverage of a desk shows these counts."""
    shown: dict[str, Any] = {}

    async def look() -> bool:
        nonlocal shown
        shown = await read(api, round_, "coverage", desk=desk, depth=1)
        flat = {**shown, **shown.get("total", {})}
        return bool(shown) and all(flat.get(name) == wanted for name, wanted in counts.items())

    try:
        await until(look, what=f"{desk}: {counts}")
    except AssertionError as error:
        raise AssertionError(f"{error}; coverage: {shown}") from None
    return shown


def counts(node: dict[str, Any]) -> list[Any]:
    """Return the numbers of a tree: a visit that is listed makes a new version of it, and no new number."""
    below = [each for child in node.get("below", ()) for each in counts(child)]
    return [node["desk"], node["cells"], node["parts"], node["closed"], *below]


async def alerts(log: Log, house: str) -> list[Alert]:
    found: list[Alert] = await log.bodies(contract.ALERTS_TOPIC, contract.ALERT, house)
    return found


@pytest.mark.req("S4-08", "S2-11", "S3-04", "F-12", "U-12")
async def test_a_round_from_its_opening_to_its_close(api: Api, log: Log) -> None:
    round_ = await opened(api)
    # The neighbours are counted; the first community waits for the household that is still on its way.
    await covered(api, round_, STREET, households=1, missing=1)
    await log.append(household(HOUSES[0]))
    await covered(api, round_, STREET, households=6, covered=0, persons=12, missing=0, desks=3)

    # One by HTTP, a bulk of three with one that is nobody's to enter, two by topic.
    one = await api.call("POST", "/visits", chief(FIRST), json=sent(visit(round_, HOUSES[0])))
    assert one.status_code == 202, one.text
    bulk = [
        sent(visit(round_, HOUSES[1], "nobody-home")),
        sent(visit(round_, HOUSES[2])),
        sent(visit(round_, NEIGHBOUR)),
    ]
    answered = await api.call("POST", "/visits/bulk", chief(FIRST), json={"visits": bulk})
    assert [item["accepted"] for item in answered.json()["items"]] == [True, True, False]
    for each in (visit(round_, HOUSES[3], "vacant"), visit(round_, NEIGHBOUR, by=STREET_DUTY)):
        await log.append(said(contract.VISITS_TOPIC, contract.VISIT, each.desk, each, holder(each.by)))

    shown = await covered(api, round_, FIRST, covered=3, nobody_home=1, vacant=1)
    assert shown["reports"]["checked"] == {"of": 5, "have": 3, "percent": 60.0}
    holes = await read(api, round_, "holes", desk=FIRST)
    assert {row["household"]: row["found"] for row in holes["items"]} == {
        HOUSES[1]: "nobody-home", HOUSES[4]: None,
    }  # fmt: skip
    again = await read(api, round_, "revisits", desk=FIRST)
    assert [row["household"] for row in again["items"]] == [HOUSES[1]]
    work = await read(api, round_, "worklist", member(FIRST), post=member(FIRST))
    assert {row["household"] for row in work["items"] if row["own"]} == {HOUSES[1], HOUSES[4]}

    # The second sweep: all of it, at the community and at the street.
    for house in (HOUSES[1], HOUSES[4]):
        await api.call("POST", "/visits", chief(FIRST), json=sent(visit(round_, house)))
    await covered(api, round_, FIRST, households=5, covered=5, persons_covered=10)
    tree = await covered(api, round_, STREET, households=6, covered=6, missing=0)
    assert tree["reports"]["checked"] == {"of": 6, "have": 6, "percent": 100.0}
    assert [below["reports"]["checked"]["percent"] for below in tree["below"]] == [100.0, 100.0]
    assert (await read(api, round_, "holes", desk=FIRST))["items"] == []

    await api.call("POST", f"/rounds/{round_}/closure", STREET_DUTY, json={})
    final = await covered(api, round_, STREET, closed=True)
    await api.call("POST", "/visits", chief(FIRST), json=sent(visit(round_, HOUSES[0], "refused")))

    async def is_listed() -> bool:
        listed = (await read(api, round_, "holes", desk=FIRST)).get("listed", [])
        return [(row["household"], row["why"]) for row in listed] == [(HOUSES[0], "late")]

    await until(is_listed, what="the late visit is listed")
    assert counts(await read(api, round_, "coverage", desk=STREET, depth=1)) == counts(final)
    published: list[Coverage] = await log.bodies(contract.PROGRESS_TOPIC, contract.COVERAGE, round_)
    assert all(each.total.covered <= each.total.households for each in published)
    frozen: list[PartFrozen] = await log.bodies(contract.PROGRESS_TOPIC, contract.FROZEN, round_)
    assert {each.household for part in frozen for each in part.households} == {*HOUSES, NEIGHBOUR}


@pytest.mark.req("S4-08")
async def test_a_fever_is_told_to_the_households_chain_once_a_day(api: Api, log: Log) -> None:
    await log.append(household(HOUSES[0]))
    round_ = await opened(api, SECOND, area(SECOND))
    await covered(api, round_, SECOND, households=1)
    hot = [PersonSeen(person=f"p-{NEIGHBOUR}-a", temperature=38.4)]
    await api.call(
        "POST", "/visits", area(SECOND), json=sent(visit(round_, NEIGHBOUR, members=hot, by=area(SECOND)))
    )
    reading = {
        "desk": SECOND, "household": NEIGHBOUR, "person": f"p-{NEIGHBOUR}-a", "temperature": 39.0,
        "means": "phone", "by": area(SECOND),
    }  # fmt: skip
    taken = await api.call("POST", "/readings", area(SECOND), json=reading)
    assert taken.status_code == 202, taken.text

    async def both() -> bool:
        return len(await alerts(log, NEIGHBOUR)) >= 2

    await until(both, what="both measurements are told")
    told = await alerts(log, NEIGHBOUR)
    assert len({alert.alert for alert in told}) == 1
    (alert,) = {(each.charge, each.subject, each.rule, each.desk) for each in told}
    assert alert == (member(SECOND), f"p-{NEIGHBOUR}-a", "fever", SECOND)
    await api.call("POST", f"/rounds/{round_}/closure", area(SECOND), json={})


@pytest.mark.req("S2-11", "F-12")
async def test_a_window_names_every_person_and_day_that_is_missing(api: Api, log: Log) -> None:
    await log.append(household(HOUSES[0]))
    today = local_day(datetime.now(UTC), ZoneInfo("Asia/Shanghai"))
    days = [today + timedelta(days=number) for number in (-1, 0, 1)]
    round_ = await opened(api, GRID, chief(FIRST), days=[day.isoformat() for day in days])
    await covered(api, round_, FIRST, households=4 * 3, persons=8 * 3)
    for at in (datetime.now(UTC), datetime.now(UTC) - timedelta(days=1)):
        each = visit(round_, HOUSES[1], at=at)
        await api.call("POST", "/visits", chief(FIRST), json=sent(each) | {"at": at.isoformat()})
    await covered(api, round_, FIRST, covered=2, persons_covered=4)
    holes = await read(api, round_, "holes", chief(FIRST), desk=FIRST, kind="persons", limit=200)
    named = {(row["person"], row["slot"]) for row in holes["items"]}
    expected = {
        (f"p-{house}-{who}", day.isoformat())
        for house in HOUSES[:4]
        for who in "ab"
        for day in days
        if house != HOUSES[1] or day == days[2]
    }
    assert named == expected
    await api.call("POST", f"/rounds/{round_}/closure", chief(FIRST), json={})


@pytest.mark.req("U-12")
async def test_a_spreadsheet_is_imported_and_imported_again(
    api: Api, log: Log, screening: Service, tmp_path: Path
) -> None:
    await log.append(household(HOUSES[0]))
    round_ = await opened(api, FIRST, area(FIRST))
    await covered(api, round_, FIRST, households=5)
    file = tmp_path / "visits.csv"
    rows = [f"{house},screened,p-{house}-{who},36.6,否" for house in HOUSES for who in "ab"]
    file.write_text("\n".join(["household,found,person,temperature,symptoms", *rows]), encoding="utf-8")
    app = typer.Typer()
    cli.register(app)
    token = api.bearer(holder(area(FIRST)))["authorization"].removeprefix("Bearer ")
    env = {"GRIDLOOP_URL": f"http://127.0.0.1:{screening.port}", "GRIDLOOP_TOKEN": token}
    arguments = ["--round", round_, "--desk", FIRST, "--by", area(FIRST)]
    for _ in range(2):
        result = CliRunner().invoke(app, ["visits", "import", str(file), *arguments], env=env)
        assert (result.exit_code, result.stdout) == (0, "5 of 5 households entered\n")
    await covered(api, round_, FIRST, households=5, covered=5, persons_covered=10)
    ids = {
        record.headers
        for record in await log.read(contract.VISITS_TOPIC, FIRST)
        if round_.encode() in record.value
    }
    assert len({dict(headers)["ce_id"] for headers in ids}) == 5
    shown = CliRunner().invoke(app, ["rounds", "coverage", round_], env=env)
    assert "100.00 %  households 5/5, persons 10/10" in shown.stdout
    foreign = CliRunner().invoke(
        app, ["visits", "import", str(file), *arguments[:4], "--by", chief(FIRST)], env=env
    )
    assert foreign.exit_code == 1
    assert foreign.stdout.count("forbidden") == 5
    await api.call("POST", f"/rounds/{round_}/closure", area(FIRST), json={})
