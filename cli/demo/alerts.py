"""Alerts on their way: what a rule raised becomes a small directive, and the household's chain answers it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cli.demo.actors import Actors, Holder
from cli.demo.asking import read
from cli.demo.behaviour import behaviour, verdict
from cli.demo.directive.ledger import Ledger
from cli.demo.stage import Stage
from cli.demo.tail import Records
from cli.demo.voice import Voice
from cli.demo.world import Seat
from shared.contracts.directives import DirectiveFact, Order
from shared.flow.records import Record


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert that must come to a charge post; if that is silent, to who stands above it."""

    household: str
    charge: Seat
    is_silent: bool = False


class Alerts:
    """The alerts of one act with everybody who may hear of them; `run` it on deliveries and directives."""

    def __init__(self, stage: Stage, rule: str, alarms: Sequence[Alarm]) -> None:
        self._stage = stage
        self._rule = rule
        self._alarms = alarms
        self._ledger = Ledger(stage.world)
        voice = Voice(
            producer=stage.producer, lines=stage.lines["dispatch"], tokens=stage.tokens,
            ledger=self._ledger, ulids=stage.ulids, clock=stage.clock,
        )  # fmt: skip
        desks = {alarm.charge.desk for alarm in alarms}
        holders = [self._holder(seat) for seat in stage.world.seats if seat.desk in desks]
        self._actors = Actors(holders, voice, stage.clock)
        self._orders: dict[str, Order] = {}
        self._closed: set[str] = set()
        self._all_closed = asyncio.Event()

    @property
    def raised(self) -> int:
        return len(self._orders)

    @property
    def closed(self) -> int:
        return len(self._closed)

    async def run(self, records: Records) -> None:
        """Take part until cancelled."""
        await self._actors.run(self._heard(records))

    async def settle(self, *, seconds: float) -> None:
        """Wait until every alarm is closed and nobody is in the middle of handing something over."""
        try:
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()
                await self._actors.settle()
        except TimeoutError:
            # What is not closed by now will be named as a difference.
            return

    async def compare(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return each alarm as dispatch tells it, and what differs from what the chains did."""
        told, differences = [], [f"answer not accepted: {each}" for each in self._ledger.rejected]
        differences += [f"delivered to the wrong person: {each}" for each in self._actors.misdelivered]
        self._stage.played.update(self._orders)
        for alarm in self._alarms:
            ids = [id_ for id_, order in self._orders.items() if order.household == alarm.household]
            if len(ids) != 1:
                differences.append(f"{self._rule} at {alarm.household}: {len(ids)} directives")
                continue
            found, wrong = await self._read(ids[0], alarm)
            told.append(found)
            differences += wrong
        known = {alarm.household for alarm in self._alarms}
        others = [order.household for order in self._orders.values() if order.household not in known]
        return told, differences + [f"{self._rule} at {each}: nobody knows why" for each in others]

    async def _read(self, directive: str, alarm: Alarm) -> tuple[dict[str, Any], list[str]]:
        dispatch, path = self._stage.clients["dispatch"], f"/directives/{directive}"
        # Whoever commands the desk sees what its chains were asked.
        headers = self._stage.token(self._orders[directive].issuer)
        stored = await read(dispatch, path, headers=headers)
        asked = {"desk": alarm.charge.desk}
        counts = (await read(dispatch, f"{path}/progress", params=asked, headers=headers))["total"]
        wrong = [
            f"{self._rule} at {alarm.household}: {name} {counts[name]}, the chain knows {number}"
            for name, number in self._ledger.final([alarm.charge]).items()
            if counts[name] != number
        ]
        if counts["done"] != 1 or bool(counts["answered_for"]) != alarm.is_silent:
            wrong.append(f"{self._rule} at {alarm.household}: answered by the wrong post")
        if stored["status"] != "closed" or stored["closed_at"] is None:
            wrong.append(f"{self._rule} at {alarm.household}: the loop is not closed")
        return {
            "household": alarm.household,
            "charge": alarm.charge.post,
            "directive": directive,
            "answered_for": counts["answered_for"],
            "closed": stored["status"] == "closed",
        }, wrong

    async def _heard(self, records: Records) -> AsyncIterator[Record]:
        """Note every directive of this rule, and pass on what is delivered to somebody."""
        async for record in records:
            if not isinstance(record.body, DirectiveFact):
                if getattr(record.body, "directive", None) not in self._stage.played:
                    yield record
            elif record.body.order.rule == self._rule:
                self._note(record.body)

    def _note(self, fact: DirectiveFact) -> None:
        id_ = fact.order.directive
        if id_ in self._stage.played:
            return
        self._orders[id_] = fact.order
        if fact.closed_at is not None:
            self._closed.add(id_)
        if len(self._closed) >= len(self._alarms):
            self._all_closed.set()

    def _holder(self, seat: Seat) -> Holder:
        options = self._stage.options
        silent = any(alarm.is_silent and alarm.charge.post == seat.post for alarm in self._alarms)
        drawn = behaviour(seat, seed=options.seed, silent=0, speed=options.speed)
        # Nobody hears of an alert before it is raised, and nobody refuses a sick neighbour.
        plays = replace(drawn, manner="silent" if silent else "answers", early=False)
        return Holder(seat, plays, verdict(seat.post, seed=options.seed, speed=options.speed))
