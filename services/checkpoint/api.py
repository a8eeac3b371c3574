"""HTTP: open and close gates, man them, issue and withdraw passes. Appends; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from services.checkpoint.decisions import PATH
from services.checkpoint.domain.ground import Ground
from services.checkpoint.domain.passes import beyond_issuer
from services.checkpoint.edge import Edge
from services.checkpoint.gatekeeping import Question
from services.checkpoint.keys import KeySet, SigningKey
from services.checkpoint.pass_text import text_of
from services.checkpoint.presenting import Answered
from services.checkpoint.reads import areas_and_passes
from shared.contracts.base import Code, Handle, MessageId, Model, PostId, Reason
from shared.contracts.checkpoint import (
    CloseGate,
    EmergencyKind,
    EndEmergency,
    IssuePass,
    MoveExit,
    OpenEmergency,
    OpenGate,
    Order,
    PassFact,
    PassKind,
    Purpose,
    RevokePass,
    SetTeam,
)
from shared.contracts.outcomes import Outcome
from shared.contracts.teams import TeamMember, TeamName
from shared.kernel.clock import local_day
from shared.kernel.codes import InvalidCode, desk_of, desk_of_post
from shared.runtime.http import idempotency_key, read_model
from shared.runtime.problems import Problem, documented, rejection
from shared.service.appending import refuse_rejected, undecided


class Opening(Model):
    """Make a gate the one exit of its area, or set up a turn-back point or a boundary post."""

    issuer: PostId
    duty: PostId
    purpose: Purpose = "gate"
    between: tuple[Code, Code] | None = None


class Closure(Model):
    """Close a gate, and why."""

    issuer: PostId
    reason: Reason


class Exit(Model):
    """Move the one exit of an area to this gate."""

    issuer: PostId
    duty: PostId
    reason: Reason


class EmergencyOpening(Model):
    """Open a gate for an emergency, until an instant."""

    issuer: PostId
    kind: EmergencyKind
    reason: Reason
    until: AwareDatetime


class EmergencyEnd(Model):
    """End an emergency opening early."""

    issuer: PostId


class NewTeam(Model):
    """Say who mans a gate."""

    issuer: PostId
    team: TeamName
    members: Annotated[tuple[TeamMember, ...], Field(min_length=1, max_length=200)]


class NewPass(Model):
    """A pass to issue: `person` is a registry handle, and goes no further than this process."""

    issuer: PostId
    kind: PassKind
    area: Code
    household: MessageId
    person: Handle
    since: AwareDatetime | None = None
    until: AwareDatetime


class Revocation(Model):
    """Why a pass is withdrawn."""

    issuer: PostId
    reason: Reason


def routes(edge: Edge) -> APIRouter:
    """Return checkpoint's routes; the decision at a gate is described here and taken before the router."""
    router = APIRouter()
    for part in (_gates, _passes, areas_and_passes):
        router.include_router(part(edge))
    router.include_router(_decisions())
    return router


def _decisions() -> APIRouter:
    """Return what the OpenAPI document says of the one route that the router never sees."""
    router = APIRouter()
    problems = documented(
        "not-json", "too-deep", "invalid-idempotency-key", "unauthorised", "forbidden", "not-found",
        "body-too-large", "invalid-body", "spool-full", "unavailable",
    )  # fmt: skip

    @router.post(PATH, responses=problems)
    async def ask(
        gate: str, question: Question, idempotency_key: Annotated[MessageId | None, Header()] = None
    ) -> Answered:
        """May this person, or everybody in this vehicle, pass this gate now? A device or its team asks.

        The same `Idempotency-Key` again is the same crossing.
        """
        del gate, question, idempotency_key
        raise Problem("unavailable", "the gate's door answers this before the router does")

    return router


