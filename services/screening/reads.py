"""HTTP: how much of a round is covered, who is not, and what is to do. Reads what screening stored itself."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from services.screening.domain.coverage import view
from services.screening.domain.tally import holes, person_holes, revisits
from services.screening.domain.worklist import current, worklist
from services.screening.edge import Edge
from services.screening.presenting import (
    Json,
    coverage_json,
    hole_json,
    later_json,
    listed_json,
    person_json,
    round_json,
    work_json,
)
from services.screening.queries import Board, Queries
from shared.contracts.screening import Round
from shared.domain.authority import seat_of
from shared.kernel.clock import local_day
from shared.kernel.codes import InvalidCode, desk_of, desk_of_post
from shared.runtime.http import Page, encode_cursor, page
from shared.runtime.problems import Problem
from shared.service.tree import Node, tree

Paging = Annotated[Page, Depends(page)]
AtDesk = Annotated[str, Query(max_length=80)]
T = TypeVar("T")


def rounds(edge: Edge) -> APIRouter:
    """Return the routes that read."""
    router = APIRouter()
    for part in (_counts, _names):
        router.include_router(part(edge))
    return router


def _counts(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.get("/rounds")
    async def list_rounds(
        request: Request,
        paging: Paging,
        scope: Annotated[str | None, Query(max_length=80)] = None,
        status: Annotated[str | None, Query(pattern="^(open|closed)$")] = None,
    ) -> Response:
        """List rounds over a place, or those opened at or above the desks where the person holds a post."""
        where = await _seen_by(edge, edge.person(request), scope)
        where |= {"status": status} if status else {}
        after = str(paging.after[0]) if paging.after else ""
        found = await edge.queries().rounds(where, after, paging.limit)
        cursor = encode_cursor(found[-1].round) if len(found) == paging.limit else None
        return JSONResponse({"items": [round_json(each) for each in found], "cursor": cursor})

    @router.get("/rounds/{round_}")
    async def read_round(request: Request, round_: str) -> Response:
        """Return a round as it was decided, and whether it is closed."""
        return JSONResponse(round_json(await edge.visible(edge.person(request), round_)))

    @router.get("/rounds/{round_}/coverage")
    async def read_coverage(
        request: Request,
        round_: str,
        desk: Annotated[str | None, Query(max_length=80)] = None,
        depth: Annotated[int, Query(ge=0, le=6)] = 0,
    ) -> Response:
        """Return how much is covered at a desk (the scope's by default) and `depth` levels below."""
        known = await edge.visible(edge.person(request), round_)
        found = await tree(desk or known.scope.desk, depth, partial(_coverage, edge.queries(), round_))
        if found is None:
            raise Problem("not-found")
        return JSONResponse(found)

    @router.get("/outcomes/{command}")
    async def read_outcome(request: Request, command: str) -> Response:
        """Return what became of a command its sender appended."""
        person = edge.person(request)
        stored = await edge.queries().outcome(command)
        if stored is None or stored.actor != person:
            raise Problem("not-found")
        return JSONResponse(stored.model_dump(mode="json", exclude_none=True))

    return router


async def _seen_by(edge: Edge, person: str, scope: str | None) -> Json:
    """Return which rounds a person may list; a place out of sight is not there."""
    if scope is None:
        held = await edge.callers.rosters().posts_of(person)
        return {"desk": {"$in": sorted({desk for post in held for desk in (post.desk, *post.path)})}}
    try:
        await edge.refuse_blind(person, desk_of(scope))
    except InvalidCode as error:
        raise Problem("invalid-query", error.code) from error
    return {"scope": scope}


async def _coverage(queries: Queries, round_: str, desks: Sequence[str]) -> list[Node]:
    """Return the coverage of desks, of each that has any."""
    rolls = await queries.rolls(round_, desks)
    shown = [(view(roll, v), roll) for roll, v in rolls]
    return [(each.desk, coverage_json(each, roll), each.children) for each, roll in shown if each]


def _names(edge: Edge) -> APIRouter:
    # What names households is for those who hold a post at the desk, above it or below; the rest is for
    # everybody in whose way the round lies.
    router = APIRouter()

    @router.get("/rounds/{round_}/holes")
    async def list_holes(
        request: Request,
        round_: str,
        desk: AtDesk,
        paging: Paging,
        kind: Annotated[str, Query(pattern="^(households|persons)$")] = "households",
    ) -> Response:
        """Name every household, or every person and day, that is not covered at a desk (S2-11)."""
        known, board = await _board(edge, request, round_, desk)
        beside = {"listed": listed_json(board.head), "later": later_json(board.head)}
        if kind == "persons":
            return _page(_parts(board, person_holes, known.slots), person_json, paging, **beside)
        return _page(_parts(board, holes, known.slots), hole_json, paging, **beside)

    @router.get("/rounds/{round_}/revisits")
    async def list_revisits(request: Request, round_: str, desk: AtDesk, paging: Paging) -> Response:
        """List where nobody was home or the visit was refused in today's slot, oldest attempt first."""
        known, board = await _board(edge, request, round_, desk)
        slot = current(known, local_day(edge.clock.now(), edge.zone))
        again = [hole for hole in _parts(board, revisits, known.slots) if hole.slot == slot]
        again.sort(key=lambda hole: (hole.last or (0, ""), hole.household))
        return _page(again, hole_json, paging)

    @router.get("/rounds/{round_}/worklist")
    async def list_work(
        request: Request, round_: str, post: Annotated[str, Query(max_length=160)], paging: Paging
    ) -> Response:
        """List what a post has to visit today: its own households first, then its care unit's others."""
        desk = _desk(post)
        known, board = await _board(edge, request, round_, desk)
        roster = await edge.callers.rosters().roster(desk)
        seat = seat_of(roster, post)
        if seat is None:
            raise Problem("not-found")
        if board.denominator is None:
            return _page([], work_json, paging)
        found = worklist(
            known,
            board.denominator,
            board.sheets,
            today=local_day(edge.clock.now(), edge.zone),
            post=post,
            within=(*seat.within, seat.unit),
        )
        return _page(found, work_json, paging)

    return router


async def _board(edge: Edge, request: Request, round_: str, desk: str) -> tuple[Round, Board]:
    person = edge.person(request)
    known = await edge.visible(person, round_)
    await edge.refuse_blind(person, desk)
    board = await edge.queries().board(round_, desk)
    if board is None:
        raise Problem("not-found")
    return known, board


def _parts(board: Board, named: Callable[..., Iterable[T]], slots: tuple[str, ...]) -> list[T]:
    """Return what each part of a desk names; a desk that is not countable yet names nothing."""
    if board.denominator is None:
        return []
    ordered = sorted(board.sheets, key=lambda sheet: sheet.part)
    return list(chain.from_iterable(named(sheet, board.denominator, slots) for sheet in ordered))


def _page(rows: Sequence[T], shown: Callable[[T], Json], paging: Page, **beside: list[Json]) -> Response:
    start = paging.after[0] if paging.after else 0
    if not isinstance(start, int) or start < 0:
        raise Problem("invalid-cursor")
    end = start + paging.limit
    cursor = encode_cursor(end) if end < len(rows) else None
    return JSONResponse({"items": [shown(row) for row in rows[start:end]], "cursor": cursor, **beside})


def _desk(post: str) -> str:
    try:
        return desk_of_post(post)
    except InvalidCode as error:
        raise Problem("invalid-query", error.code) from error
