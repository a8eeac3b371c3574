"""The observer: reads every progress there is, and lets none pass that shows more than was handed over."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cli.demo.directive.ledger import COUNTED, Ledger
from cli.demo.tail import Records
from cli.demo.world import World
from shared.contracts.directives import DirectiveFact
from shared.contracts.dispatch import Progress, SheetFrozen

SHARES = (50, 90, 100)


@dataclass(slots=True)
class Watch:
    """What has been seen of one directive; `above_truth` must stay empty."""

    world: World
    ledger: Ledger
    elapsed: Callable[[], float]
    directive: str
    expected: dict[str, int]
    latest: dict[str, Progress] = field(default_factory=dict)
    reached: dict[str, dict[int, float]] = field(default_factory=dict)
    addressed: dict[str, set[str]] = field(default_factory=dict)
    above_truth: list[str] = field(default_factory=list)
    samples: int = 0
    closed_at: datetime | None = None
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, records: Records) -> None:
        """Observe until cancelled; `complete` is set once every desk has heard of the close."""
        async for record in records:
            match record.body:
                case Progress(directive=self.directive) as progress:
                    self._see(progress)
                case SheetFrozen(directive=self.directive) as frozen:
                    self.addressed[frozen.desk] = {seat.post for seat in frozen.seats}
                case DirectiveFact(closed_at=datetime() as at) as fact:
                    if fact.order.directive == self.directive:
                        self.closed_at = at
                case _:
                    continue
            if self.closed_at and all(self._is_complete(desk) for desk in self.expected):
                self.complete.set()

    def _is_complete(self, desk: str) -> bool:
        return desk in self.latest and self.latest[desk].complete

    def _see(self, progress: Progress) -> None:
        self.samples += 1
        for level, counts in progress.cells.items():
            for column in COUNTED:
                most = self.ledger.bound(progress.desk, level, column)
                if getattr(counts, column) > most:
                    self.above_truth.append(
                        f"{progress.desk} {level} v{progress.v}: "
                        f"{column} {getattr(counts, column)}, handed over {most}"
                    )
        known = self.latest.get(progress.desk)
        if known is None or progress.v > known.v:
            self.latest[progress.desk] = progress
            self._note_shares(progress)

    def _note_shares(self, progress: Progress) -> None:
        reached = self.reached.setdefault(progress.desk, {})
        for share in SHARES:
            if share not in reached and 100 * progress.total.done >= share * self.expected[progress.desk]:
                reached[share] = self.elapsed()
