"""A gate's device and the people who run it, at checkpoint's HTTP API; what was answered is remembered."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from shared.contracts import registry
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.topics import Topic
from shared.runtime.tokens import KeyPair, mint
from tests.builders.checkpoint import (
    AREA,
    CHIEF,
    DESK,
    GATE,
    GATE2,
    GATE3,
    HOLDERS,
    HOUSEHOLD,
    LEADER,
    OTHER_GATE,
    STREET,
    household,
    roster,
    unit,
)  # fmt: skip
from tests.harness.log import SOURCE, Log, new_id
from tests.harness.services import Service
from tests.harness.store import stored
from tests.harness.waiting import until

PERSON, DEVICE = "p-resident", "d-1"
HOUR = timedelta(hours=1)
# Every answered question is a crossing: what is merged in the end is exactly these, by database.
ANSWERED: defaultdict[str, set[str]] = defaultdict(set)
GATES = (GATE, GATE2, GATE3, OTHER_GATE)
FACTS: tuple[tuple[Topic, str, str, Model], ...] = (
    (registry.ROSTERS_TOPIC, registry.ROSTER, DESK, roster()),
    (registry.ROSTERS_TOPIC, registry.ROSTER, STREET, roster(STREET, (CHIEF,))),
    *((registry.UNITS_TOPIC, registry.UNIT, code, unit(code)) for code in GATES),
    (registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, HOUSEHOLD, household(members=(PERSON,))),
)


class Gate:
    """A gate's device and the people who run it, over HTTP."""

    def __init__(self, service: Service, keys: KeyPair) -> None:
        self.service = service
        self._keys = keys
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=10)

    @property
    def answered(self) -> set[str]:
        """The ids of all crossings that somebody was answered about."""
        return ANSWERED[self.service.database]

    def bearer(self, person: str) -> dict[str, str]:
        token = mint(self._keys.private, person, lifetime=HOUR, now=datetime.now(UTC))
        return {"authorization": f"Bearer {token}"}

    async def say(self, path: str, issuer: str = LEADER, **body: Any) -> dict[str, Any]:
        """Say something that must be accepted, as the leader who runs the gate or as another's holder."""
        body = {"issuer": issuer, **body}
        answer = await self.http.post(path, json=body, headers=self.bearer(HOLDERS[issuer]))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def read(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.http.get(path, params=query, headers=self.bearer(HOLDERS[LEADER]))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def answer(
        self,
        direction: str = "in",
        gate: str = GATE,
        text: str | None = None,
        *,
        key: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Ask at a gate; `key`: what a device that had no answer asks again under."""
        body = {"direction": direction, "temperature": 36.5, **({"pass": text} if text else {}), **more}
        headers = self.bearer(DEVICE) | ({"idempotency-key": key} if key else {})
        answer = await self.http.post(f"/gates/{gate}/decisions", json=body, headers=headers)
        if answer.status_code == 200:
            self.answered.add(answer.json()["crossing"])
        return answer

    async def ask(self, *question: Any, **more: Any) -> dict[str, Any]:
        """Ask at a gate that there is: every question has an answer."""
        answer = await self.answer(*question, **more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def says(self, code: str, **question: Any) -> dict[str, Any]:
        """Ask until the answer has a code: facts take a moment to arrive, that of a new gate too."""
        said: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal said
            said = (await self.answer(**question)).json()
            return bool(said["code"] == code)

        await until(look, what=f"{code} at the gate")
        return said

    async def issued(self, kind: str = "movement", lasts: timedelta = HOUR) -> dict[str, Any]:
        return await self.say(
            "/passes",
            kind=kind,
            area=AREA,
            household=HOUSEHOLD,
            person=PERSON,
            until=(datetime.now(UTC) + lasts).isoformat(),
        )

    async def outside(self) -> dict[str, dict[str, Any]]:
        """Return who is outside, by pass."""
        found = await self.read(f"/areas/{AREA}/presence", limit=200)
        return {item["pass"]: item for item in found["items"]}

    async def counted(self) -> int:
        """Return how many crossings of the day are merged, over every gate of the community."""
        found = await self.read("/gates", area=DESK)
        return int(found["today"]["total"]["crossings"])

    async def all_merged(self) -> bool:
        return await self.counted() == len(self.answered)

    async def opened(self, gate: str = GATE, **more: Any) -> None:
        """Have a gate open, and known to be open to those who decide."""
        await self.say(f"/gates/{gate}/opening", duty=LEADER, **more)
        await self.says("no-pass", gate=gate)

    async def has_facts(self, log: Log) -> None:
        """Say what registry knows, and open the first gate; at most once a process."""
        if not await asyncio.to_thread(_known, self.service):
            await log.append(*(_of_fact(*fact) for fact in FACTS))
            await until(lambda: _known(self.service), what="registry's facts arrive")
            await self.opened()


def _known(service: Service) -> bool:
    """Return whether the copies that a decision rests on are there."""
    found = [("households", HOUSEHOLD), ("rosters", DESK), ("rosters", STREET)]
    found += [("units", code) for code in GATES]
    return all(stored(service, collection, id_) for collection, id_ in found)


def _of_fact(topic: Topic, type_: str, key: str, body: Model) -> Message:
    return message(topic, type_, key, body, Context(id=new_id("fact"), source=SOURCE, at=datetime.now(UTC)))
