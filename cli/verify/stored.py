"""A service's documents, read whole and never written; and what all services store alike."""

from collections.abc import Iterable
from typing import Any, Final

from cli.verify.log import answer_of
from cli.verify.statements import Statements
from shared.mongo.client import Database
from shared.runtime.settings import ServiceSettings

PAGE: Final = 5_000
Documents = dict[str, list[dict[str, Any]]]


async def read_documents(settings: ServiceSettings, service: str, collections: Iterable[str]) -> Documents:
    """Return every document of these collections, in the order of their ids; raises `Transient`."""
    database = Database(settings.mongo, f"{settings.database}_{service}", settings.mongo_driver)
    try:
        return {name: await _all(database, name) for name in collections}
    finally:
        await database.close()


def outcomes(documents: Iterable[dict[str, Any]]) -> Statements:
    """Return what every command was answered, as stored."""
    return {
        f"command {each['_id']}": answer_of(each["status"], [row["accepted"] for row in each["results"]])
        for each in documents
    }


async def _all(database: Database, collection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        where = {"_id": {"$gt": found[-1]["_id"]}} if found else {}
        page = await database.find(collection, where, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
