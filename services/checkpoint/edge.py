"""What checkpoint's routes are given, and who may see what stands at a gate."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fastapi import Request

from services.checkpoint.domain.rules import GateRules
from services.checkpoint.keys import Keys
from services.checkpoint.queries import Queries
from shared.contracts import checkpoint as contract
from shared.contracts.checkpoint import CheckpointCommand, GateFact, Order, PassFact
from shared.contracts.outcomes import Outcome
from shared.domain.dated import Dated
from shared.kernel.clock import Clock
from shared.kernel.codes import InvalidCode, desk_of_post, parse
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import Problem
from shared.service.appending import Appender
from shared.service.rosters import Callers


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes are given."""

    queries: Callable[[], Queries]
    callers: Callers
    appender: Appender
    keys: Keys
    rules: Dated[GateRules]
    clock: Clock
    ulids: UlidFactory
    zone: ZoneInfo
    body_limit: int

    async def gate(self, request: Request, code: str) -> GateFact:
        """Return a gate to somebody whose post lies at its desk, above or below it; else a 404 problem."""
        person = self.callers.person(request)
        try:
            found = await self.queries().gate(code)
        except InvalidCode as error:
            raise Problem("not-found") from error
        if found is None or not await self.sees(person, found.desk):
            raise Problem("not-found")
        return found

    async def issued(self, request: Request, pass_id: str) -> PassFact:
        """Return a pass to somebody whose post lies at its desk, above or below it; else a 404 problem."""
        person = self.callers.person(request)
        found = await self.queries().issued(pass_id)
        if found is None or not await self.sees(person, found.desk):
            raise Problem("not-found")
        return found

    async def holds_text(self, request: Request, issued: PassFact) -> bool:
        """Return whether a pass's text is the caller's to give out: whoever shows it passes as its holder.

        It is for the post that issued it, and for the one that answers for the household first.
        """
        household = await self.queries().household(issued.household)
        charge = household.charges.get("main") if household else None
        person, rosters = self.callers.person(request), self.callers.rosters()
        for post in filter(None, (issued.issuer, charge)):
            if (await self.callers.holders.of(desk_of_post(post), rosters)).get(post) == person:
                return True
        return False

    async def sees(self, person: str, desk: str) -> bool:
        """Return whether somebody holds a post at a desk, above it or below it."""
        roster = await self.callers.rosters().roster(desk)
        path = roster.path if roster else tuple(above.text for above in parse(desk).ancestors())
        return await self.callers.sees(person, desk, path)

    async def command(self, id_: str, person: str, command: Order) -> Outcome | None:
        """Append a command under its id, and wait a moment for the outcome."""
        body = CheckpointCommand(command=command)
        return await self.appender.command(
            contract.COMMANDS_TOPIC, contract.COMMAND, body.desk, body, id_=id_, actor=person
        )
