"""How answers leave the actors' hands: over HTTP with the holder's token, or straight on the topic.

Whatever fails on the way is said again under the same id until somebody acknowledges it; the ledger hears of
an answer before it leaves and once it was acknowledged.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol

import httpx
from joserfc.jwk import OKPKey

from cli.demo.asking import AGAIN_AFTER_S, ask
from cli.demo.behaviour import Channel
from cli.demo.lines import Lines
from cli.demo.world import Seat
from shared.contracts.dispatch import ACKS_TOPIC, ANSWER, Answer
from shared.contracts.envelope import Context, message
from shared.kernel.clock import Clock
from shared.kernel.ids import UlidFactory
from shared.messaging.producer import AppendUnknown, Producer
from shared.runtime.tokens import mint

SOURCE = "/city/6108/demo"
TOKEN_LIFETIME = timedelta(hours=2)


@dataclass
class Tokens:
    """Mints a holder's token when it is first needed."""

    key: OKPKey
    clock: Clock
    _minted: dict[str, str] = field(default_factory=dict)

    def of(self, person: str) -> dict[str, str]:
        """Return the header by which a person speaks."""
        if person not in self._minted:
            self._minted[person] = mint(self.key, person, lifetime=TOKEN_LIFETIME, now=self.clock.now())
        return {"Authorization": f"Bearer {self._minted[person]}"}


class Notes(Protocol):
    """Who keeps count of what is said."""

    rejected: list[str]

    def handed(self, seat: Seat, state: str, *, for_it: bool) -> None: ...
    def kept(self, seat: Seat, state: str, *, for_it: bool) -> None: ...


class Voice:
    """Hands answers over; there is one for all actors."""

    def __init__(
        self,
        *,
        producer: Producer,
        lines: Lines,
        tokens: Tokens,
        ledger: Notes,
        ulids: UlidFactory,
        clock: Clock,
    ) -> None:
        self._producer = producer
        self._lines = lines
        self._tokens = tokens
        self._ledger = ledger
        self._ulids = ulids
        self._clock = clock

    async def say(self, about: Seat, answer: Answer, *, speaker: str, channel: Channel, twice: bool) -> None:
        """Hand one answer over and return once it is acknowledged; `twice`: again, by the other channel."""
        id_ = self._ulids.new()
        for_it = answer.by is not None
        self._ledger.handed(about, answer.state, for_it=for_it)
        if await self._hand_over(id_, answer, speaker, channel):
            self._ledger.kept(about, answer.state, for_it=for_it)
        if twice:
            await self._hand_over(id_, answer, speaker, "topic" if channel == "http" else "http")

    async def _hand_over(self, id_: str, answer: Answer, speaker: str, channel: Channel) -> bool:
        if channel == "http":
            async with self._lines.one() as line:
                return await self._over_http(line, id_, answer, speaker)
        await self._onto_the_topic(id_, answer, speaker)
        return True

    async def _over_http(self, line: httpx.AsyncClient, id_: str, answer: Answer, speaker: str) -> bool:
        body = answer.model_dump_json(exclude={"directive", "slot", "at"}, exclude_none=True)
        headers = {**self._tokens.of(speaker), "Idempotency-Key": id_}
        path = f"/directives/{answer.directive}/answers"
        reply = await ask(line, "POST", path, content=body, headers=headers)
        if reply.status_code != HTTPStatus.ACCEPTED:
            self._ledger.rejected.append(f"{answer.addressee}: {reply.status_code} {reply.text[:200]}")
        return reply.status_code == HTTPStatus.ACCEPTED

    async def _onto_the_topic(self, id_: str, answer: Answer, speaker: str) -> None:
        context = Context(id_, SOURCE, self._clock.now(), speaker)
        record = message(ACKS_TOPIC, ANSWER, answer.desk, answer, context)
        while True:
            try:
                return await self._producer.append([record])
            except AppendUnknown:
                await asyncio.sleep(AGAIN_AFTER_S)
