"""The one place where registry's parts meet."""

from fastapi import FastAPI

from services.registry.api import routes
from services.registry.domain.scheme import qualified_posts
from services.registry.edge import Edge
from services.registry.queries import Queries
from services.registry.schemes import load_schemes
from services.registry.settings import RegistrySettings
from services.registry.store import INDEXES
from services.registry.subscribers import groups
from services.registry.ticker import Ticker
from shared.runtime.tokens import Verifier
from shared.service.appending import Appender
from shared.service.process import Process, build


def build_app(settings: RegistrySettings) -> FastAPI:
    """Return registry's app; servers are connected in its lifespan, never here."""
    process = Process(settings)
    schemes = load_schemes(*settings.scheme_folders)
    types = qualified_posts(schemes)

    def queries() -> Queries:
        return Queries(process.database(), schemes, types)

    edge = Edge(
        queries=queries,
        appender=Appender(process.producer, process.database, source=settings.ce_source, clock=process.clock),
        schemes=schemes,
        verifier=Verifier.from_files([settings.token_key] if settings.token_key else []),
        clock=process.clock,
        ulids=process.ulids,
        zone=settings.zone,
        body_limit=settings.body_limit,
        operators=settings.operator_handles,
    )
    ticker = Ticker(
        queries,
        process.producer,
        clock=process.clock,
        zone=settings.zone,
        source=settings.ce_source,
        every=settings.registry_tick_every,
    )
    return build(
        process,
        title="Gridloop registry",
        indexes=INDEXES,
        groups=groups(settings, schemes),
        routes=routes(edge),
        loops={"ticker": ticker.run},
    )
