"""The people before the gate: a steady stream of residents, each answer noted with how long it took."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from random import Random
from typing import Any

import httpx

from cli.demo.gate.ledger import NO_DATA, Asked, Ledger, Person
from cli.demo.gate.morning import Compound, Resident, celsius
from cli.demo.gate.office import Office
from cli.demo.stage import Stage
from shared.contracts.checkpoint import Direction

PER_SECOND = 50
WAYS: Sequence[Direction] = ("out", "in")
TRIES, AGAIN_AFTER_S = 240, 0.5
# Whoever waits for the gate's data is asked again seldom: each time is one more crossing to be counted.
NO_DATA_AGAIN_AFTER_S = 2.0


@dataclass
class Crowd:
    """Everybody who comes to a gate; `phase` is under which latencies are noted."""

    stage: Stage
    compound: Compound
    office: Office
    ledger: Ledger
    phase: str = "before"
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self) -> None:
        """Send a party to the exit every twentieth of a second, whether or not the one before is through."""
        began = time.monotonic()
        rng = Random(f"{self.compound.seed}/gate/stream")  # noqa: S311 - made-up people, repeatable
        parties = self.compound.parties
        outward = [rng.choice(WAYS) for _ in parties]
        # Nobody comes back before they have left, however long the gate takes.
        turns = [asyncio.Lock() for _ in parties]
        async with asyncio.TaskGroup() as group:
            for number in count():
                intended = began + number / PER_SECOND
                await asyncio.sleep(max(intended - time.monotonic(), 0))
                if self.done.is_set():
                    return
                turn = number % len(parties)
                people = tuple(self.showing(each, celsius(rng)) for each in parties[turn])
                asked = Asked(self.compound.exit, outward[turn], people, vehicle=len(people) > 1)
                outward[turn] = "in" if outward[turn] == "out" else "out"
                codes = {each.kind for each in parties[turn]}
                group.create_task(self._pass(asked, codes, intended, turns[turn]))

    async def _pass(self, asked: Asked, codes: Collection[str], intended: float, turn: asyncio.Lock) -> None:
        async with turn:
            await self.ask(asked, *codes, intended=intended)

    def showing(self, resident: Resident, temperature: float | None = None) -> Person:
        """Return somebody who shows the pass they were given."""
        pass_id, text = self.office.texts[resident.person]
        return Person(text=text, pass_id=pass_id, temperature=temperature)

    async def ask(self, asked: Asked, *wanted: str, intended: float | None = None) -> dict[str, Any]:
        """Ask the gate until it has data to answer from: who is referred for want of it waits a moment."""
        began = time.monotonic() if intended is None else intended
        answer: dict[str, Any] = {}
        for _ in range(TRIES):
            answer = await self._ask_once(asked, (*wanted, NO_DATA))
            self.ledger.latencies[self.phase].append(time.monotonic() - began)
            if answer.get("code") != NO_DATA:
                return answer
            await asyncio.sleep(NO_DATA_AGAIN_AFTER_S)
            began = time.monotonic()
        return answer

    async def _ask_once(self, asked: Asked, wanted: Sequence[str]) -> dict[str, Any]:
        """Ask one question, under one id however often it has to be sent, and note the answer."""
        gate_staff = self.stage.token(self.compound.answers_for(asked.gate).post)
        headers = {**gate_staff, "Idempotency-Key": self.stage.ulids.new()}
        for _ in range(TRIES):
            try:
                async with self.stage.lines["checkpoint"].one() as line:
                    path = f"/gates/{asked.gate}/decisions"
                    reply = await line.post(path, json=_question(asked), headers=headers)
            except httpx.TransportError:
                self.ledger.again += 1
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            if reply.status_code == HTTPStatus.OK:
                answer: dict[str, Any] = reply.json()
                self.ledger.note(answer["crossing"], asked, answer, wanted)
                return answer
            self.ledger.errors.append(f"{asked.gate}: {reply.status_code} {reply.text[:200]}")
            return {}
        self.ledger.errors.append(f"{asked.gate}: nobody answers")
        return {}


def _question(asked: Asked) -> dict[str, Any]:
    people = [_shown(person) for person in asked.people]
    if not asked.vehicle:
        return {"direction": asked.direction, **people[0]}
    vehicle: dict[str, Any] = {"occupants": people[asked.driver :]}
    if asked.driver:
        vehicle["driver"] = people[0]
    return {"direction": asked.direction, "vehicle": vehicle}


def _shown(person: Person) -> dict[str, Any]:
    shown: dict[str, Any] = {"pass": person.text, "temperature": person.temperature}
    if person.household is not None:
        shown["claims"] = {"household": person.household}
    return {name: value for name, value in shown.items() if value is not None}
