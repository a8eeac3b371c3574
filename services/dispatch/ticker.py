"""Looks for what is due and says so on the topic whose facts a tick must not overtake (design §4.5).

The consumer alone sets overdue and moves a due time.
"""

from collections.abc import Callable, Sequence

from services.dispatch.domain.directive import SYSTEM
from services.dispatch.domain.frozen import freeze
from services.dispatch.domain.sheet import Sheet, sheet_id
from services.dispatch.queries import Queries
from services.dispatch.store import ROLLS, SHEETS
from shared.contracts import dispatch as contract
from shared.contracts.directives import DirectiveCommand, ExtendDirective, Order
from shared.contracts.dispatch import Fill, Tick
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Roster
from shared.flow.documents import Body
from shared.kernel.clock import Clock, from_ms, utc_ms
from shared.kernel.codes import desk_of_post
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer
from shared.service.rosters import Rosters
from shared.service.ticking import Ticking

MOST = 1_000
COMPARE_EVERY = 10


class Ticker(Ticking):
    """Finds what is due by index; every tenth look also compares live sheets with today's rosters."""

    def __init__(
        self,
        queries: Callable[[], Queries],
        rosters: Callable[[], Rosters],
        producer: Callable[[], Producer],
        *,
        clock: Clock,
        source: str,
        every: float,
        compare_every: int = COMPARE_EVERY,
    ) -> None:
        super().__init__(producer, every=every)
        self._compare_every = compare_every
        self._queries = queries
        self._rosters = rosters
        self._clock = clock
        self._source = source
        self._looks = 0

    async def found(self) -> Sequence[tuple[str, Message]]:
        """Return a tick for everything due now, and what comparing finds."""
        now = utc_ms(self._clock.now())
        queries = self._queries()
        ticks = [self._sheet_tick(body) for body in await queries.due(SHEETS.found_in, now, MOST)]
        ticks += [self._progress_tick(body) for body in await queries.due(ROLLS.found_in, now, MOST)]
        if self._looks % self._compare_every == 0:
            ticks += await self._compared(queries)
        self._looks += 1
        return ticks

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
        async for page in queries.live_sheets():
            versions = await self._rosters().versions(sorted({body["desk"] for body in page}))
            for body in page:
                # A sheet that was frozen from the newest roster expects what that roster says.
                if versions.get(body["desk"], 0) > body["roster_v"]:
                    found += await self._compare(queries, body["_id"], body["desk"])
        return found

    async def _compare(self, queries: Queries, id_: str, desk: str) -> list[tuple[str, Message]]:
        found, roster = await queries.sheet(id_), await self._rosters().roster(desk)
        if found is None or roster is None:
            return []
        sheet, frozen = found
        if frozen is None:
            return [self._fill(sheet, roster)]
        order = sheet.order
        if order is None:
            return []
        lacking = [child for child in owed(order, roster) if child not in sheet.children]
        return [self._extend(order, desk, child) for child in lacking]

    def _fill(self, sheet: Sheet, roster: Roster) -> tuple[str, Message]:
        fill = Fill(directive=sheet.directive, desk=sheet.desk)
        id_ = derived_id("fill", sheet_id(sheet.directive, sheet.desk), roster.v)
        context = self._context(id_, utc_ms(self._clock.now()))
        return id_, message(contract.DESKS_TOPIC, contract.FILL, sheet.desk, fill, context)

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
