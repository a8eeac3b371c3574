"""What the API and the ticker read, from majority-committed documents; nothing is written here."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from services.checkpoint.domain.gate_day import GateDay, gate_day_id
from services.checkpoint.domain.gates import GateDesk
from services.checkpoint.domain.presence import Presence, presence_id
from services.checkpoint.store import DESKS, DUE_FIELDS, GATE_DAYS, HOUSEHOLDS, PASSES, PRESENCE, UNITS
from shared.contracts.checkpoint import GateFact, PassFact
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import HouseholdFact, UnitFact
from shared.flow.decide import OUTCOMES
from shared.flow.documents import Body
from shared.kernel.codes import desk_of
from shared.mongo.client import Database

LAST: Final = "~"
"""Sorts behind every pass id."""


class Queries:
    """Reads of one checkpoint database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, collection: str, now_ms: int, limit: int) -> list[Body]:
        """Return documents whose `next_due` has passed, by index, oldest first."""
        return await self._database.find(
            collection,
            {"next_due": {"$lte": now_ms}},
            limit=limit,
            fields=DUE_FIELDS[collection],
            order="next_due",
        )

    async def gates(self, area: str) -> list[GateFact]:
        """Return the gates of an area, or of a whole community, by code; open and closed."""
        desk = desk_of(area)
        held = await self.desk(desk)
        return [gate for _, gate in sorted(held.gates.items()) if area in (gate.area, desk)]

    async def gate(self, code: str) -> GateFact | None:
        """Return one gate."""
        return (await self.desk(desk_of(code))).gates.get(code)

    async def gate_days(self, gates: Sequence[str], day: date) -> list[GateDay]:
        """Return what some gates counted on a day; a gate that nobody passed has none."""
        ids = [gate_day_id(gate, day) for gate in gates]
        bodies = await self._database.find(GATE_DAYS.name, {"_id": {"$in": ids}}, limit=len(ids) or 1)
        return [GATE_DAYS.decode(body) for body in bodies]

    async def unit(self, code: str) -> UnitFact | None:
        """Return the copy of a unit."""
        body = await self._database.one(UNITS.name, code)
        return None if body is None else UNITS.decode(body)

    async def issued(self, pass_id: str) -> PassFact | None:
        """Return one pass."""
        body = await self._database.one(PASSES.name, pass_id)
        return None if body is None else PASSES.decode(body)

    async def household(self, household: str) -> HouseholdFact | None:
        """Return the copy of a household."""
        body = await self._database.one(HOUSEHOLDS.name, household)
        return None if body is None else HOUSEHOLDS.decode(body)

    async def outside(self, area: str, after: str, limit: int) -> list[tuple[str, Presence]]:
        """Return who is outside an area, in id order; looked for among the passes of its community."""
        first, last = presence_id(desk_of(area), ""), presence_id(desk_of(area), LAST)
        within = {"$gt": max(after, first), "$lt": last}
        where: Mapping[str, Any] = {"_id": within, "area": area, "outside": True}
        bodies = await self._database.find(PRESENCE.name, where, limit=limit)
        return [(body["_id"], PRESENCE.decode(body)) for body in bodies]

    async def outcome(self, command: str) -> Outcome | None:
        """Return a command's outcome."""
        body = await self._database.one(OUTCOMES.name, command)
        return None if body is None else OUTCOMES.decode(body)

    async def desk(self, desk: str) -> GateDesk:
        """Return the gates of a community."""
        body = await self._database.one(DESKS.name, desk)
        return GateDesk() if body is None else DESKS.decode(body)
