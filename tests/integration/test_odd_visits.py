"""What people enter wrongly on the day: kept, shown with its reason, and never counted twice or too late."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shared.contracts import screening as contract
from shared.contracts.screening import Visit
from shared.kernel.clock import local_day
from shared.runtime.tokens import KeyPair
from tests.harness import rounds
from tests.harness.api import Api
from tests.harness.log import Log, new_id
from tests.harness.rounds import GRID, HOUSES, NEIGHBOURS, of_reading, of_visit, reading, visit
from tests.harness.services import Service, running
from tests.harness.store import stored
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, area, chief, member
from tests.servers import Servers

DAY = timedelta(days=1)
ISSUER = area(FIRST)


@pytest.fixture(scope="module")
def screening(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    service = Service(servers, folder, name="screening", database=new_id("test"), env=env, forked=True)
    with running(service):
        yield service


@pytest.fixture
async def api(screening: Service, keys: KeyPair) -> AsyncIterator[Api]:
    async with Api(screening.port, keys.private) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def city(screening: Service, log: Log) -> None:
    await rounds.settled(screening, log)


async def said(log: Log, *visits: Visit) -> None:
    await log.append(*map(of_visit, visits))


async def listed(api: Api, round_: str, *wanted: tuple[str, str]) -> None:
    """Wait until exactly these visits are listed, each with its reason."""

    async def look() -> bool:
        holes = await rounds.asked(api, round_, "holes", ISSUER, desk=FIRST)
        return sorted((row["household"], row["why"]) for row in holes.get("listed", ())) == sorted(wanted)

    await until(look, what=f"listed: {wanted}")


@pytest.mark.req("S4-08", "F-12")
async def test_two_visits_at_one_door_are_one_household(api: Api, log: Log) -> None:
    round_ = new_id("round")
    await log.append(rounds.open_round(round_, FIRST, ISSUER))
    await rounds.covered(api, round_, FIRST, households=5)
    # Two people at the same door, the second of them first on the log; then one of them once more.
    screened, absent = visit(round_, HOUSES[0], by=member(FIRST)), visit(round_, HOUSES[0], "nobody-home")
    await said(log, screened, absent, screened, visit(round_, HOUSES[1], "refused"))
    shown = await rounds.covered(api, round_, FIRST, refused=1, households=5)
    assert shown["total"] | {"covered": 1, "screened": 1, "nobody_home": 0} == shown["total"]
    assert shown["total"]["persons_covered"] == 2
    await log.append(rounds.close_round(round_, FIRST, ISSUER))
    await rounds.covered(api, round_, FIRST, closed=True)


@pytest.mark.req("F-12")
async def test_a_visit_outside_a_rounds_scope_counts_nowhere(api: Api, log: Log, screening: Service) -> None:
    round_ = new_id("round")
    await log.append(rounds.open_round(round_, GRID, chief(FIRST)))
    await rounds.covered(api, round_, FIRST, households=4)
    # A house of the same community in no grid, and one of a community that the round never reached.
    await said(log, visit(round_, HOUSES[4]), visit(round_, NEIGHBOURS[0]), visit(round_, HOUSES[0]))
    await rounds.covered(api, round_, FIRST, households=4, covered=1, later=0, desks=1, missing=0)
    await listed(api, round_, (HOUSES[4], "stranger"))
    await until(lambda: stored(screening, "heads", f"{round_}/{SECOND}"), what="it is kept where it was said")
    assert await rounds.asked(api, round_, "coverage", desk=SECOND) == {}
    await log.append(rounds.close_round(round_, GRID, chief(FIRST)))
    await rounds.covered(api, round_, FIRST, closed=True, covered=1)


@pytest.mark.req("F-12", "S4-08")
async def test_a_visit_after_the_close_is_listed_and_changes_no_number(api: Api, log: Log) -> None:
    round_ = new_id("round")
    await log.append(rounds.open_round(round_, FIRST, ISSUER))
    await said(log, visit(round_, HOUSES[0]))
    await rounds.covered(api, round_, FIRST, households=5, covered=1)
    await log.append(rounds.close_round(round_, FIRST, ISSUER))
    final = await rounds.covered(api, round_, FIRST, closed=True)
    # Of before the close, by its own clock: what counts is when it was heard.
    late = visit(round_, HOUSES[1], at=datetime.now(UTC) - timedelta(hours=1))
    await said(log, late, visit(round_, HOUSES[0], "refused"))
    await listed(api, round_, (HOUSES[1], "late"), (HOUSES[0], "late"))
    shown = await rounds.asked(api, round_, "coverage", desk=FIRST)
    assert (shown["total"], shown["closed"]) == (final["total"], True)


@pytest.mark.req("S4-08", "S2-11")
async def test_what_is_said_of_tomorrow_has_not_happened(api: Api, log: Log) -> None:
    round_, now = new_id("round"), datetime.now(UTC)
    today = local_day(now, ZoneInfo("Asia/Shanghai"))
    days = (today, today + DAY)
    await log.append(rounds.open_round(round_, FIRST, ISSUER, days=days))
    await rounds.covered(api, round_, FIRST, households=10, persons=20)
    fever, heat = reading(HOUSES[0], 39.5, at=now + DAY), reading(HOUSES[1], 36.9)
    await log.append(of_reading(fever), of_reading(heat))
    await said(log, visit(round_, HOUSES[2], at=now + DAY), visit(round_, HOUSES[3]))
    await rounds.covered(api, round_, FIRST, households=10, covered=1, persons_covered=3)
    await listed(api, round_, (HOUSES[2], "future"))
    holes = await rounds.asked(api, round_, "holes", ISSUER, desk=FIRST, kind="persons", limit=200)
    assert {row["person"] for row in holes["items"] if row["slot"] == days[1].isoformat()} == {
        f"p-{house}-{who}" for house in HOUSES for who in "ab"
    }
    assert await log.bodies(contract.ALERTS_TOPIC, contract.ALERT, fever.person) == []
    await log.append(rounds.close_round(round_, FIRST, ISSUER))
    await rounds.covered(api, round_, FIRST, closed=True)
