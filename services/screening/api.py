"""HTTP: open and close rounds, state criteria, enter visits and readings. Appends; decides nothing."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, RootModel, ValidationError

from services.screening.edge import Edge
from services.screening.reads import rounds
from shared.contracts import screening as contract
from shared.contracts.base import Code, Model, PostId, Text
from shared.contracts.screening import (
    CloseRound,
    CriterionName,
    Days,
    OpenRound,
    PutCriterion,
    Reading,
    Visit,
)
from shared.kernel.ids import derived_id
from shared.runtime.http import idempotency_key, read_model
from shared.runtime.problems import Problem, faults
from shared.service.appending import Fact, refuse_rejected, undecided

BULK_MOST = 1_000

Row = RootModel[dict[str, Any]]
"""A visit or reading as it is sent: that of the topic, with `at` left out for now."""

F = TypeVar("F", Visit, Reading)


class NewRound(Model):
    """A round to open: over a scope, for one pass or for each day of a window."""

    issuer: PostId
    scope: Code
    title: Text
    criterion: CriterionName | None = None
    days: Days = ()


class Closure(Model):
    """Who closes a round: the post that opened it, unless another that covers its scope is named."""

    issuer: PostId | None = None


class NewCriterion(Model):
    """Who is looked for in a scope, and in which areas they were."""

    name: CriterionName
    issuer: PostId
    scope: Code
    text: Text
    areas: Annotated[tuple[Code, ...], Field(max_length=1_000)] = ()


class Bulk(Model):
    """Visits of many households; each row is a visit by itself, right or wrong by itself."""

    visits: Annotated[tuple[Any, ...], Field(min_length=1, max_length=BULK_MOST)]


def routes(edge: Edge) -> APIRouter:
    """Return screening's routes."""
    router = APIRouter()
    for part in (_commands, _facts, rounds):
        router.include_router(part(edge))
    return router


