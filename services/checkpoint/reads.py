"""HTTP: gates and their numbers, passes and their codes, who is outside. Reads what checkpoint stored."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from services.checkpoint.edge import Edge
from services.checkpoint.pass_text import qr_svg, text_of
from services.checkpoint.presenting import Json, counts_json, gate_json, pass_json, presence_json
from shared.contracts.checkpoint import PassFact
from shared.kernel.clock import from_ms, local_day
from shared.kernel.codes import InvalidCode, desk_of
from shared.runtime.http import Page, encode_cursor, page
from shared.runtime.problems import Problem

Paging = Annotated[Page, Depends(page)]


def areas_and_passes(edge: Edge) -> APIRouter:
    """Return the routes that read."""
    router = APIRouter()

    @router.get("/gates")
    async def list_gates(request: Request, area: Annotated[str, Query(max_length=80)]) -> Response:
        """List the gates of an area or a community, with their numbers of the city's day."""
        await _refuse_stranger(edge, request, area)
        gates = await edge.queries().gates(area)
        now = edge.clock.now()
        days = await edge.queries().gate_days([gate.gate for gate in gates], local_day(now, edge.zone))
        items = [gate_json(gate, now) for gate in gates]
        return JSONResponse({"items": items, "today": counts_json(gates, days)})

    @router.get("/gates/{gate}")
    async def read_gate(request: Request, gate: str) -> Response:
        """Return a gate as it stands, and its numbers of the city's day."""
        found, now = await edge.gate(request, gate), edge.clock.now()
        days = await edge.queries().gate_days([gate], local_day(now, edge.zone))
        return JSONResponse({**gate_json(found, now), "today": counts_json([found], days)["gates"][gate]})

    @router.get("/areas/{area}/presence")
    async def presence(request: Request, area: str, paging: Paging) -> Response:
        """List who is outside, by pass: since when, through which gate, and whether they are overdue."""
        await _refuse_stranger(edge, request, area)
        after = str(paging.after[0]) if paging.after else ""
        found = await edge.queries().outside(area, after, paging.limit)
        shown = (presence_json(held, lambda at: edge.rules.on(from_ms(at)).replay_ms) for _, held in found)
        cursor = encode_cursor(found[-1][0]) if len(found) == paging.limit else None
        return JSONResponse({"items": [item for item in shown if item], "cursor": cursor})

    @router.get("/passes/{pass_id}")
    async def read_pass(request: Request, pass_id: str) -> Response:
        """Return a pass; to who may give it out also its text, written with the key of today."""
        found = await edge.issued(request, pass_id)
        return JSONResponse({**pass_json(found), **await _given_out(edge, request, found)})

    @router.get("/passes/{pass_id}/qr")
    async def read_qr(request: Request, pass_id: str) -> Response:
        """Return a pass's QR code, to print or to show; only to who may give it out."""
        found = await edge.issued(request, pass_id)
        return Response(qr_svg(await _text_or_none_such(edge, request, found)), media_type="image/svg+xml")

    @router.get("/pass-keys")
    async def pass_keys() -> Response:
        """Return the public keys, as JWK: what a gate without a network verifies passes with."""
        return JSONResponse({"keys": [dict(key) for key in edge.keys.current().public]})

    @router.get("/outcomes/{command}")
    async def read_outcome(request: Request, command: str) -> Response:
        """Return what became of a command its sender appended."""
        person = edge.callers.person(request)
        stored = await edge.queries().outcome(command)
        if stored is None or stored.actor != person:
            raise Problem("not-found")
        return JSONResponse(stored.model_dump(mode="json", exclude_none=True))

    return router


async def _given_out(edge: Edge, request: Request, issued: PassFact) -> Json:
    """Return a pass's text and where its code is drawn; nothing to whom it is not for."""
    if not await edge.holds_text(request, issued):
        return {}
    return {"text": _text(edge, issued), "qr": f"/passes/{issued.pass_id}/qr"}


async def _text_or_none_such(edge: Edge, request: Request, issued: PassFact) -> str:
    if not await edge.holds_text(request, issued):
        raise Problem("not-found")
    return _text(edge, issued)


def _text(edge: Edge, issued: PassFact) -> str:
    key = edge.keys.current().signer(edge.clock.now())
    if key is None:
        raise Problem("unavailable", "there is no key to sign passes with")
    return text_of(issued, key)


async def _refuse_stranger(edge: Edge, request: Request, area: str) -> None:
    """Raise a 404 problem unless the caller's post lies at the area's desk, above or below it."""
    person = edge.callers.person(request)
    try:
        desk = desk_of(area)
    except InvalidCode as error:
        raise Problem("not-found") from error
    if not await edge.sees(person, desk):
        raise Problem("not-found")
