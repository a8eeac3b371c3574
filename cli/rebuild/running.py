"""Running a service's handlers over the log into memory, with everything they would publish left unsaid.

Topics of one lane are taken in the order of the broker's clock: the log knows no other order between them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from cli.rebuild.memory import Documents, Memory
from cli.verify.log import Log
from shared.contracts.envelope import Message
from shared.contracts.topics import Topic
from shared.flow.batch import Flow
from shared.flow.handler import Handler
from shared.flow.records import Arrival, Record
from shared.messaging.reading import read

AT_ONCE: Final = 500

Instead = Callable[[Record, Memory], Documents | None]
"""What a record is shown instead of what is stored, where it may freeze something; None: as it is."""


def as_stored(record: Record, memory: Memory) -> None:
    """Show every record what is stored."""
    del record, memory


@dataclass(frozen=True, slots=True)
class Replayed:
    """One group of a rebuild: its topics in the order in which records of one moment are taken."""

    name: str
    topics: Sequence[Topic]
    handler: Handler
    instead: Instead = as_stored


Lane = Sequence[Replayed]
"""Groups whose records are taken by the broker's clock, because one reads what another writes."""


class Unwatched:
    """An observer of batches that nobody asks."""

    def applied(self, group: str, *, records: int, replayed: int, seconds: float) -> None:
        """Count nothing."""

    def dead_lettered(self, group: str, code: str) -> None:
        """Count nothing: the letter was left when the record first came."""

    def moved(self, group: str) -> None:
        """Count nothing: what stood on the wrong partition stands on the right one too."""

    def retrying(self, group: str, error: Exception | None) -> None:
        """Say nothing: memory is always there."""


async def run(lanes: Sequence[Lane], log: Log, memory: Memory) -> None:
    """Run every lane to its end."""
    for lane in lanes:
        groups = {group.name: (group, _flow(group, memory, log.partitions)) for group in lane}
        for name, arrivals in groupby(_in_order(lane, log), key=itemgetter(0)):
            await _apply(*groups[name], [arrival for _, arrival in arrivals], memory)


async def _apply(group: Replayed, flow: Flow, arrivals: Sequence[Arrival], memory: Memory) -> None:
    waiting: list[Arrival] = []
    for arrival in arrivals:
        instead = group.instead(arrival, memory) if isinstance(arrival, Record) else None
        if instead is None:
            waiting.append(arrival)
            if len(waiting) < AT_ONCE:
                continue
        await flow(waiting)
        waiting = []
        if instead is not None:
            with memory.showing(instead):
                await flow([arrival])
    await flow(waiting)


def _in_order(lane: Lane, log: Log) -> Iterator[tuple[str, Arrival]]:
    """Yield each group's arrivals by time; a partition's own order stands whatever its clock did."""
    found: list[tuple[tuple[int, int, int, int], str, Any]] = []
    topics = [(group.name, topic) for group in lane for topic in group.topics]
    for rank, (name, topic) in enumerate(topics):
        latest: dict[int, int] = {}
        for raw in log.records[topic.name]:
            latest[raw.partition] = at = max(raw.timestamp, latest.get(raw.partition, 0))
            found.append(((at, rank, raw.partition, raw.offset), name, raw))
    found.sort(key=lambda each: each[0])
    for _, name, raw in found:
        yield name, read(raw)


def _flow(group: Replayed, memory: Memory, partitions: Mapping[str, int]) -> Flow:
    return Flow(
        group.name,
        group.handler,
        storage=memory,
        publish=_unsaid,
        partitions=partitions.__getitem__,
        observer=Unwatched(),
    )


async def _unsaid(messages: Sequence[Message]) -> None:
    """Publish nothing: whoever had to hear it has heard it."""
    del messages
