"""Looks for what ends by itself and says so: emergencies, passes, and times by which somebody was to be back.

Each is found by an index on its due time, so that nothing is scanned (F-09). The consumer alone moves a due
time; what it finds too early by the broker's clock it leaves, and is asked again a minute later.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from services.checkpoint.domain.ground import SYSTEM
from services.checkpoint.store import DESKS, PASSES, PRESENCE
from shared.contracts import checkpoint as contract
from shared.contracts.checkpoint import CheckpointCommand, EndEmergency, ExpirePass, GateFact, OverstayTick
from shared.contracts.envelope import Context, Message, message
from shared.flow.documents import Body
from shared.kernel.clock import Clock, from_ms, utc_ms
from shared.kernel.ids import derived_id
from shared.messaging.producer import Producer
from shared.service.ticking import Ticking

MOST: Final = 1_000
AGAIN_MS: Final = 60_000
"""A command's outcome stands: what came too early is said again under another id, once a minute."""

Said = tuple[str, Message]


class Due(Protocol):
    """What the ticker reads."""

    async def due(self, collection: str, now_ms: int, limit: int) -> list[Body]:
        """Return documents whose `next_due` has passed, by index, oldest first."""


class Ticker(Ticking):
    """Finds what is due, in three collections."""

    def __init__(
        self,
        queries: Callable[[], Due],
        producer: Callable[[], Producer],
        *,
        clock: Clock,
        source: str,
        every: float,
    ) -> None:
        super().__init__(producer, every=every)
        self._queries = queries
        self._clock = clock
        self._source = source

    async def found(self) -> Sequence[Said]:
        """Return an end for every emergency, an expiry for every pass and a tick for every return due now."""
        now = utc_ms(self._clock.now())
        queries = self._queries()
        said: list[Said] = []
        for body in await queries.due(DESKS.name, now, MOST):
            gates = DESKS.decode(body).gates.values()
            said += [self._end(gate, now) for gate in gates if _is_over(gate, now)]
        said += [self._expire(body, now) for body in await queries.due(PASSES.name, now, MOST)]
        said += [self._overstay(body, now) for body in await queries.due(PRESENCE.found_in, now, MOST)]
        return said

    def _end(self, gate: GateFact, now: int) -> Said:
        until = gate.emergency.until if gate.emergency else from_ms(now)
        due = utc_ms(until)
        id_ = derived_id("end-emergency", gate.gate, due, _times_asked(due, now))
        return id_, self._command(id_, CheckpointCommand(command=EndEmergency(gate=gate.gate, until=until)))

    def _expire(self, body: Body, now: int) -> Said:
        due = body["until"]
        id_ = derived_id("expire-pass", body["_id"], due, _times_asked(due, now))
        command = ExpirePass(pass_id=body["_id"], area=body["area"], until=from_ms(due))
        return id_, self._command(id_, CheckpointCommand(command=command))

    def _overstay(self, body: Body, now: int) -> Said:
        due = body["next_due"]
        tick = OverstayTick(pass_id=body["pass_id"], desk=body["desk"], due=from_ms(due))
        id_ = derived_id("overstay-tick", tick.desk, tick.pass_id, due, _times_asked(due, now))
        context = Context(id_, self._source, from_ms(due), SYSTEM)
        return id_, message(contract.CROSSINGS_TOPIC, contract.TICK, tick.desk, tick, context)

    def _command(self, id_: str, body: CheckpointCommand) -> Message:
        context = Context(id_, self._source, self._clock.now(), SYSTEM)
        return message(contract.COMMANDS_TOPIC, contract.COMMAND, body.desk, body, context)


def _is_over(gate: GateFact, now: int) -> bool:
    return gate.emergency is not None and utc_ms(gate.emergency.until) <= now


def _times_asked(due: int, now: int) -> int:
    return (now - due) // AGAIN_MS
