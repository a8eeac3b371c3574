"""The routes of passes: who may issue, who is given the text, and what a retried request is answered with."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from fastapi import FastAPI

from services.checkpoint.api import routes
from services.checkpoint.edge import Edge
from services.checkpoint.keys import Keys
from services.checkpoint.queries import Queries
from services.checkpoint.store import HOUSEHOLDS
from shared.contracts.envelope import Message
from shared.kernel.ids import UlidFactory
from shared.runtime.problems import install_problem_handlers
from shared.runtime.tokens import Verifier, generate_key_pair, mint
from shared.service.appending import Appender
from shared.service.rosters import Callers, Holders, Rosters
from tests.builders.checkpoint import (
    AREA,
    BRANCH,
    CHIEF,
    GRID_CHIEF,
    HOLDERS,
    HOUR,
    HOUSEHOLD,
    LEADER,
    MINUTE,
    NOON,
    OTHER_AREA,
    RULES,
    SOURCE,
    ZONE,
    Checkpoint,
    household,
)
from tests.builders.gate import key_file
from tests.fakes.database import ReadMemory

if TYPE_CHECKING:
    from shared.messaging.producer import Producer
    from shared.mongo.client import Database

PERSON, STRANGER = "person-1", "person-2"
KEY = "request-0001"
UNKNOWN = "household-9"


class Http:
    """A client of checkpoint's routes; what is appended is decided at once, at `at`."""

    def __init__(self, world: Checkpoint, keys: Path) -> None:
        self.world, self.at, self.log = world, NOON, list[Message]()
        self._keys = generate_key_pair()
        app = FastAPI()
        install_problem_handlers(app)
        database = cast("Database", ReadMemory(world.storage))
        producer = cast("Producer", self)
        callers = Callers(
            rosters=lambda: Rosters(database),
            holders=Holders(self),
            verifier=Verifier(self._keys.public),
            clock=self,
        )
        edge = Edge(
            queries=lambda: Queries(database),
            callers=callers,
            appender=Appender(lambda: producer, lambda: database, source=SOURCE, clock=self),
            keys=Keys(keys, self),
            rules=RULES,
            clock=self,
            ulids=UlidFactory(self),
            zone=ZONE,
            body_limit=8_192,
        )
        app.include_router(routes(edge))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://checkpoint")

    def now(self) -> datetime:
        return self.at

    async def append(self, messages: Sequence[Message], within_s: float = 5.0) -> None:
        del within_s
        self.log += messages
        await self.world.take(*messages, now=self.at)

    async def get(self, path: str, post: str) -> httpx.Response:
        return await self.client.get(path, headers=self._headers(post))

    async def issue(self, post: str = LEADER, key: str = KEY, **other: Any) -> httpx.Response:
        fields = {"issuer": post, "kind": "movement", "area": AREA, "household": HOUSEHOLD, "person": PERSON}
        body = {**fields, "until": (NOON + 4 * HOUR).isoformat(), **other}
        return await self.client.post(
            "/passes", json=body, headers=self._headers(post) | {"Idempotency-Key": key}
        )

    def _headers(self, post: str) -> dict[str, str]:
        token = mint(self._keys.private, HOLDERS[post], lifetime=48 * HOUR, now=NOON - HOUR)
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[Http]:
    world = Checkpoint()
    world.know(HOUSEHOLDS, HOUSEHOLD, household(members=(PERSON,), charges={"main": GRID_CHIEF}))
    made = Http(world, key_file(tmp_path / "keys.json"))
    async with made.client:
        yield made


@pytest.mark.req("F-08")
async def test_a_retried_request_without_a_beginning_is_the_same_pass(http: Http) -> None:
    first = await http.issue()
    assert (first.status_code, set(first.json())) == (201, {"pass", "text", "qr"})
    http.at += MINUTE
    again = await http.issue()
    assert (again.status_code, again.json()) == (201, first.json())
    assert http.log[0].value == http.log[1].value
    assert (http.world.pass_(KEY).since, http.world.pass_(KEY).until) == (NOON, NOON + 4 * HOUR)
    other = await http.issue(kind="home")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.req("F-08")
async def test_a_beginning_that_is_said_is_kept_and_lies_before_the_end(http: Http) -> None:
    assert (await http.issue(since=(NOON + HOUR).isoformat())).status_code == 201
    assert http.world.pass_(KEY).since == NOON + HOUR
    refused = await http.issue(key="request-0002", since=(NOON + 4 * HOUR).isoformat())
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-body")


@pytest.mark.req("F-08")
async def test_the_text_is_for_who_issued_the_pass_and_who_answers_for_the_household(http: Http) -> None:
    issued = (await http.issue()).json()
    for post in (LEADER, GRID_CHIEF):
        shown = await http.get(f"/passes/{KEY}", post)
        assert (shown.json()["text"], shown.json()["qr"]) == (issued["text"], issued["qr"])
        assert (await http.get(issued["qr"], post)).headers["content-type"] == "image/svg+xml"
    for post in (BRANCH, CHIEF):
        shown = await http.get(f"/passes/{KEY}", post)
        assert (shown.status_code, shown.json()["status"]) == (200, "valid")
        assert not {"text", "qr", "subject"} & shown.json().keys()
        assert (await http.get(issued["qr"], post)).status_code == 404


@pytest.mark.req("F-08")
@pytest.mark.parametrize("person", [PERSON, STRANGER])
async def test_nobody_can_try_out_who_lives_where(http: Http, person: str) -> None:
    """Whether the person is a member or not, the answer is the same."""
    beyond = await http.issue(BRANCH, person=person)
    assert (beyond.status_code, beyond.json()["reason"]) == (422, "outside-scope")
    elsewhere = await http.issue(GRID_CHIEF, person=person, area=OTHER_AREA)
    assert (elsewhere.status_code, elsewhere.json()["reason"]) == (422, "area-not-home")
    nowhere = await http.issue(person=person, household=UNKNOWN)
    assert (nowhere.status_code, nowhere.json()["reason"]) == (422, "unknown-household")
    assert http.log == []


async def test_at_home_whoever_is_no_member_gets_no_pass(http: Http) -> None:
    refused = await http.issue(person=STRANGER)
    assert (refused.status_code, refused.json()["reason"]) == (422, "not-a-member")
    assert http.log == []


@pytest.mark.parametrize("post", ["abc/x", "abc/s:leader", "61080200600/s:leader"])
async def test_a_post_of_nowhere_is_a_bad_body_and_is_not_appended(http: Http, post: str) -> None:
    refused = await http.issue(issuer=post)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-body")
    assert http.log == []
