"""Registry in its own process: a bulk is answered row by row, becomes a roster, and survives every crash."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.stack.probes import service_is_ready
from shared.contracts import registry as contract
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Changes, Roster
from shared.flow.crash import STEPS
from shared.runtime.tokens import KeyPair
from tests.builders.registry import community, household, vertical
from tests.harness.api import Api
from tests.harness.log import Log, header, new_id
from tests.harness.services import Service, running
from tests.harness.store import stored
from tests.harness.waiting import until
from tests.servers import Servers

CLERK = "clerk"
STREET = "610802006"


@pytest.fixture(scope="module")
def registry(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk"), "GRIDLOOP_OPERATORS": CLERK}
    service = Service(servers, folder, name="registry", database=new_id("test"), env=env)
    with running(service):
        yield service


def of_changes(desk: str, rows: list[Any], id_: str) -> Message:
    context = Context(id=id_, source="/test", at=datetime.now(UTC), actor=CLERK)
    return message(contract.COMMANDS_TOPIC, contract.CHANGES, desk, Changes(rows=tuple(rows)), context)


async def newest_roster(log: Log, desk: str) -> Roster | None:
    """Return the last roster of a desk on the topic: the one a compacted topic keeps."""
    records = [r for r in await log.read(contract.ROSTERS_TOPIC) if r.key == desk.encode()]
    return Roster.model_validate_json(records[-1].value) if records else None


async def change(api: Api, rows: list[Any], key: str) -> Any:
    body = Changes(rows=tuple(rows)).model_dump_json()
    headers = api.bearer(CLERK) | {"idempotency-key": key}
    return await api.http.post("/changes", headers=headers, content=body)


@pytest.mark.req("F-01")
async def test_a_bulk_is_answered_row_by_row_and_becomes_a_roster(
    registry: Service, keys: KeyPair, log: Log
) -> None:
    async with Api(registry.port, keys.private) as api:
        for desk, rows in vertical().items():
            done = await change(api, rows, f"vertical-{desk:0>12}")
            assert done.status_code == 200, done.text
            assert all(result["accepted"] for result in done.json()["results"])
        desk = f"{STREET}003"
        rows = community(desk)
        # Whoever is charged with a household must be a post that is there.
        orphan = household(99, f"{desk}007.c1.b1.f1", f"{desk}007.c1.b1.f1/cw5:no-such-post")
        key = new_id("bulk")
        done = await change(api, [*rows, orphan], key)
        again = await change(api, [*rows, orphan], key)
        other = await change(api, rows, key)
        results = done.json()["results"]
        assert [result["accepted"] for result in results] == [True] * len(rows) + [False], results[-1]
        assert results[-1]["code"]
        assert again.json() == done.json()
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

        seats = {row.post: row.holder for row in rows if hasattr(row, "holder")}
        roster = await until(lambda: newest_roster(log, desk), what="the roster is published")
        assert {seat.post: seat.holder for seat in roster.seats} == seats
        shown = await api.http.get("/posts", headers=api.bearer(CLERK), params={"desk": desk, "limit": 200})
        assert {item["post"] for item in shown.json()["items"]} == set(seats)
        stranger = await api.http.post("/changes", headers=api.bearer("nobody"), content="{}")
        assert stranger.status_code == 422
        outsider = Changes(rows=tuple(rows)).model_dump_json()
        refused = await api.http.post("/changes", headers=api.bearer("nobody"), content=outsider)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.req("B-06", "F-01")
@pytest.mark.parametrize(("number", "step"), list(enumerate(STEPS)), ids=STEPS)
async def test_a_crash_changes_no_roster_and_decides_nothing_twice(
    registry: Service, log: Log, number: int, step: str
) -> None:
    for desk, rows in vertical().items():
        await log.append(of_changes(desk, rows, f"crash-vertical-{desk:0>12}"))
    desk = f"{STREET}1{number:02}"
    rows, bulk = community(desk), new_id(f"bulk-{step}")

    def street_known() -> bool:
        return bool(stored(registry, "outcomes", f"crash-vertical-{STREET:0>12}"))

    await until(street_known, what="the street is known")
    await registry.stop()
    registry.start(GRIDLOOP_CRASH_AT=f"registry.commands:{step}")
    await until(lambda: registry.ended() or service_is_ready(registry.port), what="ready or crashed")
    await log.append(of_changes(desk, rows, bulk))
    await registry.crashed()

    await registry.restart()

    async def published() -> bool:
        roster = await newest_roster(log, desk)
        return roster is not None and len(roster.seats) == sum(hasattr(row, "holder") for row in rows)

    await until(published, what="the roster is published")
    outcome = stored(registry, "outcomes", bulk)
    assert outcome["v"] == 1
    assert [result["accepted"] for result in outcome["results"]] == [True] * len(rows)
    outcomes = {
        record.value
        for record in await log.read(contract.OUTCOMES_TOPIC)
        if record.key.decode().endswith(f"/{bulk}")
    }
    assert len(outcomes) == 1
    versions: dict[int, set[bytes]] = {}
    for record in await log.read(contract.ROSTERS_TOPIC):
        if record.key == desk.encode():
            versions.setdefault(Roster.model_validate_json(record.value).v, set()).add(record.value)
            assert header(record, "ce_id")
    assert all(len(bodies) == 1 for bodies in versions.values()), "one version, two rosters"
