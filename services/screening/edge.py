"""What screening's routes are given, and who may see a round and speak for a desk."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import Request

from services.screening.domain.round import Terms
from services.screening.queries import Queries
from shared.contracts import screening as contract
from shared.contracts.outcomes import Outcome
from shared.contracts.screening import CloseRound, OpenRound, PutCriterion, Round, ScreeningCommand
from shared.domain.dated import Dated
from shared.kernel.clock import Clock
from shared.kernel.codes import desk_of, desk_of_post
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import Problem, rejection
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
    terms: Dated[Terms]
    zone: ZoneInfo
    body_limit: int
    bulk_body_limit: int

    def person(self, request: Request) -> str:
        """Return the person a request's token names; raises a 401 problem."""
        return self.callers.person(request)

    async def refuse_stranger(self, person: str, post: str, desk: str) -> None:
        """Raise a 403 problem unless the person holds the post, and it is of this desk or of one above it."""
        await self.callers.refuse_outsider(person, post)
        own = desk_of_post(post)
        if own == desk:
            return
        there = await self.callers.rosters().roster(desk)
        if there is None or own not in there.path:
            raise Problem("forbidden", f"{own} is not above {desk}")

    def refuse_the_future(self, at: datetime) -> None:
        """Raise a 422 problem for a time that no error of a phone's clock explains: the dated `skew`.

        What is a little ahead is taken; who merges it believes no later than the broker's own time.
        """
        now = self.clock.now()
        if at > now + timedelta(seconds=self.terms.on(now).skew):
            raise rejection("from-the-future", at.isoformat())

    async def visible(self, person: str, round_: str) -> Round:
        """Return a round to somebody whose post lies in its way; to anybody else it is not there."""
        known = await self.queries().round(round_)
        if known is not None:
            scope = known.scope
            if await self.callers.sees(person, scope.desk, scope.path):
                return known
        raise Problem("not-found")

    async def refuse_blind(self, person: str, desk: str) -> None:
        """Raise a 404 problem unless the person holds a post at a desk, above it or below it."""
        roster = await self.callers.rosters().roster(desk)
        if not await self.callers.sees(person, desk, roster.path if roster else ()):
            raise Problem("not-found")

    async def command(
        self, id_: str, person: str, command: OpenRound | CloseRound | PutCriterion
    ) -> Outcome | None:
        """Append a command under its id, and wait a moment for the outcome."""
        body = ScreeningCommand(command=command)
        return await self.appender.command(
            contract.COMMANDS_TOPIC, contract.COMMAND, desk_of(command.scope), body, id_=id_, actor=person
        )
