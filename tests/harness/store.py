"""What a service has stored, read beside it: to know that a fact has arrived, or that none came twice."""

from typing import Any

from pymongo import MongoClient

from shared.contracts.registry import Roster
from tests.harness.services import Service
from tests.harness.waiting import until


def stored(service: Service, collection: str, id_: str) -> dict[str, Any]:
    """Return a document of the service's database; {} where there is none."""
    with MongoClient[dict[str, Any]](service.servers.mongo, serverSelectionTimeoutMS=5000) as client:
        return client[f"{service.database}_{service.name}"][collection].find_one({"_id": id_}) or {}


async def has_rosters(service: Service, *rosters: Roster) -> None:
    """Wait until the service's copies are at least as new as these."""
    wanted = {roster.desk: roster.v for roster in rosters}

    def arrived() -> bool:
        return all(stored(service, "rosters", desk).get("roster_v", 0) >= v for desk, v in wanted.items())

    await until(arrived, what=f"the rosters of {', '.join(wanted)} arrive")
