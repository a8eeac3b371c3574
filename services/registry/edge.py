"""What registry's routes are given, and who may change what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from fastapi import Request

from services.registry.domain.scheme import Schemes
from services.registry.queries import Queries
from shared.kernel.clock import Clock, local_day
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import Problem
from shared.runtime.tokens import Verifier, bearer_token
from shared.service.appending import Appender


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes are given."""

    queries: Callable[[], Queries]
    appender: Appender
    schemes: Schemes
    verifier: Verifier
    clock: Clock
    ulids: UlidFactory
    zone: ZoneInfo
    body_limit: int
    operators: frozenset[str] = frozenset()

    def person(self, request: Request) -> str:
        """Return the person a request's token names; raises a 401 problem."""
        return self.verifier.person(bearer_token(request.headers), self.clock.now())

    def today(self) -> date:
        return local_day(self.clock.now(), self.zone)

    async def refuse_outsider(self, person: str, desk: str) -> None:
        """Raise a 403 problem unless the person holds a post of the desk's own unit or above, or operates."""
        if person not in self.operators and not await self.queries().may_change(person, desk):
            raise Problem("forbidden")

    async def refuse_stranger(self, person: str, desk: str, path: Sequence[str]) -> None:
        """Raise a 404 problem unless the person holds a post at a desk, above or below it, or operates.

        Who holds which post is shown to those who share the chain; what a place is called, to anybody known.
        """
        if person not in self.operators and not await self.queries().sees(person, desk, path):
            raise Problem("not-found")
