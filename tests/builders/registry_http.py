"""Registry's routes over a registry in memory: what is appended is decided at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import httpx
from fastapi import FastAPI

from services.registry.api import routes
from services.registry.domain.scheme import Scheme, qualified_posts
from services.registry.edge import Edge
from services.registry.queries import Queries
from shared.contracts.envelope import Message, header
from shared.contracts.registry import Changes
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import install_problem_handlers
from shared.runtime.tokens import KeyPair, Verifier, generate_key_pair, mint
from shared.service.appending import Appender
from tests.builders.registry import NOON, SOURCE, ZONE, RegistryInMemory
from tests.fakes.database import ReadMemory

if TYPE_CHECKING:
    from shared.messaging.producer import Producer
    from shared.mongo.client import Database


class Noon:
    """A clock that stands still."""

    def now(self) -> Any:
        return NOON


@dataclass
class Http:
    """A client of registry's routes, with tokens for anybody."""

    registry: RegistryInMemory
    schemes: Mapping[str, Scheme]
    keys: KeyPair = field(default_factory=generate_key_pair)
    holding: bool = False

    def __post_init__(self) -> None:
        app = FastAPI()
        install_problem_handlers(app)
        database = cast("Database", ReadMemory(self.registry.memory))
        types = qualified_posts(self.schemes)
        producer, clock = cast("Producer", self), Noon()
        edge = Edge(
            queries=lambda: Queries(database, self.schemes, types),
            appender=Appender(lambda: producer, lambda: database, source=SOURCE, clock=clock),
            schemes=self.schemes,
            verifier=Verifier(self.keys.public),
            clock=clock,
            ulids=UlidFactory(clock),
            zone=ZONE,
            body_limit=262_144,
            operators=frozenset({"operator"}),
        )
        app.include_router(routes(edge))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry")

    async def append(self, messages: Sequence[Message], within_s: float = 5.0) -> None:
        del within_s
        for message in messages:
            body = Changes.model_validate_json(message.value or b"")
            id_, actor = header(message.headers, "ce_id"), header(message.headers, "ce_actor")
            if not self.holding:
                await self.registry.deliver([self.registry.record(message.key.decode(), body, id_, actor)])

    async def get(self, path: str, person: str = "anybody", **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query, headers=self._headers(person))

    async def post(self, rows: Sequence[Any], person: str, key: str | None = None) -> httpx.Response:
        body = {"rows": [row.model_dump(mode="json") for row in rows]}
        headers = self._headers(person) | ({"Idempotency-Key": key} if key else {})
        return await self.client.post("/changes", json=body, headers=headers)

    def _headers(self, person: str) -> dict[str, str]:
        token = mint(self.keys.private, person, lifetime=timedelta(hours=1), now=NOON)
        return {"Authorization": f"Bearer {token}"}
