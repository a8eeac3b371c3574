"""A ticker: looks for what is due and appends it. It only reads; the consumer alone moves a due time.

Every replica runs one. What it says has an id derived from its cause, so two replicas say one thing; what
this process has said it does not repeat while it remembers.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from shared.contracts.envelope import Message
from shared.kernel.errors import Transient
from shared.messaging.producer import Producer
from shared.runtime.problems import Problem

REMEMBERED = 50_000

_log = structlog.stdlib.get_logger(__name__)


class Ticking(ABC):
    """One look every `every` seconds, until cancelled."""

    def __init__(self, producer: Callable[[], Producer], *, every: float) -> None:
        self._producer = producer
        self._every = every
        self._said: OrderedDict[str, None] = OrderedDict()

    @abstractmethod
    async def found(self) -> Sequence[tuple[str, Message]]:
        """Return what is due now, each with the id of its cause."""

    async def run(self) -> None:
        """Look again and again; a server that is away is looked for the next time."""
        while True:
            try:
                await self.look()
            except (Transient, Problem) as error:
                _log.warning("ticker waits", error=str(error))
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Append what is due and was not said before."""
        new = {id_: message for id_, message in await self.found() if id_ not in self._said}
        await self._producer().append(list(new.values()))
        self._said.update(dict.fromkeys(new))
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
