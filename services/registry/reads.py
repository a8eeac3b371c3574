"""HTTP reads: local, from what is stored; they call no other service."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from services.registry.domain.attachments import governing
from services.registry.domain.compile import counted_by_type
from services.registry.domain.on_day import OnDay
from services.registry.domain.report import scheme_totals, vertical_coverage
from services.registry.domain.summaries import posts_by_type
from services.registry.edge import Edge
from services.registry.publishing import unit_fact
from shared.contracts.base import Code
from shared.contracts.registry import PostType
from shared.kernel.codes import InvalidCode, desk_of
from shared.runtime.http import Page, encode_cursor, page
from shared.runtime.problems import Problem

Paged = Annotated[Page, Depends(page)]


def units(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.get("/units/{code}")
    async def unit(code: str) -> dict[str, Any]:
        found = await edge.queries().desk(_desk(code))
        if found is None or code not in found[0].units:
            raise Problem("not-found")
        fact = unit_fact(found[0], code, found[1])
        attached = await edge.queries().attachments(sorted({_desk(place) for place in (code, *fact.path)}))
        scheme = governing(code, fact.path, attached, edge.schemes, edge.today())
        return {**fact.model_dump(mode="json"), "scheme": scheme}

    @router.get("/units")
    async def units(inside: Code, at: Paged, kind: str | None = None) -> dict[str, Any]:
        after_desk, after = _after(at, 2)
        items: list[dict[str, Any]] = []
        _desk(inside)
        async for desk, v in edge.queries().desks_inside(inside, after_desk):
            here = OnDay(desk, edge.today())
            behind = after if desk.code == after_desk else ""
            for code, place in sorted(here.places.items()):
                if code <= behind or (kind is not None and place.kind != kind):
                    continue
                if inside not in (*here.upwards(code), *here.inside(code)):
                    continue
                if len(items) == at.limit:
                    last = items[-1]["code"]
                    return {"items": items, "cursor": encode_cursor(_desk(last), last)}
                items.append(unit_fact(desk, code, v).model_dump(mode="json"))
        return {"items": items, "cursor": None}

    return router


def posts(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.get("/posts")
    async def posts(
        request: Request,
        desk: Code,
        at: Paged,
        of_type: Annotated[PostType | None, Query(alias="type")] = None,
        vacant: bool | None = None,  # noqa: FBT001 - a query parameter
    ) -> dict[str, Any]:
        (after,) = _after(at, 1)
        roster = await edge.queries().roster(desk)
        if roster is None:
            raise Problem("not-found")
        await edge.refuse_stranger(edge.person(request), desk, roster.path)
        found = [
            seat
            for seat in roster.seats
            if seat.post > after
            and (of_type is None or seat.post.split("/")[1] == of_type)
            and (vacant is None or (seat.holder is None) == vacant)
        ]
        more = encode_cursor(found[at.limit - 1].post) if len(found) > at.limit else None
        return {"items": [seat.model_dump(mode="json") for seat in found[: at.limit]], "cursor": more}

    @router.get("/posts/summary")
    async def summary(unit: Code) -> dict[str, Any]:
        code = _desk(unit)
        found, roster = await edge.queries().desk(code), await edge.queries().roster(code)
        if found is None or roster is None:
            raise Problem("not-found")
        within = [seat for seat in roster.seats if unit in (code, *seat.within)]
        counts = posts_by_type(found[0], roster) if unit == code else counted_by_type(s.post for s in within)
        return {
            "unit": unit,
            "by_type": counts,
            "total": sum(counts.values()),
            "schemes": [asdict(total) for total in scheme_totals(unit, counts, edge.schemes)],
            "own": {"posts": len(within), "people": len({seat.holder for seat in within} - {None})},
        }

    @router.get("/coverage")
    async def coverage(unit: Code) -> dict[str, Any]:
        desks = await edge.queries().seats_inside(_desk(unit))
        held = [(d["_id"], bool(d["seats"]), any(s.get("holder") for s in d["seats"])) for d in desks]
        return {"unit": unit, "levels": vertical_coverage(held)}

    return router


def answers(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.get("/responsible")
    async def responsible(
        request: Request, household: str, on: Annotated[date | None, Query(alias="date")] = None
    ) -> Any:
        today = edge.today()
        known = await edge.queries().household(household)
        roster = None if known is None else await edge.queries().roster(known.desk)
        if known is None or roster is None:
            raise Problem("not-found")
        await edge.refuse_stranger(edge.person(request), known.desk, roster.path)
        chain = await edge.queries().responsible(household, on or today, today=today)
        if chain is None:
            raise Problem("not-found")
        return {"date": (on or today).isoformat(), "length": chain.length, **asdict(chain)}

    @router.get("/findings")
    async def findings(
        desk: Code,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
    ) -> dict[str, Any]:
        found = [each.finding for each in await edge.queries().findings(desk)]
        chosen = sorted((f for f in found if is_open in (None, f.open)), key=lambda f: (f.code, f.subject))
        return {"items": [each.model_dump(mode="json") for each in chosen]}

    return router


def _desk(code: str) -> str:
    try:
        return desk_of(code)
    except InvalidCode as error:
        raise Problem("invalid-query", str(error)) from error


def _after(at: Page, parts: int) -> list[str]:
    """Return the codes behind which a page begins; empty ones for the first page."""
    if at.after is None:
        return [""] * parts
    after = [part for part in at.after if isinstance(part, str)]
    if len(after) != parts or len(at.after) != parts:
        raise Problem("invalid-cursor")
    return after