def _gates(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/gates/{gate}/opening", status_code=201)
    async def open_gate(request: Request, gate: str) -> Response:
        """Open a gate. An area has one exit: a second is refused, and moved with `/exit`."""
        new = await read_model(request, Opening, edge.body_limit)
        return await _say(edge, request, OpenGate(gate=_code(gate), **dict(new)))

    @router.post("/gates/{gate}/closure", status_code=201)
    async def close_gate(request: Request, gate: str) -> Response:
        """Close a gate; it stays in the register."""
        new = await read_model(request, Closure, edge.body_limit)
        return await _say(edge, request, CloseGate(gate=_code(gate), **dict(new)))

    @router.post("/gates/{gate}/exit", status_code=201)
    async def move_exit(request: Request, gate: str) -> Response:
        """Make this gate the one exit of its area: the one before it closes in the same decision."""
        new = await read_model(request, Exit, edge.body_limit)
        return await _say(edge, request, MoveExit(gate=_code(gate), **dict(new)))

    @router.post("/gates/{gate}/emergency", status_code=201)
    async def open_emergency(request: Request, gate: str) -> Response:
        """Open a gate for an emergency. It ends by itself."""
        new = await read_model(request, EmergencyOpening, edge.body_limit)
        return await _say(edge, request, OpenEmergency(gate=_code(gate), **dict(new)))

    @router.post("/gates/{gate}/emergency/end", status_code=201)
    async def end_emergency(request: Request, gate: str) -> Response:
        """End an emergency opening early."""
        new = await read_model(request, EmergencyEnd, edge.body_limit)
        found = await edge.gate(request, gate)
        if found.emergency is None:
            raise Problem("not-found")
        until = found.emergency.until
        return await _say(edge, request, EndEmergency(gate=gate, issuer=new.issuer, until=until))

    @router.post("/gates/{gate}/team", status_code=201)
    async def set_team(request: Request, gate: str) -> Response:
        """Say who mans a gate; the composition is checked, and every fault is named."""
        new = await read_model(request, NewTeam, edge.body_limit)
        return await _say(edge, request, SetTeam(gate=_code(gate), **dict(new)))

    return router


def _passes(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/passes", status_code=201)
    async def issue(request: Request) -> Response:
        """Issue a pass. Answers 201 with its text, 202 while undecided, or why it is refused."""
        person = edge.callers.person(request)
        new = await read_model(request, NewPass, edge.body_limit)
        await edge.callers.refuse_outsider(person, new.issuer)
        keys, key = _signing(edge)
        # The pass's id is the command's, so that a retried request is the same pass.
        id_ = idempotency_key(request, edge.ulids)
        # A pass's text counts whole seconds; what is decided and what is signed must not differ.
        since = new.since.replace(microsecond=0) if new.since else None
        until = new.until.replace(microsecond=0)
        if since is not None and until <= since:
            raise Problem("invalid-body", "a pass ends after it begins")
        command = IssuePass(
            pass_id=id_,
            issuer=new.issuer,
            kind=new.kind,
            area=new.area,
            household=new.household,
            subject=keys.pseudonym(new.household, new.person),
            since=since,
            until=until,
        )
        await _refuse_non_member(edge, person, new, command)
        outcome = await edge.command(id_, person, command)
        if outcome is None:
            return undecided(id_)
        refuse_rejected(outcome)
        issued = PassFact.model_validate(outcome.results[0].events[0].data)
        body = {"pass": id_, "text": text_of(issued, key), "qr": f"/passes/{id_}/qr"}
        return JSONResponse(body, 201, {"Location": f"/passes/{id_}"})

    @router.post("/passes/{pass_id}/revocation", status_code=201)
    async def revoke(request: Request, pass_id: str) -> Response:
        """Withdraw a pass: gates that can be reached know it within seconds."""
        new = await read_model(request, Revocation, edge.body_limit)
        known = await edge.issued(request, pass_id)
        command = RevokePass(pass_id=pass_id, area=known.area, issuer=new.issuer, reason=new.reason)
        return await _say(edge, request, command)

    return router


async def _say(edge: Edge, request: Request, command: Order) -> Response:
    """Append one command of the issuer's holder, and answer with what became of it."""
    person = edge.callers.person(request)
    issuer = getattr(command, "issuer", None)
    if issuer is not None:
        await edge.callers.refuse_outsider(person, issuer)
    id_ = idempotency_key(request, edge.ulids)
    outcome = await edge.command(id_, person, command)
    if outcome is None:
        return undecided(id_)
    refuse_rejected(outcome)
    return JSONResponse({"command": id_, "changed": _changed(outcome)}, 201)


def _changed(outcome: Outcome) -> list[str]:
    events = [event.data for result in outcome.results for event in result.events]
    return [str(data.get("gate") or data.get("pass_id")) for data in events]


def _signing(edge: Edge) -> tuple[KeySet, SigningKey]:
    keys = edge.keys.current()
    key = keys.signer(edge.clock.now())
    if key is None:
        raise Problem("unavailable", "there is no key to sign passes with")
    return keys, key


async def _refuse_non_member(edge: Edge, person: str, new: NewPass, command: IssuePass) -> None:
    """Refuse a person who is no member of the household: past this point only the pseudonym is known.

    Who lives where is nobody's to try out: what the decision will refuse anyway is refused before that.
    """
    queries, rosters, now = edge.queries(), edge.callers.rosters(), edge.clock.now()
    ground = Ground(
        actor=person,
        now=now,
        today=local_day(now, edge.zone),
        rules=edge.rules.on(now),
        here=await rosters.roster(desk_of_post(new.issuer)),
        there=await rosters.roster(desk_of(new.area)),
    )
    household, area = await queries.household(new.household), await queries.unit(new.area)
    desk = await queries.desk(desk_of(new.area))
    refused = beyond_issuer(command, ground, household=household, area=area, desk=desk)
    if refused is not None:
        # The detail names what was asked for, which the caller knows and nobody else is told.
        raise rejection(refused.code)
    if household is None or new.person not in household.members:
        raise rejection("not-a-member", new.household)


def _code(gate: str) -> str:
    try:
        desk_of(gate)
    except InvalidCode as error:
        raise Problem("not-found") from error
    return gate
