"""HTTP: give an order, answer one, and read where it stands. Appends and reads; decides nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from services.dispatch.domain.directive import Directive
from services.dispatch.domain.progress import view
from services.dispatch.domain.sheet import sheet_id
from services.dispatch.presenting import Json, directive_json, entries_json, listed_json, work_json
from services.dispatch.queries import Queries
from shared.contracts import dispatch as contract
from shared.contracts.base import Addressee, Code, Model, PostId, Reason, Text
from shared.contracts.dispatch import (
    Answer,
    AnsweredState,
    Audience,
    CancelDirective,
    Deadlines,
    Dimension,
    DirectiveCommand,
    Epoch,
    IssueDirective,
    Kind,
    Mode,
    Version,
)
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import Roster, Seat
from shared.kernel.clock import Clock
from shared.kernel.codes import InvalidCode, desk_of_post
from shared.kernel.ids import UlidFactory
from shared.runtime.http import Page, encode_cursor, idempotency_key, page, read_model
from shared.runtime.problems import Problem
from shared.runtime.tokens import Verifier, bearer_token
from shared.service.appending import Appender, refuse_rejected, undecided

TREE_MOST = 500
Paging = Annotated[Page, Depends(page)]


class NewDirective(Model):
    """An order to give. Without deadlines the dated configuration of the day applies."""

    kind: Kind = "order"
    issuer: PostId
    text: Text
    scope: Code
    audience: Audience = Audience()
    mode: Mode = "relayed"
    deadlines: Deadlines | None = None
    dimensions: tuple[Dimension, ...] = ("level",)


class Cancellation(Model):
    """Why an order is withdrawn."""

    reason: Reason


class NewAnswer(Model):
    """An answer to a delivery: its desk, version and epoch are the delivery's own."""

    desk: Code
    version: Version
    epoch: Epoch = 0
    addressee: Addressee
    state: AnsweredState
    by: PostId | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes are given."""

    queries: Callable[[], Queries]
    appender: Appender
    verifier: Verifier
    clock: Clock
    ulids: UlidFactory
    body_limit: int

    def person(self, request: Request) -> str:
        """Return the person a request's token names; raises a 401 problem."""
        return self.verifier.person(bearer_token(request.headers), self.clock.now())

    async def holds(self, person: str, post: str) -> bool:
        """Return whether the person holds the post now: authority ends with the appointment."""
        return any(seat.post == post for _, seat in await self.queries().posts_of(person))

    async def command(self, request: Request, person: str, command: Any) -> Outcome | None:
        """Append a directive command under the request's idempotency key."""
        key = f"{_desk(command.issuer)}/{command.directive}"
        id_ = idempotency_key(request, self.ulids)
        body = DirectiveCommand(command=command)
        return await self.appender.command(
            contract.COMMANDS_TOPIC, contract.COMMAND, key, body, id_=id_, actor=person
        )


def routes(edge: Edge) -> APIRouter:
    """Return dispatch's routes."""
    router = APIRouter()
    _add_writes(router, edge)
    _add_reads(router, edge)
    return router


