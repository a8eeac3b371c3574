"""What dispatch's routes are given, and who may see and say what."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from services.dispatch.domain.directive import Directive, Refusal, beyond_authority
from services.dispatch.queries import Holders, Queries
from shared.contracts import dispatch as contract
from shared.contracts.dispatch import CancelDirective, DirectiveCommand, IssueDirective
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import Roster
from shared.kernel.clock import Clock
from shared.kernel.codes import InvalidCode, desk_of, desk_of_post
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import Problem
from shared.runtime.tokens import Verifier, bearer_token
from shared.service.appending import Appender


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes are given."""

    queries: Callable[[], Queries]
    holders: Holders
    appender: Appender
    verifier: Verifier
    clock: Clock
    ulids: UlidFactory
    body_limit: int

    def person(self, request: Request) -> str:
        """Return the person a request's token names; raises a 401 problem."""
        return self.verifier.person(bearer_token(request.headers), self.clock.now())

    async def refuse_outsider(self, person: str, post: str) -> None:
        """Raise a 403 problem unless the person holds the post now: authority ends with the appointment."""
        try:
            desk = desk_of_post(post)
        except InvalidCode as error:
            raise Problem("invalid-body", str(error)) from error
        if (await self.holders.of(desk, self.queries())).get(post) != person:
            raise Problem("forbidden")

    async def refuse_beyond_authority(self, person: str, issuer: str, scope: str) -> None:
        """Raise a 403 problem for an order that is not this person's to give; the decision asks again."""
        here, there = await self._roster(desk_of_post, issuer), await self._roster(desk_of, scope)
        refused: Refusal | None = beyond_authority(issuer, scope, actor=person, here=here, there=there)
        if refused is not None:
            raise Problem("forbidden", refused.detail, reason=refused.code)

    async def _roster(self, desk: Callable[[str], str], of: str) -> Roster | None:
        try:
            return await self.queries().roster(desk(of))
        except InvalidCode as error:
            raise Problem("invalid-body", str(error)) from error

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
        for held in await self.queries().posts_of(person):
            upward = (held.desk, *held.path)
            if known.order.desk in upward and (scope.desk in upward or held.desk in scope.path):
                return known, v
        raise Problem("not-found")

    async def command(
        self, id_: str, person: str, command: IssueDirective | CancelDirective
    ) -> Outcome | None:
        """Append a directive command under its id, and wait a moment for the outcome."""
        key = f"{desk_of_post(command.issuer)}/{command.directive}"
        body = DirectiveCommand(command=command)
        return await self.appender.command(
            contract.COMMANDS_TOPIC, contract.COMMAND, key, body, id_=id_, actor=person
        )
