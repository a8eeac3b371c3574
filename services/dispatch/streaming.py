"""HTTP: progress as server-sent events. A stream may break at any time: its events say where to go on."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from services.dispatch.edge import Edge
from services.dispatch.watching import Shown, Watching
from shared.kernel.clock import from_ms
from shared.kernel.errors import Transient
from shared.runtime.problems import Problem, documented
from shared.runtime.server import until_drained
from shared.runtime.tokens import LEEWAY_S, bearer_token

BEAT: Final = timedelta(seconds=15)
"""How often a silent stream says that it is there, and asks again whether its reader may still read."""
RETRY_MS: Final = 2_000
# Neither a cache nor a proxy in between may keep an event back.
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def streams(edge: Edge, watching: Watching) -> APIRouter:
    """Return the routes that stream."""
    router = APIRouter()

    @router.get(
        "/directives/{directive}/progress/stream",
        response_class=StreamingResponse,
        responses={
            200: {"description": "Events named `progress`", "content": {"text/event-stream": {}}},
            **documented("unauthorised", "not-found", "too-many-streams"),
        },
    )
    async def stream_progress(
        request: Request, directive: str, desk: Annotated[str | None, Query(max_length=80)] = None
    ) -> StreamingResponse:
        """Stream a desk's progress (the issuing desk's by default), newest state first, then each newer one.

        `Last-Event-ID` names the last event that arrived: what is known is not sent again. The stream ends
        with its token, with the reader's authority, and when the process stops; connect again then.
        """
        token = bearer_token(request.headers)
        person, expires = edge.callers.verifier.verified(token, edge.clock.now())
        known, _ = await edge.visible(person, directive)
        watching.refuse_too_many()
        reader = Reader(edge, person, directive, from_ms((expires + LEEWAY_S) * 1000))
        events = reader.events(watching, desk or known.order.desk, request.headers.get("last-event-id", ""))
        return StreamingResponse(
            until_drained(events, request.app.state.drain), media_type="text/event-stream", headers=HEADERS
        )

    return router


class Reader:
    """Somebody at the other end of a stream, and until when they may be there."""

    def __init__(self, edge: Edge, person: str, directive: str, until: datetime) -> None:
        self._edge = edge
        self._person = person
        self._directive = directive
        self._until = until

    async def events(self, watching: Watching, desk: str, known: str) -> AsyncIterator[str]:
        """Yield what is sent: an event whenever the progress is another than the one known."""
        asked = self._edge.clock.now()
        yield f"retry: {RETRY_MS}\n\n"
        async with watching.watch(self._directive, desk) as watched:
            while (now := self._edge.clock.now()) < self._until:
                if now - asked >= BEAT:
                    if not await self._may_read():
                        return
                    asked = now
                    yield ": here\n\n"
                    continue  # to a slow reader that took a while
                wait = min(asked + BEAT, self._until) - now
                shown = await watched.other_than(known, max(wait.total_seconds(), 0.0))
                if shown is not None:
                    known = shown.id
                    yield event(shown)

    async def _may_read(self) -> bool:
        try:
            await self._edge.visible(self._person, self._directive)
        except (Problem, Transient):
            return False  # what cannot be asked now is asked again by the next request
        return True


def event(shown: Shown) -> str:
    """Return progress as an event."""
    return f"id: {shown.id}\nevent: progress\ndata: {shown.json}\n\n"
