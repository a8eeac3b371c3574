"""The one place where checkpoint's parts meet."""

import asyncio
from typing import Final

from fastapi import FastAPI
from starlette.middleware import Middleware

from services.checkpoint.api import routes
from services.checkpoint.decisions import Decisions, GateDoor
from services.checkpoint.domain.rules import GateRules
from services.checkpoint.draining import Drain
from services.checkpoint.edge import Edge
from services.checkpoint.gatekeeping import Gatekeeper
from services.checkpoint.keys import Keys
from services.checkpoint.learning import Learning
from services.checkpoint.pass_text import Reader
from services.checkpoint.queries import Queries
from services.checkpoint.settings import CheckpointSettings
from services.checkpoint.spool import Spool
from services.checkpoint.store import INDEXES
from services.checkpoint.subscribers import groups
from services.checkpoint.ticker import Ticker
from services.checkpoint.views import Views
from shared.contracts import checkpoint, registry
from shared.domain.dated import Dated
from shared.messaging.follower import Follower
from shared.runtime.dated import read_versions
from shared.runtime.tokens import Remembering, Verifier
from shared.service.appending import Appender
from shared.service.process import Process, build, security_of
from shared.service.rosters import Callers, Holders, Rosters

FOLLOWED: Final = (
    checkpoint.GATES_TOPIC,
    checkpoint.PASSES_TOPIC,
    registry.HOUSEHOLDS_TOPIC,
    registry.ROSTERS_TOPIC,
)
WATCH_S: Final = 0.5


def build_app(settings: CheckpointSettings) -> FastAPI:
    """Return checkpoint's app; servers are connected in its lifespan, never here.

    The spool and the pass keys are opened here: a gate must not answer what it cannot keep or verify.
    """
    process = Process(settings)
    keys, views, reader = Keys(settings.pass_keys, process.clock), Views(), Reader()
    learning = Learning(views, reader, keys, process.clock)
    spool = Spool(settings.spool, limit=settings.spool_limit)
    rules = Dated(read_versions(settings.gate_rules, GateRules))
    verifier = Verifier.from_files([settings.token_key] if settings.token_key else [])
    follower = Follower(
        settings.kafka,
        FOLLOWED,
        learning.apply,
        client_id=f"{settings.service}.views",
        security=security_of(settings),
    )
    decisions = Decisions(
        Gatekeeper(views, reader, keys, rules, lambda: follower.data_age),
        views=views,
        spool=spool,
        tokens=Remembering(verifier),
        devices=settings.device_handles,
        clock=process.clock,
        ulids=process.ulids,
        counter=process.metrics.decisions,
        body_limit=settings.body_limit,
    )

    def queries() -> Queries:
        return Queries(process.database())

    edge = Edge(
        queries=queries,
        callers=Callers(
            rosters=lambda: Rosters(process.database()),
            holders=Holders(process.clock),
            verifier=verifier,
            clock=process.clock,
        ),
        appender=Appender(process.producer, process.database, source=settings.ce_source, clock=process.clock),
        keys=keys,
        rules=rules,
        clock=process.clock,
        ulids=process.ulids,
        zone=settings.zone,
        body_limit=settings.body_limit,
    )
    ticker = Ticker(
        queries,
        process.producer,
        clock=process.clock,
        source=settings.ce_source,
        every=settings.checkpoint_tick_every,
    )
    drain = Drain(spool, process.producer, source=settings.ce_source, clock=process.clock)
    process.health.set_ready("views", False, "the gate's data is being read")
    app = build(
        process,
        title="Gridloop checkpoint",
        indexes=INDEXES,
        groups=groups(settings),
        routes=routes(edge),
        loops={"ticker": ticker.run},
        at_once={
            "views": follower.run,
            "learning": learning.run,
            "drain": drain.run,
            "gate-watch": lambda: _watch(process, follower, spool),
        },
    )
    # Innermost: what is said of every request is said of these too.
    app.user_middleware.append(Middleware(GateDoor, decisions=decisions))
    return app


async def _watch(process: Process, follower: Follower, spool: Spool) -> None:
    """Say twice a second how old the gate's data is and what waits; close the spool in the end."""
    try:
        while True:
            age = follower.data_age
            if age is not None:
                # Once read, old data is not "not ready": the gate goes on without Kafka, and says how old.
                process.health.set_ready("views", True)
            process.metrics.data_age.set(-1 if age is None else age)
            process.metrics.spooled.set(spool.depth)
            await asyncio.sleep(WATCH_S)
    finally:
        spool.close()
