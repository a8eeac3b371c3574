"""The one place where dispatch's parts meet."""

from fastapi import FastAPI

from services.dispatch.api import routes
from services.dispatch.edge import Edge
from services.dispatch.queries import Queries
from services.dispatch.settings import DispatchSettings
from services.dispatch.store import INDEXES
from services.dispatch.streaming import streams
from services.dispatch.subscribers import groups
from services.dispatch.ticker import Ticker
from services.dispatch.watching import Watching
from shared.runtime.tokens import Verifier
from shared.service.appending import Appender
from shared.service.process import Process, build
from shared.service.rosters import Callers, Holders, Rosters


def build_app(settings: DispatchSettings) -> FastAPI:
    """Return dispatch's app; servers are connected in its lifespan, never here."""
    process = Process(settings)

    def queries() -> Queries:
        return Queries(process.database())

    def rosters() -> Rosters:
        return Rosters(process.database())

    edge = Edge(
        queries=queries,
        callers=Callers(
            rosters=rosters,
            holders=Holders(process.clock),
            verifier=Verifier.from_files([settings.token_key] if settings.token_key else []),
            clock=process.clock,
        ),
        appender=Appender(process.producer, process.database, source=settings.ce_source, clock=process.clock),
        clock=process.clock,
        ulids=process.ulids,
        body_limit=settings.body_limit,
    )
    ticker = Ticker(
        queries,
        rosters,
        process.producer,
        clock=process.clock,
        source=settings.ce_source,
        every=settings.tick_every,
    )
    watching = Watching(
        queries, every=settings.stream_every, limit=settings.stream_limit, count=process.metrics.streams.set
    )
    router = routes(edge)
    router.include_router(streams(edge, watching))
    return build(
        process,
        title="Gridloop dispatch",
        indexes=INDEXES,
        groups=groups(settings),
        routes=router,
        loops={"ticker": ticker.run, "watching": watching.run},
    )
