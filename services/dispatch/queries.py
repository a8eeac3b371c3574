"""What the API and the ticker read, from majority-committed documents; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.dispatch.domain.directive import Directive
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.progress import Roll
from services.dispatch.domain.sheet import Sheet
from services.dispatch.store import DIRECTIVES, FROZEN, ROLLS, ROSTERS, SHEETS
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import Roster
from shared.flow.decide import OUTCOMES
from shared.flow.documents import Body
from shared.kernel.clock import Clock
from shared.mongo.client import Database


@dataclass(frozen=True, slots=True)
class Holding:
    """A post somebody holds, with its desk and the desks above it."""

    post: str
    desk: str
    path: tuple[str, ...]


class Holders:
    """Who holds which post of a desk, remembered for a second: a new appointment counts at once enough.

    Every answer asks, and a desk's roster is hundreds of seats to read.
    """

    FRESH = timedelta(seconds=1)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[datetime, dict[str, str]]] = {}

    async def of(self, desk: str, queries: "Queries") -> dict[str, str]:
        """Return post → holder for the held posts of a desk."""
        now = self._clock.now()
        since, holders = self._known.get(desk, (now, {}))
        if not now - self.FRESH < since < now:
            holders = await queries.holders(desk)
            self._known[desk] = now, holders
        return holders


class Queries:
    """Reads of one dispatch database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, collection: str, now_ms: int, limit: int) -> list[Body]:
        """Return sheets or progress whose due time has passed, by index, oldest first."""
        return await self._database.find(
            collection,
            {"next_due": {"$lte": now_ms}},
            limit=limit,
            fields=["directive", "desk", "next_due", "version"],
            order="next_due",
        )

    async def live_sheets(self, after: str, limit: int) -> list[Body]:
        """Return open sheets in id order, with what the ticker compares against rosters."""
        return await self._database.find(
            "sheets",
            {"live": True, "_id": {"$gt": after}},
            limit=limit,
            fields=["directive", "desk", "frozen", "roster_v", "children", "order"],
        )

    async def roster_versions(self, desks: Sequence[str]) -> dict[str, int]:
        """Return how new the copy of each desk's roster is, where there is one."""
        where = {"_id": {"$in": list(desks)}}
        bodies = await self._database.find(ROSTERS.name, where, limit=len(desks) or 1, fields=["roster_v"])
        return {body["_id"]: body["roster_v"] for body in bodies}

    async def roster(self, desk: str) -> Roster | None:
        """Return the copy of a desk's roster."""
        body = await self._database.one("rosters", desk)
        return None if body is None else ROSTERS.decode(body)

    async def holders(self, desk: str) -> dict[str, str]:
        """Return post → holder for the held posts of a desk."""
        fields = ["seats.post", "seats.holder"]
        bodies = await self._database.find(ROSTERS.name, {"_id": desk}, limit=1, fields=fields)
        seats = [seat for body in bodies for seat in body["seats"]]
        return {seat["post"]: seat["holder"] for seat in seats if seat.get("holder")}

    async def posts_of(self, person: str) -> list[Holding]:
        """Return the posts a person holds now: authority ends with the appointment."""
        bodies = await self._database.find(
            ROSTERS.name,
            {"seats.holder": person},
            limit=100,
            fields=["desk", "path", "seats.post", "seats.holder"],
        )
        # Asked at every request: a desk's few hundred other seats are not worth a model each.
        return [
            Holding(seat["post"], body["desk"], tuple(body["path"]))
            for body in bodies
            for seat in body["seats"]
            if seat.get("holder") == person
        ]

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
        body = await self._database.one("sheets", id_)
        if body is None:
            return None
        return SHEETS.decode(body), await self.frozen(body["frozen"])

    async def frozen(self, id_: str | None) -> Frozen | None:
        """Return a frozen audience."""
        body = await self._database.one("frozen", id_) if id_ else None
        return None if body is None else FROZEN.decode(body)

    async def sheets(self, where: Mapping[str, Any], after: str, limit: int) -> list[Sheet]:
        """Return sheets in id order."""
        bodies = await self._database.find("sheets", {**where, "_id": {"$gt": after}}, limit=limit)
        return [SHEETS.decode(body) for body in bodies]

    async def rolls(self, directive: str, desks: Sequence[str]) -> list[tuple[Roll, int]]:
        """Return the progress of some desks of a directive, with versions."""
        ids = [f"{directive}/{desk}" for desk in desks]
        bodies = await self._database.find("progress", {"_id": {"$in": ids}}, limit=len(ids) or 1)
        return [(ROLLS.decode(body), body["v"]) for body in bodies]

    async def outcome(self, command: str) -> Outcome | None:
        """Return a command's outcome."""
        body = await self._database.one(OUTCOMES.name, command)
        return None if body is None else OUTCOMES.decode(body)
