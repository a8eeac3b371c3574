"""What the gate learns as facts come in: its views, and in idle moments the texts of passes in force."""

import asyncio
from typing import Final

from services.checkpoint.keys import Keys
from services.checkpoint.pass_text import Reader
from services.checkpoint.views import Views
from shared.contracts.checkpoint import PassFact
from shared.flow.records import Record
from shared.kernel.clock import Clock

# A turn is a millisecond or two of signing: a street's passes take half a minute, and nobody waits longer.
TURN: Final = 20
PAUSE_S: Final = 0.01
IDLE_S: Final = 0.2


class Learning:
    """Takes facts in, and runs beside the answers."""

    def __init__(self, views: Views, reader: Reader, keys: Keys, clock: Clock) -> None:
        self._views = views
        self._reader = reader
        self._keys = keys
        self._clock = clock

    def apply(self, record: Record) -> None:
        """Take in one fact; a pass that may still be shown is put into the row of those to learn."""
        self._views.apply(record)
        body = record.body
        if (
            isinstance(body, PassFact)
            and body.status == "valid"
            and self._clock.now() < body.until
            and self._keys.current().signing
        ):
            self._reader.expect(body)

    async def run(self) -> None:
        """Learn a few at a time, for as long as it runs."""
        while True:
            now = self._clock.now()
            begun = [key for key in self._keys.current().signing if key.since <= now]
            learnt = self._reader.learn(TURN, begun)
            await asyncio.sleep(PAUSE_S if learnt else IDLE_S)
