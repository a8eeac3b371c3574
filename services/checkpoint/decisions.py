"""HTTP: may this person pass this gate now. The one route with a deadline of a person who stands waiting.

It is plain ASGI before the router, and neither Kafka nor MongoDB is in its way: token and pass are verified
here, the answer comes from memory, and it is given once the crossing is safe in the spool.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from fastapi import Request
from prometheus_client import Counter
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from services.checkpoint.gatekeeping import Gatekeeper, Question
from services.checkpoint.spool import Spool, Spooled, SpoolFull
from services.checkpoint.views import Views
from shared.contracts.base import json_bytes
from shared.contracts.checkpoint import Crossing
from shared.kernel.clock import Clock, utc_ms
from shared.kernel.codes import InvalidCode
from shared.kernel.errors import Transient
from shared.kernel.ids import UlidFactory
from shared.runtime.http import idempotency_key, parse_model, read_body
from shared.runtime.problems import Problem, problem_response
from shared.runtime.tokens import Remembering, bearer_token

PATH: Final = "/gates/{gate}/decisions"
_BEFORE, _, _AFTER = PATH.partition("{gate}")


class _Route(NamedTuple):
    """What the router would leave in the scope: the template that metrics name a request by."""

    path: str


_ROUTE: Final = _Route(PATH)


class GateDoor:
    """Middleware that takes the gate's questions before the router does: routing costs more than deciding."""

    def __init__(self, app: ASGIApp, *, decisions: "Decisions") -> None:
        self._app = app
        self._decisions = decisions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a gate's question; pass everything else on."""
        gate = _gate_asked(scope)
        if gate is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        try:
            body = await self._decisions.answer(gate, Request(scope, receive))
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
        else:
            await _send(send, body)


def _gate_asked(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    if not (path.startswith(_BEFORE) and path.endswith(_AFTER)):
        return None
    gate = path[len(_BEFORE) : -len(_AFTER)]
    return gate if gate and "/" not in gate else None


class Decisions:
    """`POST /gates/{gate}/decisions`."""

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        *,
        views: Views,
        spool: Spool,
        tokens: Remembering,
        devices: frozenset[str],
        clock: Clock,
        ulids: UlidFactory,
        counter: Counter,
        body_limit: int,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._views = views
        self._spool = spool
        self._tokens = tokens
        self._devices = devices
        self._clock = clock
        self._ulids = ulids
        self._counter = counter
        self._children: dict[tuple[str, str], Counter] = {}
        self._body_limit = body_limit

    async def answer(self, gate: str, request: Request) -> bytes:
        """Return the answer to one question, as JSON; raises the problem that it is refused with."""
        now = self._clock.now()
        person = self._tokens.person(bearer_token(request.headers), now)
        self._refuse_outsider(person, gate)
        question = _question(await read_body(request, self._body_limit))
        id_ = idempotency_key(request, self._ulids)
        try:
            answered = self._gatekeeper.answer(gate, question, now)
        except InvalidCode as error:
            raise Problem("not-found") from error
        if answered is None:
            raise Problem("not-found")
        crossing, shown = answered
        await self._keep(id_, crossing, person)
        self._count(crossing)
        return to_json({"crossing": id_, **shown})

    def _refuse_outsider(self, person: str, gate: str) -> None:
        """Raise a 403 problem unless the person, or the device, answers for this gate.

        A gate that nothing is known of yet refers everybody: then a token that holds is enough.
        """
        view = self._views.gates.get(gate)
        if view is not None and person not in self._devices and not self._views.mans(person, view):
            raise Problem("forbidden")

    async def _keep(self, id_: str, crossing: Crossing, person: str) -> None:
        value = json_bytes(crossing).decode()
        try:
            await self._spool.add(Spooled(id_, crossing.desk, utc_ms(crossing.at), person, value))
        except SpoolFull as error:
            raise Problem("spool-full") from error
        except Transient as error:
            raise Problem("unavailable") from error

    def _count(self, crossing: Crossing) -> None:
        for each in crossing.people:
            child = self._children.get((each.verdict, each.code))
            if child is None:
                child = self._counter.labels(each.verdict, each.code)
                self._children[each.verdict, each.code] = child
            child.inc()


def _question(body: bytes) -> Question:
    try:
        question = Question.model_validate_json(body)
    except ValidationError:
        # The careful reading says what is wrong; the quick one above is what nearly every body takes.
        question = parse_model(body, Question)
    if not question.people():
        raise Problem("invalid-body", "a vehicle says who is in it")
    return question


_HEADERS: Final[Mapping[bytes, bytes]] = {b"content-type": b"application/json", b"cache-control": b"no-store"}


async def _send(send: Send, body: bytes) -> None:
    headers = [*_HEADERS.items(), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
