"""SIGKILL between any two steps of a batch, in screening's groups: after the restart coverage is exact."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.contracts import screening as contract
from shared.contracts.screening import PersonSeen, Visit
from shared.runtime.tokens import KeyPair
from tests.harness import rounds
from tests.harness.api import Api
from tests.harness.log import Log, new_id
from tests.harness.rounds import ALL, HOUSES, NEIGHBOURS, of_visit, visit
from tests.harness.services import Service
from tests.harness.store import stored
from tests.harness.truth import decided_once
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, STREET
from tests.servers import Servers

CASES = [
    ("screening.commands", "opening"),
    # The batch that freezes a desk, and one with visits in it.
    ("screening.sheets", "opening"),
    ("screening.sheets", "visits"),
    ("screening.progress", "visits"),
]
PUBLISHED = (
    contract.ROUNDS_TOPIC,
    contract.DESKS_TOPIC,
    contract.TALLIES_TOPIC,
    contract.PROGRESS_TOPIC,
    contract.OUTCOMES_TOPIC,
)
FROZEN = {"households": 7, "covered": 0, "persons": 14, "missing": 0}
EXACT = {"households": 7, "covered": 5, "screened": 4, "vacant": 1, "nobody_home": 1, "persons_covered": 10}


@pytest.fixture(scope="module")
def screening(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    """A screening that the test starts, and starts again."""
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk")}
    service = Service(servers, folder, name="screening", database=new_id("test"), env=env, forked=True)
    yield service
    service.kill()


@pytest.mark.req("B-06", "S4-08", "F-12", "U-20")
@pytest.mark.parametrize(("group", "batch"), CASES, ids=[f"{group}-{batch}" for group, batch in CASES])
async def test_crashes_change_nothing_that_is_covered(
    screening: Service, keys: KeyPair, log: Log, group: str, batch: str
) -> None:
    if screening.ended():
        await screening.restart()
    await rounds.settled(screening, log)
    round_ = new_id("crash")
    opening, hot = rounds.open_round(round_), feverish(round_)
    visits = [of_visit(each) for each in (hot, *other_visits(round_))]
    async with Api(screening.port, keys.private) as api:
        if batch == "visits":
            await log.append(opening)
            await rounds.covered(api, round_, **FROZEN)
        screening.kill()
        # One of the visits twice, under one id: sent again by a telephone that had no answer.
        await log.append(*([opening] if batch == "opening" else [*visits, visits[0]]))
        await screening.crash_at_every_step(group, trace(screening, group, batch, round_))
        # Nothing is sent again: what was in hand must come back by itself.
        if batch == "opening":
            await rounds.covered(api, round_, **FROZEN)
            await log.append(*visits, visits[0])
        await rounds.covered(api, round_, **EXACT, missing=0)
        await sent_again(log, opening)
        await log.append(rounds.close_round(round_))
        final = await rounds.covered(api, round_, **EXACT, closed=True)
        holes = await rounds.asked(api, round_, "holes", desk=FIRST)
    assert {row["household"]: row["found"] for row in holes["items"]} == {
        HOUSES[3]: "nobody-home", HOUSES[4]: None,
    }  # fmt: skip
    assert holes["listed"] == []

    shown = await rounds.never_more_covered_than_visited(log, round_)
    newest = max((each for each in shown if each.desk == STREET), key=lambda each: each.v)
    assert newest.total.model_dump() == final["total"]
    await decided_once(log, round_, topic=contract.OUTCOMES_TOPIC)
    outcome = stored(screening, "outcomes", round_)
    assert (outcome["v"], [result["accepted"] for result in outcome["results"]]) == (1, [True])
    ids = await rounds.said_once(log, PUBLISHED, round_)
    # Opened and closed; and told so to three desks.
    assert len(ids[contract.ROUNDS_TOPIC.name]) == len(ids[contract.OUTCOMES_TOPIC.name]) == 2
    assert len(ids[contract.DESKS_TOPIC.name]) == 6
    frozen = await log.bodies(contract.PROGRESS_TOPIC, contract.FROZEN, round_)
    assert len(set(frozen)) == len({part.part for part in frozen}) == 3
    assert {each.household for part in frozen for each in part.households} == set(ALL)
    alerts = await log.bodies(contract.ALERTS_TOPIC, contract.ALERT, hot.household)
    assert len({alert.model_dump_json() for alert in alerts if alert.at == hot.at}) == 1


def feverish(round_: str) -> Visit:
    """Return a visit that found a fever, some time ago: that time is believed."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    heats = {"a": 38.6, "b": 36.4}
    members = [PersonSeen(person=f"p-{HOUSES[0]}-{who}", temperature=heat) for who, heat in heats.items()]
    return visit(round_, HOUSES[0], members=members, at=at)


def other_visits(round_: str) -> list[Visit]:
    """Return what else is found: one house nobody opens at, and one that nobody goes to."""
    return [
        visit(round_, HOUSES[1]),
        visit(round_, HOUSES[2], "vacant"),
        visit(round_, HOUSES[3], "nobody-home"),
        *(visit(round_, house) for house in NEIGHBOURS),
    ]


def trace(screening: Service, group: str, batch: str, round_: str) -> Callable[[], bool] | None:
    """Return who looks whether the group's batch is stored; None where an older one may come first."""
    if (group, batch) == ("screening.progress", "visits"):
        return None

    def is_there() -> bool:
        if group == "screening.commands":
            return bool(stored(screening, "rounds", round_))
        if batch == "opening":
            return bool(stored(screening, "heads", f"{round_}/{STREET}"))
        # Two desks may be two lanes: it is the first to reach a step that ends the process there.
        sheets = [stored(screening, "sheets", f"{round_}/{desk}/{desk}001") for desk in (FIRST, SECOND)]
        return any(any(sheet.get("found", b"")) for sheet in sheets)

    return is_there


async def sent_again(log: Log, command: rounds.Message) -> None:
    """Send a command once more and wait until it is answered once more."""
    id_ = dict(command.headers)["ce_id"].decode()
    before = len(await log.read(contract.OUTCOMES_TOPIC, id_))
    await log.append(command)

    async def answered() -> bool:
        return len(await log.read(contract.OUTCOMES_TOPIC, id_)) > before

    await until(answered, what="the command sent again is answered again")
