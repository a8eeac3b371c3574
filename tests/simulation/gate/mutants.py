"""Planted faults of a gate: each breaks one rule, and the checks must find it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from services.checkpoint.domain import gate_day, presence
from services.checkpoint.domain.gate_day import GateDay
from services.checkpoint.domain.presence import Presence
from services.checkpoint.draining import Drain
from services.checkpoint.handlers import crossings
from services.checkpoint.spool import Group, Spool, Spooled
from shared.contracts.checkpoint import Crossing
from shared.contracts.envelope import Message
from tests.simulation.frame import Mutant
from tests.simulation.planted import bent, shared_mutants


@dataclass(frozen=True, slots=True)
class GateMutant(Mutant):
    """A fault that may also lie in a gate's own process."""

    spool: type[Spool] = Spool
    drain: type[Drain] = Drain


class AnswersEarly(Spool):
    """Answers once the crossing waits to be written."""

    async def add(self, crossing: Spooled) -> None:
        self._kept = asyncio.ensure_future(super().add(crossing))
        self._kept.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.sleep(0)


class ForgetsAll(Spool):
    """Deletes whatever is there by now, not only what was sent."""

    async def forget(self, groups: Sequence[Group]) -> None:
        if groups:
            self.depth = sum(len(each.crossings) for each in groups)
            await super().forget([*groups[:-1], Group(1 << 40, groups[-1].crossings)])


class ForgetsFirst(Drain):
    """Deletes before Kafka has acknowledged."""

    async def once(self) -> int:
        if not self._spool.depth:
            return 0
        groups = await self._spool.oldest()
        await self._spool.forget(groups)
        await self._producer().append(self._messages(groups))
        return sum(len(group.crossings) for group in groups)


class NewestFirst(Drain):
    """Sends what waits in the wrong order."""

    def _messages(self, groups: Sequence[Group]) -> list[Message]:
        return super()._messages(groups)[::-1]


class ForgetsAnyhow(Drain):
    """Deletes although the append failed: it may have arrived."""

    async def once(self) -> int:
        groups = await self._spool.oldest()
        try:
            await self._producer().append(self._messages(groups))
        finally:
            await self._spool.forget(groups)
        return sum(len(group.crossings) for group in groups)


_merge_day = gate_day.merge_crossing
_merge_presence = presence.merge_crossing
_numbers = count()


def _counts_again(held: GateDay, id_: str, crossing: Crossing) -> None:
    """Count every record, whether or not its crossing is known."""
    _merge_day(held, f"{id_}/{next(_numbers)}", crossing)


def _last_wins(held: Presence, *said: Any) -> None:
    """Believe the crossing that arrived last."""
    held.traces.clear()
    _merge_presence(held, *said)


def _any_tick(held: Presence, due: int, now: int) -> None:
    """Believe a ticker whose clock is ahead."""
    del now
    held.ticked = max(held.ticked, due)


def _by_arrival(crossing: Crossing, now: Any) -> Any:
    """Take the time of arrival for the time of crossing."""
    del crossing
    return now


_standing = presence.standing


def _only_by_tick(held: Presence) -> Any:
    """Overlook who came back late before anybody looked."""
    shown = _standing(held)
    late = shown is not None and shown.overstayed and not shown.overdue
    if shown is None or not late:
        return shown
    return presence.Standing(shown.outside, shown.since, shown.gate, shown.overdue, overstayed=False)


def _alert_by_record(*name: Any) -> str:
    return f"{crossings_id(*name)[:-2]}{next(_numbers) % 100:02}"


crossings_id = crossings.derived_id
_bent = partial(bent, within=100)
_own = partial(GateMutant, within=100)

MUTANTS = (
    _own("answers before the commit", ("what was answered is not lost",), spool=AnswersEarly),
    _own("drains the newest first", ("the order of a key is kept",), drain=NewestFirst),
    _own("deletes what was not sent", ("what was answered is not lost",), spool=ForgetsAll),
    _own("deletes before the acknowledgement", ("what was answered is not lost",), drain=ForgetsFirst),
    _own("deletes although the append failed", ("what was answered is not lost",), drain=ForgetsAnyhow),
    _bent(
        "a repetition counted again", gate_day, "merge_crossing", _counts_again, "every crossing counts once"
    ),
    _bent(
        "the crossing that came last wins",
        presence,
        "merge_crossing",
        _last_wins,
        "each crossing is paired once",
        "presence equals brute force",
    ),
    _bent(
        "times of arrival",
        crossings,
        "_believed",
        _by_arrival,
        "no alert without a cause",
        "presence equals brute force",
    ),
    _bent(
        "a ticker ahead of its time believed", presence, "merge_tick", _any_tick, "no alert without a cause"
    ),
    _bent(
        "who came back late is overlooked", presence, "standing", _only_by_tick, "who was not back is told of"
    ),
    _bent("an alert for each look", crossings, "derived_id", _alert_by_record, "no alert without a cause"),
    *shared_mutants(
        {
            "strays dropped": ("a record on the wrong partition is moved",),
            "published before the commit": ("no alert without a cause",),
            "offsets committed before the work": ("each record is applied once",),
            "writes without guards": (
                "a position never goes back",
                "each record is applied once",
            ),
        }
    ),
)
