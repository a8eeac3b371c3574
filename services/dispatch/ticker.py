"""Looks for what is due and says so on the topic whose facts a tick must not overtake (design §4.5).

It only reads: the consumer alone sets overdue and moves a due time. Every replica runs one; a tick's id is
its cause, so two replicas' ticks are one, and what this process has said once it does not repeat.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from services.dispatch.domain.directive import SYSTEM
from services.dispatch.domain.frozen import freeze
from services.dispatch.domain.sheet import sheet_id
from services.dispatch.queries import Queries
from shared.contracts import dispatch as contract
from shared.contracts.dispatch import DirectiveCommand, ExtendDirective, Fill, Order, Tick
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Roster
from shared.flow.documents import Body
from shared.kernel.clock import Clock, from_ms, utc_ms
from shared.kernel.codes import desk_of_post
from shared.kernel.errors import Transient
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer
from shared.runtime.problems import Problem

MOST = 1_000
PAGE = 100
REMEMBERED = 50_000
COMPARE_EVERY = 10

_log = structlog.stdlib.get_logger(__name__)


class Ticker:
    """One pass every `every` seconds; every tenth also compares live sheets with today's rosters."""

    def __init__(
        self,
        queries: Callable[[], Queries],
        producer: Callable[[], Producer],
        *,
        clock: Clock,
        source: str,
        every: float,
    ) -> None:
        self._queries = queries
        self._producer = producer
        self._clock = clock
        self._source = source
        self._every = every
        self._said: OrderedDict[str, None] = OrderedDict()

    async def run(self) -> None:
        """Look until cancelled; a server that is away is looked for again."""
        passes = 0
        while True:
            try:
                await self.look(compare=passes % COMPARE_EVERY == 0)
            except (Transient, Problem) as error:
                _log.warning("ticker waits", error=str(error))
            passes += 1
            await asyncio.sleep(self._every)

    async def look(self, *, compare: bool) -> None:
        """Append a tick for everything due now, and what comparing finds."""
        now = utc_ms(self._clock.now())
        queries = self._queries()
        ticks = [self._sheet_tick(body) for body in await queries.due("sheets", now, MOST)]
        ticks += [self._progress_tick(body) for body in await queries.due("progress", now, MOST)]
        if compare:
            ticks += await self._compared(queries)
        await self._say(ticks)

    async def _say(self, messages: Sequence[tuple[str, Message]]) -> None:
        new = {id_: message_ for id_, message_ in messages if id_ not in self._said}
        await self._producer().append(list(new.values()))
        self._said.update(dict.fromkeys(new))
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)

    def _sheet_tick(self, body: Body) -> tuple[str, Message]:
        version = body["version"]
        tick = _tick(body, version)
        id_ = derived_id("tick", sheet_id(tick.directive, tick.desk), version, body["next_due"])
        return id_, message(
            contract.ACKS_TOPIC, contract.TICK, tick.desk, tick, self._context(id_, body["next_due"])
        )

    def _progress_tick(self, body: Body) -> tuple[str, Message]:
        version = body["version"]
        tick = _tick(body, version)
        key = f"{tick.desk}/{tick.directive}"
        id_ = derived_id("progress-tick", key, version, body["next_due"])
        context = self._context(id_, body["next_due"])
        return id_, message(contract.TALLIES_TOPIC, contract.TICK, key, tick, context)

    async def _compared(self, queries: Queries) -> list[tuple[str, Message]]:
        """Return fills for sheets whose roster came late, extends for desks that came to owe the order."""
        found: list[tuple[str, Message]] = []
        after = ""
        while page := await queries.live_sheets(after, PAGE):
            after = page[-1]["_id"]
            versions = await queries.roster_versions(sorted({body["desk"] for body in page}))
            for body in page:
                # A sheet that was frozen from the newest roster expects what that roster says.
                if versions.get(body["desk"], 0) > body["roster_v"]:
                    found += self._compare(body, await queries.roster(body["desk"]))
        return found

    def _compare(self, body: Body, roster: Roster | None) -> list[tuple[str, Message]]:
        directive, desk = body["directive"], body["desk"]
        if roster is None:
            return []
        now = utc_ms(self._clock.now())
        if body["frozen"] is None:
            fill = Fill(directive=directive, desk=desk)
            id_ = derived_id("fill", sheet_id(directive, desk), roster.v)
            context = self._context(id_, now)
            return [(id_, message(contract.DESKS_TOPIC, contract.FILL, desk, fill, context))]
        order = Order.model_validate_json(body["order"])
        expected = {child for child, _ in body["children"]}
        return [self._extend(order, desk, child) for child in owed(order, roster) if child not in expected]

    def _extend(self, order: Order, desk: str, child: str) -> tuple[str, Message]:
        extend = ExtendDirective(
            directive=order.directive, issuer=order.issuer, version=order.version, desk=desk, child=child
        )
        id_ = derived_id("extend", order.directive, order.version, desk, child)
        key = f"{desk_of_post(order.issuer)}/{order.directive}"
        context = self._context(id_, utc_ms(self._clock.now()))
        body = DirectiveCommand(command=extend)
        return id_, message(contract.COMMANDS_TOPIC, contract.COMMAND, key, body, context)

    def _context(self, id_: str, at_ms: int) -> Context:
        return Context(id=id_, source=self._source, at=from_ms(at_ms), actor=SYSTEM)


def owed(order: Order, roster: Roster) -> list[str]:
    """Return the child desks an order would go on to if it were frozen now; a cancel asks for no more."""
    return [] if order.effect == "cancel" else [child.desk for child in freeze(order, roster).children]


def _tick(body: Body, version: int) -> Tick:
    return Tick(
        directive=body["directive"], desk=body["desk"], version=version, due=from_ms(body["next_due"])
    )
