"""The one place where screening's parts meet."""

from fastapi import FastAPI

from services.screening.api import routes
from services.screening.domain.round import Terms
from services.screening.edge import Edge
from services.screening.queries import Queries
from services.screening.settings import ScreeningSettings
from services.screening.store import INDEXES
from services.screening.subscribers import groups
from services.screening.ticker import Ticker
from shared.domain.dated import Dated
from shared.runtime.dated import read_versions
from shared.runtime.tokens import Verifier
from shared.service.appending import Appender
from shared.service.process import Process, build
from shared.service.rosters import Callers, Holders, Rosters


def build_app(settings: ScreeningSettings) -> FastAPI:
    """Return screening's app; servers are connected in its lifespan, never here."""
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
        terms=Dated(read_versions(settings.rounds, Terms)),
        zone=settings.zone,
        body_limit=settings.body_limit,
        bulk_body_limit=settings.bulk_body_limit,
    )
    ticker = Ticker(
        queries,
        rosters,
        process.producer,
        clock=process.clock,
        source=settings.ce_source,
        every=settings.screening_tick_every,
    )
    return build(
        process,
        title="Gridloop screening",
        indexes=INDEXES,
        groups=groups(settings),
        routes=routes(edge),
        loops={"ticker": ticker.run},
    )
