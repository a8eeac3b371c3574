"""What dispatch's routes are given, and who may see an order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.dispatch.domain.directive import Directive
from services.dispatch.queries import Queries
from shared.contracts import dispatch as contract
from shared.contracts.directives import AmendDirective, CancelDirective, DirectiveCommand, IssueDirective
from shared.contracts.outcomes import Outcome
from shared.kernel.clock import Clock
from shared.kernel.codes import desk_of_post
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
    clock: Clock
    ulids: UlidFactory
    body_limit: int

    async def known(self, directive: str) -> tuple[Directive, int]:
        """Return a directive and its version, or raise a 404 problem."""
        known = await self.queries().directive(directive)
        if known is None:
            raise Problem("not-found")
        return known

    async def visible(self, person: str, directive: str) -> tuple[Directive, int]:
        """Return a directive to somebody whose post lies in its way; to anybody else it is not there."""
        known, v = await self.known(directive)
        scope = known.order.scope
        for held in await self.callers.rosters().posts_of(person):
            upward = (held.desk, *held.path)
            if known.order.desk in upward and (scope.desk in upward or held.desk in scope.path):
                return known, v
        raise Problem("not-found")

    async def visible_where(self, person: str) -> dict[str, Any]:
        """Return what `visible` asks, as a query for all that are so."""
        ways = []
        for held in await self.callers.rosters().posts_of(person):
            upward = {"$in": [held.desk, *held.path]}
            ways.append({"order.desk": upward, "$or": [
                {"order.scope.desk": upward}, {"order.scope.path": held.desk},
            ]})  # fmt: skip
        # Whoever holds no post sees nothing; an empty choice is no query.
        return {"$or": ways or [{"_id": ""}]}

    async def command(
        self, id_: str, person: str, command: IssueDirective | AmendDirective | CancelDirective
    ) -> Outcome | None:
        """Append a directive command under its id, and wait a moment for the outcome."""
        key = f"{desk_of_post(command.issuer)}/{command.directive}"
        body = DirectiveCommand(command=command)
        return await self.appender.command(
            contract.COMMANDS_TOPIC, contract.COMMAND, key, body, id_=id_, actor=person
        )
