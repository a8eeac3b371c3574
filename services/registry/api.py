"""HTTP: append changes, and read what became of them. Decides nothing."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from services.registry.edge import Edge
from services.registry.handlers import key_of
from services.registry.reads import answers, posts, units
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import CHANGES, COMMANDS_TOPIC, Changes, Recompile, SummariseChild
from shared.kernel.codes import InvalidCode
from shared.runtime.http import idempotency_key, read_model
from shared.runtime.problems import Problem, rejection
from shared.service.appending import undecided


def routes(edge: Edge) -> APIRouter:
    """Return registry's routes; every one of them asks for a valid token."""
    router = APIRouter(dependencies=[Depends(edge.person)])
    for part in (_writing, units, posts, answers):
        router.include_router(part(edge))
    return router


def _writing(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/changes")
    async def change(request: Request) -> Response:
        """Append rows of one desk; each is answered by itself."""
        changes = await read_model(request, Changes, edge.body_limit)
        person, key, id_ = edge.person(request), _key(changes), idempotency_key(request, edge.ulids)
        await edge.refuse_outsider(person, key)
        outcome = await edge.appender.command(COMMANDS_TOPIC, CHANGES, key, changes, id_=id_, actor=person)
        return undecided(id_) if outcome is None else JSONResponse(_told(outcome))

    @router.get("/outcomes/{id_}")
    async def outcome(request: Request, id_: str) -> dict[str, Any]:
        """Return what became of a bulk its sender appended."""
        return _told(await _outcome(edge, edge.person(request), id_))

    @router.get("/outcomes/{id_}/{row}")
    async def row(request: Request, id_: str, row: int) -> dict[str, Any]:
        """Return what became of one row."""
        rows: list[dict[str, Any]] = _told(await _outcome(edge, edge.person(request), id_))["results"]
        if not 0 <= row < len(rows):
            raise Problem("not-found")
        return rows[row]

    return router


def _key(changes: Changes) -> str:
    """Return the one desk all rows belong to; the registry's own commands have no way in here."""
    if any(isinstance(row, SummariseChild | Recompile) for row in changes.rows):
        raise Problem("forbidden", "this command is the registry's own")
    try:
        keys = {key_of(row) for row in changes.rows}
    except InvalidCode as error:
        raise rejection(error.code) from error
    if len(keys) > 1:
        raise rejection("wrong-desk", f"rows of {len(keys)} desks in one bulk")
    return keys.pop()


async def _outcome(edge: Edge, person: str, id_: str) -> Outcome:
    outcome = await edge.queries().outcome(id_)
    if outcome is None or outcome.actor != person:
        raise Problem("not-found")
    return outcome


def _told(outcome: Outcome) -> dict[str, Any]:
    results = (result.model_dump(exclude={"events"}, exclude_none=True) for result in outcome.results)
    return {
        "command": outcome.command,
        "status": outcome.status,
        "at": outcome.at.isoformat(),
        "results": [{"row": number, **result} for number, result in enumerate(results)],
    }
