"""HTTP: give an order, amend or withdraw it, answer one. Appends; decides nothing."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from services.dispatch.edge import Edge
from services.dispatch.reads import directives
from shared.contracts import dispatch as contract
from shared.contracts.base import Addressee, Code, Model, PostId, Reason, Text
from shared.contracts.counting import Version
from shared.contracts.directives import (
    AmendDirective,
    Audience,
    CancelDirective,
    Deadlines,
    Dimension,
    Epoch,
    IssueDirective,
    Kind,
    Mode,
)
from shared.contracts.dispatch import Answer, AnsweredState
from shared.kernel.codes import desk_of_post
from shared.runtime.http import idempotency_key, invalid_body, read_model
from shared.service.appending import refuse_rejected, undecided


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


class Amendment(Model):
    """What an order says from now on, and why; what is left out stays. Deadlines run anew.

    With `again` everybody answers anew, and what was answered before counts no more.
    """

    reason: Reason
    text: Text | None = None
    audience: Audience | None = None
    mode: Mode | None = None
    deadlines: Deadlines | None = None
    again: bool = False


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


def routes(edge: Edge) -> APIRouter:
    """Return dispatch's routes."""
    router = APIRouter()
    for part in (_writing, directives):
        router.include_router(part(edge))
    return router


def _writing(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/directives", status_code=201)
    async def issue(request: Request) -> Response:
        """Give an order. Answers 201 with the directive, 202 while undecided, or why it is refused."""
        person = edge.callers.person(request)
        new = await read_model(request, NewDirective, edge.body_limit)
        await edge.callers.refuse_beyond_authority(person, new.issuer, new.scope)
        # The directive's id is the command's, so that a retried request is the same directive.
        id_ = idempotency_key(request, edge.ulids)
        outcome = await edge.command(id_, person, IssueDirective(directive=id_, **dict(new)))
        if outcome is None:
            return undecided(id_)
        refuse_rejected(outcome)
        return JSONResponse(
            {"directive": id_, "desk": desk_of_post(new.issuer)}, 201, {"Location": f"/directives/{id_}"}
        )

    @router.post("/directives/{directive}/amendments", status_code=201)
    async def amend(request: Request, directive: str) -> Response:
        """Say an order otherwise: a new version for everybody it addressed and whoever it addresses now."""
        person = edge.callers.person(request)
        said = await read_model(request, Amendment, edge.body_limit)
        issuer = await _issuer(edge, person, directive)
        command = AmendDirective(directive=directive, issuer=issuer, **dict(said))
        return await _next_version(edge, idempotency_key(request, edge.ulids), person, command)

    @router.post("/directives/{directive}/cancellation", status_code=201)
    async def cancel(request: Request, directive: str) -> Response:
        """Withdraw an order: a new version that everybody is told."""
        person = edge.callers.person(request)
        said = await read_model(request, Cancellation, edge.body_limit)
        issuer = await _issuer(edge, person, directive)
        command = CancelDirective(directive=directive, issuer=issuer, reason=said.reason)
        return await _next_version(edge, idempotency_key(request, edge.ulids), person, command)

    @router.post("/directives/{directive}/answers", status_code=202)
    async def answer(request: Request, directive: str) -> Response:
        """Answer for a post one holds, or with `by` as a superior for another. Counts once it is merged."""
        person = edge.callers.person(request)
        new = await read_model(request, NewAnswer, edge.body_limit)
        await edge.callers.refuse_outsider(person, new.by or new.addressee)
        id_ = idempotency_key(request, edge.ulids)
        try:
            body = Answer(directive=directive, at=edge.clock.now(), **dict(new))
        except ValidationError as error:
            raise invalid_body(error) from error
        await edge.appender.fact(contract.ACKS_TOPIC, contract.ANSWER, new.desk, body, id_=id_, actor=person)
        return JSONResponse({"answer": id_}, 202)

    return router


async def _issuer(edge: Edge, person: str, directive: str) -> str:
    """Return the post that gave an order, if this person holds it now; what it covers was decided then."""
    known, _ = await edge.known(directive)
    issuer = known.order.issuer
    await edge.callers.refuse_beyond_authority(person, issuer, scope=issuer.partition("/")[0])
    return issuer


async def _next_version(
    edge: Edge, id_: str, person: str, command: AmendDirective | CancelDirective
) -> Response:
    """Answer 201 with the version that the command made, however often it is sent."""
    outcome = await edge.command(id_, person, command)
    if outcome is None:
        return undecided(id_)
    refuse_rejected(outcome)
    order = outcome.results[0].events[0].data["order"]
    made = {"directive": command.directive, "version": order["version"], "epoch": order["epoch"]}
    return JSONResponse(made, 201)
