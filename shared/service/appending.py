"""The write path's front door: append a record, and for a command wait a moment for its outcome."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastapi import Response

from shared.contracts.base import Model, json_bytes
from shared.contracts.envelope import Context, header, message
from shared.contracts.outcomes import Outcome
from shared.contracts.topics import Topic
from shared.flow.decide import OUTCOMES, body_digest
from shared.kernel.clock import Clock
from shared.kernel.errors import Transient
from shared.messaging.producer import Producer
from shared.mongo.client import Database
from shared.runtime.problems import Problem, rejection

WAIT_S = 2.0
APPEND_S = 5.0
_FIRST_LOOK_S = 0.01
_LAST_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Fact:
    """One of many facts to append: its id, its key and its body."""

    id: str
    key: str
    body: Model


class Appender:
    """What an API may do to change anything: append. It never writes the database (design §2)."""

    def __init__(
        self,
        producer: Callable[[], Producer],
        database: Callable[[], Database],
        *,
        source: str,
        clock: Clock,
    ) -> None:
        self._producer = producer
        self._database = database
        self._source = source
        self._clock = clock

    async def fact(self, topic: Topic, type_: str, key: str, body: Model, *, id_: str, actor: str) -> None:
        """Append one fact; it will count once it is merged. Raises a 503 problem if that cannot be said."""
        await self.facts(topic, type_, [Fact(id_, key, body)], actor=actor)

    async def facts(self, topic: Topic, type_: str, facts: Iterable[Fact], *, actor: str) -> None:
        """Append many facts of one type; all of them arrived, or a 503 problem names the first.

        After that problem some may have arrived: whoever asks again must give them the same ids.
        """
        now = self._clock.now()
        messages = [
            message(topic, type_, fact.key, fact.body, Context(fact.id, self._source, now, actor=actor))
            for fact in facts
        ]
        if not messages:
            return
        try:
            await self._producer().append(messages, APPEND_S)
        except Transient as error:
            raise Problem("append-unknown", id=header(messages[0].headers, "ce_id")) from error

    async def command(
        self, topic: Topic, type_: str, key: str, body: Model, *, id_: str, actor: str
    ) -> Outcome | None:
        """Append a command and return its outcome, or None if it is not decided within two seconds.

        Raises a 422 problem when the id was used before with another actor or body.
        """
        await self.fact(topic, type_, key, body, id_=id_, actor=actor)
        outcome = await self._outcome(id_)
        if outcome is not None and outcome.status == "malformed":
            raise Problem("malformed", outcome.results[0].detail or "")
        if outcome is not None and (outcome.actor, outcome.body) != (actor, body_digest(json_bytes(body))):
            raise Problem("idempotency-key-reused", id=id_)
        return outcome

    async def _outcome(self, id_: str) -> Outcome | None:
        look = _FIRST_LOOK_S
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    stored = await self._database().one(OUTCOMES.name, id_)
                    if stored is not None:
                        return OUTCOMES.decode(stored)
                    await asyncio.sleep(look)
                    look = min(look * 1.5, _LAST_LOOK_S)
        except (TimeoutError, Transient):
            return None


def undecided(id_: str) -> Response:
    """Answer 202: the command is in the log and will be decided; here is where to look."""
    return Response(status_code=202, headers={"Location": f"/outcomes/{id_}"})


def refuse_rejected(outcome: Outcome) -> None:
    """Raise the problem that a refused command is answered with."""
    result = outcome.results[0]
    if not result.accepted:
        raise rejection(result.code or "rejected", result.detail or "")
