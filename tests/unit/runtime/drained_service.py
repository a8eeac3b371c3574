"""A service for test_server: one endless event stream, and a lifespan that may refuse to end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry

from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidFactory
from shared.runtime import server
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics
from shared.runtime.settings import ServiceSettings

MODE = os.environ["MODE"]


async def silent() -> AsyncIterator[str]:
    yield "data: first\n\n"
    await asyncio.Event().wait()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    if MODE == "fails":
        message = "no database"
        raise RuntimeError(message)
    yield
    while MODE == "hangs":
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    print("lifespan ended", flush=True)  # noqa: T201 (read by the test)


def build(_: ServiceSettings) -> FastAPI:
    app = server.new_app(
        title="drained",
        health=Health(),
        metrics=Metrics(CollectorRegistry()),
        ulids=UlidFactory(SystemClock()),
        lifespan=lifespan,
    )

    @app.get("/events")
    async def events(request: Request) -> StreamingResponse:
        stream = server.until_drained(silent(), request.app.state.drain)
        return StreamingResponse(stream, media_type="text/event-stream")

    return app


if __name__ == "__main__":
    # The test of the deadline need not wait for the real one.
    server.LIFESPAN_EXIT_S = -2
    server.serve(build, ServiceSettings())
