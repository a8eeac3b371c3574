"""What the API and the ticker read, from majority-committed documents; nothing is written here."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

from services.registry.domain.chain import Chain, Rosters, responsible
from services.registry.domain.compile import compile_desk
from services.registry.domain.desk import Attachment, Desk
from services.registry.domain.findings import Found
from services.registry.domain.households import MAIN, Household
from services.registry.domain.scheme import Schemes
from services.registry.domain.superior import Types
from services.registry.store import DESKS, FINDINGS, HOUSEHOLDS, ROSTERS
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import Roster
from shared.flow.decide import OUTCOMES
from shared.flow.documents import Body
from shared.kernel.codes import desk_of
from shared.mongo.client import Database

_DESKS_AT_ONCE = 10
_LONGEST_CHAIN = 20
_MOST_DESKS_HELD = 100


class Queries:
    """Reads of one registry database."""

    def __init__(self, database: Database, schemes: Schemes, types: Types) -> None:
        self._database = database
        self._schemes = schemes
        self._types = types

    async def desk(self, code: str) -> tuple[Desk, int] | None:
        """Return a desk and its version."""
        body = await self._database.one(DESKS.name, code)
        return None if body is None else (DESKS.decode(body), body["v"])

    async def desks_inside(self, unit: str, start: str) -> AsyncIterator[tuple[Desk, int]]:
        """Yield the desk of a unit and every desk below it in the order of codes, from `start` on."""
        inside = {"$or": [{"_id": desk_of(unit)}, {"path": unit}]}
        bound = {"$gte": start}
        while True:
            where = {**inside, "_id": bound}
            bodies = await self._database.find(DESKS.name, where, limit=_DESKS_AT_ONCE)
            for body in bodies:
                yield DESKS.decode(body), body["v"]
            if len(bodies) < _DESKS_AT_ONCE:
                return
            bound = {"$gt": bodies[-1]["_id"]}

    async def roster(self, desk: str) -> Roster | None:
        """Return the roster of a desk as published."""
        body = await self._database.one(ROSTERS.name, desk)
        return None if body is None else ROSTERS.decode(body)

    async def roster_on(self, desk: str, day: date) -> Roster | None:
        """Return the roster of a desk as its dated state says for any day."""
        found = await self.desk(desk)
        return None if found is None else compile_desk(found[0], self._types, day).roster

    async def seats_inside(self, unit: str) -> list[Body]:
        """Return, for each desk inside a unit, its path and who holds its seats."""
        where = {"$or": [{"_id": unit}, {"path": unit}]}
        fields = ["path", "seats.post", "seats.holder"]
        return await self._database.find(ROSTERS.name, where, limit=10_000, fields=fields)

    async def may_change(self, person: str, desk: str) -> bool:
        """Say whether a person holds a post of the desk's own unit or of one above, as of the newest rosters.

        Whoever holds a post for a part of a desk, a building or a grid, may not say who holds the others.
        """
        found = await self.desk(desk)
        path = found[0].path(found[0].compiled_on or date.max) if found else Desk(desk).path(date.max)
        desks = sorted({desk, *map(desk_of, path)})
        places = {*desks, *path}
        where = {"_id": {"$in": desks}, "seats.holder": person}
        rosters = await self._database.find(
            ROSTERS.name, where, limit=len(desks), fields=["seats.holder", "seats.unit"]
        )
        seats = [seat for roster in rosters for seat in roster["seats"]]
        return any(seat.get("holder") == person and seat["unit"] in places for seat in seats)

    async def sees(self, person: str, desk: str, path: Sequence[str]) -> bool:
        """Say whether a person holds a post at a desk, above it or below it, as of the newest rosters."""
        where, fields = {"seats.holder": person}, ["path"]
        rosters = await self._database.find(ROSTERS.name, where, limit=_MOST_DESKS_HELD, fields=fields)
        above = {desk, *map(desk_of, path)}
        return any(each["_id"] in above or desk in each["path"] for each in rosters)

    async def household(self, id_: str) -> Household | None:
        body = await self._database.one(HOUSEHOLDS.name, id_)
        return None if body is None else HOUSEHOLDS.decode(body)

    async def responsible(self, id_: str, day: date, *, today: date) -> Chain | None:
        """Return who answers for a household on a day, asking desk after desk as the chain leads on."""
        household = await self.household(id_)
        residence = household.on(day) if household else None
        if household is None or residence is None:
            return None
        charge, rosters = residence.charges.get(MAIN), dict[str, Roster]()
        wanted, chain = household.desk, Chain(id_, ())
        for _ in range(_LONGEST_CHAIN):
            found = await (self.roster(wanted) if day == today else self.roster_on(wanted, day))
            if found is None:
                break
            rosters[wanted] = found
            chain = responsible(id_, charge, household.desk, Rosters(rosters), self._schemes)
            if not chain.links or chain.links[-1].desk in rosters:
                break
            wanted = chain.links[-1].desk
        return chain

    async def attachments(self, desks: Sequence[str]) -> list[Attachment]:
        """Return every attachment made at these desks."""
        bodies = await self._database.find(DESKS.name, {"_id": {"$in": list(desks)}}, limit=len(desks) or 1)
        return [attached for body in bodies for attached in DESKS.decode(body).attachments]

    async def findings(self, desk: str) -> list[Found]:
        body = await self._database.one(FINDINGS.name, desk)
        return [] if body is None else list(FINDINGS.decode(body).items.values())

    async def outcome(self, command: str) -> Outcome | None:
        body = await self._database.one(OUTCOMES.name, command)
        return None if body is None else OUTCOMES.decode(body)

    async def due(self, day: date, limit: int) -> list[dict[str, Any]]:
        """Return desks at which something begins or ends by this day, by index, longest due first."""
        where = {"next_due": {"$lte": day.isoformat()}}
        return await self._database.find(
            DESKS.name, where, limit=limit, fields=["next_due"], order="next_due"
        )
