"""Screening's routes over its groups in memory: what is appended is merged and decided at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import httpx
from fastapi import FastAPI

from services.screening.api import routes
from services.screening.edge import Edge
from services.screening.queries import Queries
from shared.contracts.envelope import Message
from shared.kernel.errors import Transient
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import install_problem_handlers
from shared.runtime.tokens import KeyPair, Verifier, generate_key_pair, mint
from shared.service.appending import Appender
from shared.service.rosters import Callers, Holders, Rosters
from tests.builders.screening import DAY, HOUR, NOON, SOURCE, TERMS, ZONE, Screening
from tests.fakes.database import ReadMemory

if TYPE_CHECKING:
    from shared.messaging.producer import Producer
    from shared.mongo.client import Database


@dataclass
class Http:
    """A client of screening's routes, with tokens for anybody; `log` has what was appended.

    `holding` keeps records from being read; `away` is a broker that does not answer.
    """

    world: Screening
    at: datetime = NOON
    keys: KeyPair = field(default_factory=generate_key_pair)
    log: list[Message] = field(default_factory=list)
    holding: bool = False
    away: bool = False

    def __post_init__(self) -> None:
        app = FastAPI()
        install_problem_handlers(app)
        database = cast("Database", ReadMemory(self.world.storage))
        producer, clock = cast("Producer", self), self
        edge = Edge(
            queries=lambda: Queries(database),
            callers=Callers(
                rosters=lambda: Rosters(database),
                holders=Holders(clock),
                verifier=Verifier(self.keys.public),
                clock=clock,
            ),
            appender=Appender(lambda: producer, lambda: database, source=SOURCE, clock=clock),
            clock=clock,
            ulids=UlidFactory(clock),
            terms=TERMS,
            zone=ZONE,
            body_limit=8_192,
            bulk_body_limit=524_288,
        )
        app.include_router(routes(edge))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://screening")

    def now(self) -> datetime:
        """Be the service's clock."""
        return self.at

    async def append(self, messages: Sequence[Message], within_s: float = 5.0) -> None:
        """Take what the routes append, as a producer and its broker would."""
        del within_s
        if self.away:
            raise Transient("kafka", "away")
        self.log += messages
        if not self.holding:
            await self.world.settle(messages, now=self.at)

    async def get(self, path: str, person: str = "boss", **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query, headers=self.headers(person))

    async def post(
        self, path: str, body: Any, person: str = "boss", key: str | None = None
    ) -> httpx.Response:
        headers = self.headers(person) | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(path, json=body, headers=headers)

    def headers(self, person: str) -> dict[str, str]:
        token = mint(self.keys.private, person, lifetime=30 * DAY, now=NOON - HOUR)
        return {"Authorization": f"Bearer {token}"}
