"""What the API and the ticker read, from majority-committed documents; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.screening.domain.denominator import Denominator
from services.screening.domain.sheet import Head, Sheet, head_id, sheet_id
from services.screening.store import CHARGES, DENOMINATORS, HEADS, HOUSEHOLDS, ROLLS, ROUNDS, SCOPES, SHEETS
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import Charges
from shared.contracts.screening import CoverageTally, Criterion, Round
from shared.domain.roll import Roll
from shared.flow.decide import OUTCOMES
from shared.flow.documents import Body
from shared.mongo.client import Database

AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Board:
    """A round at one desk; without a denominator nothing can be counted there yet."""

    head: Head
    denominator: Denominator | None
    sheets: Sequence[Sheet]


class Queries:
    """Reads of one screening database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- for the ticker ---

    async def due(self, now_ms: int, limit: int) -> list[Body]:
        """Return progress whose due time has passed, by index, oldest first."""
        return await self._database.find(
            ROLLS.found_in, {"next_due": {"$lte": now_ms}}, limit=limit, order="next_due"
        )

    async def waiting(self, after: str, limit: int) -> list[Body]:
        """Return heads that a census could change, in id order."""
        return await self._database.find(
            HEADS.name,
            {"waiting": True, "_id": {"$gt": after}},
            limit=limit,
            fields=["round", "desk", "children"],
        )

    async def households(self, desk: str) -> int:
        """Return how many household facts of a desk are here."""
        return await self._database.count(HOUSEHOLDS.name, {"desk": desk})

    async def charges(self, desk: str) -> Charges | None:
        """Return the copy of a desk's charges record."""
        body = await self._database.one(CHARGES.name, desk)
        return None if body is None else CHARGES.decode(body)

    # --- for the API ---

    async def round(self, round_: str) -> Round | None:
        """Return a round."""
        body = await self._database.one(ROUNDS.name, round_)
        return None if body is None else ROUNDS.decode(body)

    async def rounds(self, where: Mapping[str, Any], after: str, limit: int) -> list[Round]:
        """Return rounds in id order."""
        bodies = await self._database.find(ROUNDS.name, {**where, "_id": {"$gt": after}}, limit=limit)
        return [ROUNDS.decode(body) for body in bodies]

    async def criterion(self, scope: str, name: str) -> Criterion | None:
        """Return the newest version of a scope's criterion."""
        body = await self._database.one(SCOPES.name, scope)
        return None if body is None else SCOPES.decode(body).criteria.get(name)

    async def board(self, round_: str, desk: str) -> Board | None:
        """Return a round at one desk: its head, its denominator and its sheets."""
        body = await self._database.one(HEADS.name, head_id(round_, desk))
        if body is None:
            return None
        head = HEADS.decode(body)
        frozen = await self._database.one(DENOMINATORS.name, head_id(round_, desk)) if head.frozen else None
        ids = [sheet_id(round_, desk, part) for part in head.parts]
        sheets = await self._database.find(SHEETS.name, {"_id": {"$in": ids}}, limit=len(ids) or 1)
        denominator = None if frozen is None else DENOMINATORS.decode(frozen)
        return Board(head, denominator, [SHEETS.decode(sheet) for sheet in sheets])

    async def rolls(self, round_: str, desks: Sequence[str]) -> list[tuple[Roll[CoverageTally], int]]:
        """Return the coverage of some desks of a round, with versions, at most so many at once."""
        found: list[tuple[Roll[CoverageTally], int]] = []
        for start in range(0, len(desks), AT_ONCE):
            ids = [head_id(round_, desk) for desk in desks[start : start + AT_ONCE]]
            bodies = await self._database.find(ROLLS.name, {"_id": {"$in": ids}}, limit=AT_ONCE)
            found += [(ROLLS.decode(body), body["v"]) for body in bodies]
        return found

    async def outcome(self, command: str) -> Outcome | None:
        """Return a command's outcome."""
        body = await self._database.one(OUTCOMES.name, command)
        return None if body is None else OUTCOMES.decode(body)