def _commands(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/rounds", status_code=201)
    async def open_round(request: Request) -> Response:
        """Open a round. Answers 201 with its id and number, 202 while undecided, or why it is refused."""
        person = edge.person(request)
        new = await read_model(request, NewRound, edge.body_limit)
        await edge.callers.refuse_beyond_authority(person, new.issuer, new.scope)
        # The round's id is the command's, so that a retried request is the same round.
        id_ = idempotency_key(request, edge.ulids)
        outcome = await edge.command(id_, person, OpenRound(round=id_, **dict(new)))
        if outcome is None:
            return undecided(id_)
        refuse_rejected(outcome)
        opened = await edge.queries().round(id_)
        number = opened.number if opened else None
        return JSONResponse({"round": id_, "number": number}, 201, {"Location": f"/rounds/{id_}"})

    @router.post("/rounds/{round_}/closure", status_code=201)
    async def close_round(request: Request, round_: str) -> Response:
        """Close a round: what is not covered stays a named hole, and coverage changes no more."""
        person = edge.person(request)
        closure = await read_model(request, Closure, edge.body_limit)
        known = await edge.visible(person, round_)
        issuer, scope = closure.issuer or known.issuer, known.scope.unit
        await edge.callers.refuse_beyond_authority(person, issuer, scope)
        id_ = idempotency_key(request, edge.ulids)
        outcome = await edge.command(id_, person, CloseRound(round=round_, issuer=issuer, scope=scope))
        if outcome is None:
            return undecided(id_)
        refuse_rejected(outcome)
        return JSONResponse({"round": round_, "status": "closed"}, 201)

    @router.post("/criteria", status_code=201)
    async def put_criterion(request: Request) -> Response:
        """State a criterion for a scope, or widen it: what was found under a version stays under it."""
        person = edge.person(request)
        criterion = await read_model(request, NewCriterion, edge.body_limit)
        await edge.callers.refuse_beyond_authority(person, criterion.issuer, criterion.scope)
        id_ = idempotency_key(request, edge.ulids)
        outcome = await edge.command(id_, person, PutCriterion(**dict(criterion)))
        if outcome is None:
            return undecided(id_)
        refuse_rejected(outcome)
        stored = await edge.queries().criterion(criterion.scope, criterion.name)
        version = stored.version if stored else None
        return JSONResponse({"name": criterion.name, "scope": criterion.scope, "version": version}, 201)

    return router


def _facts(edge: Edge) -> APIRouter:
    # They answer 202: a fact counts once it is merged.
    router = APIRouter()

    @router.post("/visits", status_code=202)
    async def enter_visit(request: Request) -> Response:
        """Enter one visit to a household with all its members at once."""
        person = edge.person(request)
        row = await read_model(request, Row, edge.body_limit)
        visit = _fact(edge, Visit, row.root)
        await edge.refuse_stranger(person, visit.by, visit.desk)
        id_ = idempotency_key(request, edge.ulids)
        await edge.appender.fact(
            contract.VISITS_TOPIC, contract.VISIT, visit.desk, visit, id_=id_, actor=person
        )
        return JSONResponse({"visit": id_}, 202)

    @router.post("/visits/bulk")
    async def enter_visits(request: Request) -> Response:
        """Enter up to 1,000 visits. Each row is answered by itself; with the same key, with the same ids."""
        person = edge.person(request)
        bulk = await read_model(request, Bulk, edge.bulk_body_limit)
        key = idempotency_key(request, edge.ulids)
        allowed = _asked_once(edge, person)
        items, facts = [], []
        for index, row in enumerate(bulk.visits):
            try:
                visit = _fact(edge, Visit, row)
                await allowed(visit.by, visit.desk)
            except Problem as problem:
                items.append({"index": index, "accepted": False, "problem": problem.body()})
                continue
            # Of the person too: two people's imports may well have the same key.
            fact = Fact(derived_id("visit", person, key, index), visit.desk, visit)
            facts.append(fact)
            items.append({"index": index, "accepted": True, "id": fact.id})
        await edge.appender.facts(contract.VISITS_TOPIC, contract.VISIT, facts, actor=person)
        return JSONResponse({"items": items, "accepted": len(facts), "refused": len(items) - len(facts)})

    @router.post("/readings", status_code=202)
    async def enter_reading(request: Request) -> Response:
        """Enter one temperature of a household's member."""
        person = edge.person(request)
        row = await read_model(request, Row, edge.body_limit)
        reading = _fact(edge, Reading, row.root)
        if reading.by is None:
            raise Problem("invalid-body", "by: whose word this is")
        await edge.refuse_stranger(person, reading.by, reading.desk)
        id_ = idempotency_key(request, edge.ulids)
        await edge.appender.fact(
            contract.READINGS_TOPIC, contract.READING, reading.desk, reading, id_=id_, actor=person
        )
        return JSONResponse({"reading": id_}, 202)

    return router


def _fact(edge: Edge, model: type[F], row: Any) -> F:
    """Return what a row says; raises a 422 problem that says where it is wrong."""
    if isinstance(row, dict) and row.get("at") is None:
        row = {**row, "at": edge.clock.now()}
    try:
        fact = model.model_validate(row)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Problem("invalid-body", errors=faults(found)) from error
    edge.refuse_the_future(fact.at)
    return fact


def _asked_once(edge: Edge, person: str) -> Callable[[str, str], Awaitable[None]]:
    """Return who asks whether the person may speak for a post at a desk: once each, however many rows."""
    known: dict[tuple[str, str], Problem | None] = {}

    async def ask(post: str, desk: str) -> None:
        if (post, desk) not in known:
            try:
                await edge.refuse_stranger(person, post, desk)
                known[post, desk] = None
            except Problem as problem:
                known[post, desk] = problem
        refused = known[post, desk]
        if refused is not None:
            raise refused

    return ask