def _add_writes(router: APIRouter, edge: Edge) -> None:
    @router.post("/directives", status_code=201)
    async def issue(request: Request) -> Response:
        """Give an order. Answers 201 with the directive, 202 while undecided, or why it is refused."""
        person = edge.person(request)
        new = await read_model(request, NewDirective, edge.body_limit)
        # The directive's id follows from the key, so that a retried request is the same directive.
        id_ = idempotency_key(request, edge.ulids)
        request.scope["headers"] = [*request.scope["headers"], (b"idempotency-key", id_.encode())]
        command = IssueDirective(directive=id_, **dict(new))
        outcome = await edge.command(request, person, command)
        if outcome is None:
            return undecided(id_)
        refuse_rejected(outcome)
        return JSONResponse(
            {"directive": id_, "desk": _desk(new.issuer)}, 201, {"Location": f"/directives/{id_}"}
        )

    @router.post("/directives/{directive}/cancellation", status_code=201)
    async def cancel(request: Request, directive: str) -> Response:
        """Withdraw an order: a new version that everybody is told."""
        person = edge.person(request)
        cancellation = await read_model(request, Cancellation, edge.body_limit)
        known, _ = await _known(edge, directive)
        if not await edge.holds(person, known.order.issuer):
            raise Problem("forbidden")
        command = CancelDirective(directive=directive, issuer=known.order.issuer, reason=cancellation.reason)
        outcome = await edge.command(request, person, command)
        if outcome is None:
            return undecided(idempotency_key(request, edge.ulids))
        refuse_rejected(outcome)
        return JSONResponse({"directive": directive, "version": known.order.version + 1}, 201)

    @router.post("/directives/{directive}/answers", status_code=202)
    async def answer(request: Request, directive: str) -> Response:
        """Answer for a post one holds, or with `by` as a superior for another. Counts once it is merged."""
        person = edge.person(request)
        new = await read_model(request, NewAnswer, edge.body_limit)
        if not await edge.holds(person, new.by or new.addressee):
            raise Problem("forbidden")
        if new.reason is None and (new.by is not None or new.state == "refused"):
            raise Problem("invalid-body", "a refusal, and an answer for another post, needs a reason")
        id_ = idempotency_key(request, edge.ulids)
        body = Answer(directive=directive, at=edge.clock.now(), **dict(new))
        await edge.appender.fact(contract.ACKS_TOPIC, contract.ANSWER, new.desk, body, id_=id_, actor=person)
        return JSONResponse({"answer": id_}, 202)


def _add_reads(router: APIRouter, edge: Edge) -> None:
    @router.get("/directives")
    async def list_directives(
        request: Request,
        paging: Paging,
        issuer: Annotated[str | None, Query(max_length=160)] = None,
        status: Annotated[str | None, Query(pattern="^(open|closed)$")] = None,
        addressee: Annotated[str | None, Query(max_length=160)] = None,
    ) -> Response:
        """List directives by issuer and status, or a post's open ones (`addressee`)."""
        person = edge.person(request)
        if addressee is not None:
            return await _worklist(edge, person, addressee, paging)
        where: Json = {name: value for name, value in (("issuer", issuer), ("status", status)) if value}
        held = await edge.queries().posts_of(person)
        # A person sees the orders given at or above the desks where they hold a post.
        desks = {desk for roster, _ in held for desk in (roster.desk, *roster.path)}
        where["order.desk"] = {"$in": sorted(desks)}
        found = await edge.queries().directives(where, _after(paging), paging.limit)
        items = [directive_json(directive, v) for directive, v in found]
        last = found[-1][0].order.directive if len(found) == paging.limit else None
        return JSONResponse({"items": items, "cursor": last and encode_cursor(last)})

    @router.get("/directives/{directive}")
    async def read_directive(request: Request, directive: str) -> Response:
        """Return what a directive says and whether its loop is closed."""
        known, v = await _visible(edge, edge.person(request), directive)
        return JSONResponse(directive_json(known, v))

    @router.get("/directives/{directive}/progress")
    async def read_progress(
        request: Request,
        directive: str,
        desk: Annotated[str | None, Query(max_length=80)] = None,
        depth: Annotated[int, Query(ge=0, le=6)] = 0,
    ) -> Response:
        """Return where a directive stands at a desk (the issuing one by default) and `depth` levels below."""
        known, _ = await _visible(edge, edge.person(request), directive)
        tree = await _tree(edge.queries(), directive, [desk or known.order.desk], depth)
        if not tree:
            raise Problem("not-found")
        return JSONResponse(tree[0])

    @router.get("/directives/{directive}/entries")
    async def list_entries(
        request: Request,
        directive: str,
        desk: Annotated[str, Query(max_length=80)],
        paging: Paging,
        state: Annotated[str | None, Query(pattern="^[a-z]+$")] = None,
        level: Annotated[str | None, Query(max_length=60)] = None,
        *,
        open_only: Annotated[bool, Query(alias="open")] = False,
    ) -> Response:
        """List the entries of one desk's sheet by position, filtered by state, level, or only open ones."""
        await _visible(edge, edge.person(request), directive)
        held = await edge.queries().sheet(sheet_id(directive, desk))
        if held is None:
            raise Problem("not-found")
        rows = [
            row
            for row in entries_json(*held)
            if (state is None or row["state"] == state)
            and (level is None or row["level"] == level)
            and not (open_only and row["done"])
        ]
        start = int(paging.after[0]) if paging.after else 0
        shown = rows[start : start + paging.limit]
        more = encode_cursor(start + paging.limit) if start + paging.limit < len(rows) else None
        return JSONResponse({"items": shown, "cursor": more, "listed": listed_json(held[0])})

    @router.get("/outcomes/{command}")
    async def read_outcome(request: Request, command: str) -> Response:
        """Return what became of a command its sender appended."""
        person = edge.person(request)
        stored = await edge.queries().outcome(command)
        if stored is None or stored.actor != person:
            raise Problem("not-found")
        return JSONResponse(stored.model_dump(mode="json", exclude_none=True))


