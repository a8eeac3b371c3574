"""What the API and the ticker read, from majority-committed documents; nothing is written here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from services.dispatch.domain.directive import Directive
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Sheet
from services.dispatch.store import DIRECTIVES, FROZEN, ROLLS, SHEETS
from shared.contracts.dispatch import Tally
from shared.contracts.outcomes import Outcome
from shared.domain.roll import Roll
from shared.flow.decide import OUTCOMES
from shared.flow.documents import Body
from shared.mongo.client import Database

AT_ONCE = 100
"""Ids asked for in one query: a longer list costs the local server more than its share."""


class Queries:
    """Reads of one dispatch database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, collection: str, now_ms: int, limit: int) -> list[Body]:
        """Return the lookups of sheets or progress whose due time has passed, by index, oldest first."""
        return await self._database.find(
            collection, {"next_due": {"$lte": now_ms}}, limit=limit, order="next_due"
        )

    def live_sheets(self) -> AsyncIterator[list[Body]]:
        """Yield the lookups of all open sheets by index, in no order, some at a time."""
        return self._database.pages(SHEETS.found_in, {"live": True})

    async def directive(self, directive: str) -> tuple[Directive, int] | None:
        """Return a directive and its version."""
        body = await self._database.one("directives", directive)
        return None if body is None else (DIRECTIVES.decode(body), body["v"])

    async def directives(
        self, where: Mapping[str, Any], after: str, limit: int
    ) -> list[tuple[Directive, int]]:
        """Return directives in id order."""
        bodies = await self._database.find("directives", {**where, "_id": {"$gt": after}}, limit=limit)
        return [(DIRECTIVES.decode(body), body["v"]) for body in bodies]

    async def sheet(self, id_: str) -> tuple[Sheet, Frozen | None] | None:
        """Return a sheet with its frozen audience."""
        body = await self._database.one(SHEETS.name, id_)
        if body is None:
            return None
        return SHEETS.decode(body), await self.frozen(body["frozen"])

    async def frozen(self, id_: str | None) -> Frozen | None:
        """Return a frozen audience."""
        body = await self._database.one("frozen", id_) if id_ else None
        return None if body is None else FROZEN.decode(body)

    async def sheets(self, where: Mapping[str, Any], after: str, limit: int) -> list[Sheet]:
        """Return sheets in id order; `where` is about their lookups."""
        where = {**where, "_id": {"$gt": after}}
        found = await self._database.find(SHEETS.found_in, where, limit=limit, fields=["_id"])
        bodies = await self._database.find(
            SHEETS.name, {"_id": {"$in": [body["_id"] for body in found]}}, limit=limit
        )
        return [SHEETS.decode(body) for body in bodies]

    async def rolls(self, directive: str, desks: Sequence[str]) -> list[tuple[Roll[Tally], int]]:
        """Return the progress of some desks of a directive, with versions."""
        found: list[tuple[Roll[Tally], int]] = []
        for start in range(0, len(desks), AT_ONCE):
            ids = [f"{directive}/{desk}" for desk in desks[start : start + AT_ONCE]]
            bodies = await self._database.find(ROLLS.name, {"_id": {"$in": ids}}, limit=AT_ONCE)
            found += [(ROLLS.decode(body), body["v"]) for body in bodies]
        return found

    async def progress_versions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how often each progress document was written, by its id, where there is one."""
        found: dict[str, int] = {}
        for start in range(0, len(ids), AT_ONCE):
            some = list(ids[start : start + AT_ONCE])
            bodies = await self._database.find(
                "progress", {"_id": {"$in": some}}, limit=AT_ONCE, fields=["v"]
            )
            found |= {body["_id"]: body["v"] for body in bodies}
        return found

    async def outcome(self, command: str) -> Outcome | None:
        """Return a command's outcome."""
        body = await self._database.one(OUTCOMES.name, command)
        return None if body is None else OUTCOMES.decode(body)
