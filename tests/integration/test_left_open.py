"""A process killed inside a transaction leaves it open on the server: its successor must not wait for it."""

import asyncio
import signal
import sys

import pytest

from shared.flow.partitions import partition_of
from tests.harness.log import Log, new_id, of_issue
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.waiting import until
from tests.harness.world import FIRST, area, community
from tests.servers import PARTITIONS

KILLED_INSIDE = """
import os, signal, sys
from pymongo import MongoClient
uri, database, place = sys.argv[1:]
client = MongoClient(uri)
session = client.start_session()
positions = client[database].positions
mine = {"$set": {"session": session.session_id["id"].hex()}, "$inc": {"v": 1}}
positions.update_one({"_id": place}, mine, session=session)
session.start_transaction()
positions.update_one({"_id": place}, {"$set": {"log_id": "of the dead"}}, session=session)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.req("B-06")
async def test_a_transaction_left_open_does_not_hold_the_successor_up(dispatch: Service, log: Log) -> None:
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    first, second = new_id("first"), new_id("second")
    await log.append(of_issue(first, area(FIRST), FIRST))
    await until(lambda: stored(dispatch, "outcomes", first), what="the first outcome")
    dispatch.kill()

    place = f"dispatch.commands/{partition_of(FIRST.encode(), PARTITIONS)}"
    database = f"{dispatch.database}_dispatch"
    dead = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_INSIDE, dispatch.servers.mongo, database, place
    )
    assert await dead.wait() == -signal.SIGKILL
    await dispatch.restart()
    await log.append(of_issue(second, area(FIRST), FIRST))
    await until(lambda: stored(dispatch, "outcomes", second), what="the second outcome", within_s=15)
