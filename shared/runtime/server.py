"""Running a service: its FastAPI app under uvicorn, its operations routes, and a drain that ends.

On SIGTERM event streams end at once, open requests get 3 s, then the lifespan (which stops the broker)
6 s, then the process is ended from inside: a broker that is away must not hold a stop for ever.
Exit by SIGTERM (143 to a shell) is a clean stop; 3 a failed start; 70 a drain past its deadline; 78 settings
or files that it must not start with.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from socket import socket
from types import FrameType
from typing import TypeVar

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from shared.kernel.errors import ConfigurationError
from shared.kernel.ids import UlidFactory
from shared.runtime.context import RequestContext
from shared.runtime.health import Health
from shared.runtime.logging import configure_logging
from shared.runtime.metrics import CONTENT_TYPE, Metrics
from shared.runtime.problems import install_problem_handlers
from shared.runtime.settings import ServiceSettings

REQUESTS_S = 3
LIFESPAN_EXIT_S = 6
HARD_EXIT = 70
FAILED_START = 3
MISCONFIGURED = 78

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_log = structlog.stdlib.get_logger(__name__)


def new_app(
    *, title: str, health: Health, metrics: Metrics, ulids: UlidFactory, lifespan: Lifespan | None = None
) -> FastAPI:
    """Make an app as every service has it; the service adds its own routes."""
    # The interactive pages load scripts from other hosts; OpenAPI is served as JSON only.
    app = FastAPI(title=title, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.drain = asyncio.Event()
    app.add_middleware(RequestContext, metrics=metrics, ulids=ulids)
    install_problem_handlers(app)
    app.include_router(operations_router(health, metrics))
    return app


def operations_router(health: Health, metrics: Metrics) -> APIRouter:
    """Give the routes for the machinery around a process; they carry no data and ask for no token."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse(health.liveness(), 200 if health.alive() else 503)

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        return JSONResponse(health.readiness(), 200 if health.ready() else 503)

    @router.get("/metrics")
    async def expose() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router


async def until_drained(source: AsyncIterator[T], drain: asyncio.Event) -> AsyncIterator[T]:
    """Pass a stream on until the process drains: a waiting stream ends at once, not at its next item."""
    stop = asyncio.ensure_future(drain.wait())
    item: asyncio.Future[T] | None = None
    try:
        while not drain.is_set():
            item = asyncio.ensure_future(anext(source))
            await asyncio.wait({item, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not item.done():
                return
            try:
                value = item.result()
            except StopAsyncIteration:
                return
            yield value
    finally:
        for waiting in (stop, item):
            if waiting is not None:
                waiting.cancel()


class DrainingServer(uvicorn.Server):
    """uvicorn's server with a drain event, and a deadline for all that happens after it."""

    def __init__(self, config: uvicorn.Config, drain: asyncio.Event) -> None:
        super().__init__(config)
        self._drain = drain
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        # Set directly, the event would wait for the loop to wake by itself.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._drain.set)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._drain.set()
        # Not wait_for: it waits for the cancelled task, and what hangs may not hear the cancellation.
        stopping = asyncio.ensure_future(super().shutdown(sockets))
        await asyncio.wait({stopping}, timeout=REQUESTS_S + LIFESPAN_EXIT_S)
        if not stopping.done():
            _log.error("drain deadline passed, ending the process", seconds=REQUESTS_S + LIFESPAN_EXIT_S)
            os._exit(HARD_EXIT)
        stopping.result()


def serve(app_factory: Callable[[S], FastAPI], settings: S) -> None:
    """Run a service until a signal ends it."""
    configure_logging(service=settings.service, level=settings.log_level)
    try:
        app = app_factory(settings)
    except ConfigurationError as error:
        _log.exception("refusing to start", code=error.code, detail=error.detail)
        raise SystemExit(MISCONFIGURED) from error
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks where a caller is
        timeout_graceful_shutdown=REQUESTS_S,
    )
    server = DrainingServer(config, app.state.drain)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(FAILED_START)
