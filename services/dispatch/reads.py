"""HTTP: where an order stands, desk by desk and entry by entry. Reads only what dispatch stored itself."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from services.dispatch.domain.progress import view
from services.dispatch.domain.sheet import sheet_id
from services.dispatch.edge import Edge
from services.dispatch.presenting import Json, directive_json, entries_json, listed_json, work_json
from services.dispatch.queries import Queries
from shared.kernel.codes import InvalidCode, desk_of_post
from shared.runtime.http import Page, encode_cursor, page
from shared.runtime.problems import Problem
from shared.service.tree import Node, tree

Paging = Annotated[Page, Depends(page)]


def directives(edge: Edge) -> APIRouter:
    """Return the routes that read."""
    router = APIRouter()

    @router.get("/directives")
    async def list_directives(
        request: Request,
        paging: Paging,
        issuer: Annotated[str | None, Query(max_length=160)] = None,
        status: Annotated[str | None, Query(pattern="^(open|closed)$")] = None,
        addressee: Annotated[str | None, Query(max_length=160)] = None,
    ) -> Response:
        """List directives by issuer and status, or a post's open ones (`addressee`)."""
        person = edge.callers.person(request)
        if addressee is not None:
            return await _worklist(edge, person, addressee, paging)
        where: Json = {name: value for name, value in (("issuer", issuer), ("status", status)) if value}
        where |= await edge.visible_where(person)
        found = await edge.queries().directives(where, _after(paging), paging.limit)
        items = [directive_json(directive, v) for directive, v in found]
        last = found[-1][0].order.directive if len(found) == paging.limit else None
        return JSONResponse({"items": items, "cursor": last and encode_cursor(last)})

    @router.get("/directives/{directive}")
    async def read_directive(request: Request, directive: str) -> Response:
        """Return what a directive says and whether its loop is closed."""
        known, v = await edge.visible(edge.callers.person(request), directive)
        return JSONResponse(directive_json(known, v))

    @router.get("/directives/{directive}/progress")
    async def read_progress(
        request: Request,
        directive: str,
        desk: Annotated[str | None, Query(max_length=80)] = None,
        depth: Annotated[int, Query(ge=0, le=6)] = 0,
    ) -> Response:
        """Return where a directive stands at a desk (the issuing one by default) and `depth` levels below."""
        known, _ = await edge.visible(edge.callers.person(request), directive)
        found = await tree(desk or known.order.desk, depth, partial(_progress, edge.queries(), directive))
        if found is None:
            raise Problem("not-found")
        return JSONResponse(found)

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
        await edge.visible(edge.callers.person(request), directive)
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
        start = _start(paging)
        shown = rows[start : start + paging.limit]
        more = encode_cursor(start + paging.limit) if start + paging.limit < len(rows) else None
        return JSONResponse({"items": shown, "cursor": more, "listed": listed_json(held[0])})

    @router.get("/outcomes/{command}")
    async def read_outcome(request: Request, command: str) -> Response:
        """Return what became of a command its sender appended."""
        person = edge.callers.person(request)
        stored = await edge.queries().outcome(command)
        if stored is None or stored.actor != person:
            raise Problem("not-found")
        return JSONResponse(stored.model_dump(mode="json", exclude_none=True))

    return router


async def _worklist(edge: Edge, person: str, post: str, paging: Page) -> Response:
    """Return the orders a post has not done, and the entries it is asked to decide for."""
    held = await edge.callers.rosters().posts_of(person)
    if all(holding.desk != _desk(post) for holding in held):
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


def _start(paging: Page) -> int:
    start = paging.after[0] if paging.after else 0
    if not isinstance(start, int) or start < 0:
        raise Problem("invalid-cursor")
    return start


async def _progress(queries: Queries, directive: str, desks: Sequence[str]) -> list[Node]:
    """Return the progress of desks, of each that has any."""
    shown = [view(roll, v) for roll, v in await queries.rolls(directive, desks)]
    return [(each.desk, each.model_dump(mode="json"), each.children) for each in shown if each]


def _desk(post: str) -> str:
    try:
        return desk_of_post(post)
    except InvalidCode as error:
        raise Problem("invalid-query", error.code) from error