async def _known(edge: Edge, directive: str) -> tuple[Directive, int]:
    known = await edge.queries().directive(directive)
    if known is None:
        raise Problem("not-found")
    return known


async def _visible(edge: Edge, person: str, directive: str) -> tuple[Directive, int]:
    """Return a directive to somebody whose post lies in its way; to anybody else it is not there."""
    known, v = await _known(edge, directive)
    for roster, _ in await edge.queries().posts_of(person):
        scope = known.order.scope
        above = known.order.desk in (roster.desk, *roster.path)
        if above and (scope.desk in (roster.desk, *roster.path) or roster.desk in scope.path):
            return known, v
    raise Problem("not-found")


async def _worklist(edge: Edge, person: str, post: str, paging: Page) -> Response:
    """Return the orders a post has not done, and the entries it is asked to decide for."""
    held = await edge.queries().posts_of(person)
    if not any(_may_look(roster, seat, post) for roster, seat in held):
        raise Problem("not-found")
    where = {"live": True, "$or": [{"desk": _desk(post)}, {"asked": post}]}
    sheets = await edge.queries().sheets(where, _after(paging), paging.limit)
    items = []
    for sheet in sheets:
        work = work_json(sheet, await edge.queries().frozen(sheet.frozen), post)
        if work is not None:
            items.append(work)
    last = sheets[-1] if len(sheets) == paging.limit else None
    cursor = encode_cursor(sheet_id(last.directive, last.desk)) if last else None
    return JSONResponse({"items": items, "cursor": cursor})


def _after(paging: Page) -> str:
    return str(paging.after[0]) if paging.after else ""


def _may_look(roster: Roster, seat: Seat, post: str) -> bool:
    return seat.post == post or roster.desk == _desk(post)


async def _tree(queries: Queries, directive: str, desks: Sequence[str], depth: int) -> list[Json]:
    """Return progress by desk; a tree wider than a page can hold is asked for level by level."""
    if len(desks) > TREE_MOST:
        raise Problem("invalid-query", f"more than {TREE_MOST} desks at one level; ask for one below")
    nodes: list[Json] = []
    for roll, v in await queries.rolls(directive, desks):
        shown = view(roll, v)
        if shown is None:
            continue
        node = shown.model_dump(mode="json")
        if depth and shown.children:
            node["below"] = await _tree(queries, directive, shown.children, depth - 1)
        nodes.append(node)
    return nodes


def _desk(post: str) -> str:
    try:
        return desk_of_post(post)
    except InvalidCode as error:
        raise Problem("invalid-body", error.detail) from error
