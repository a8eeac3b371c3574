"""One poll of one consumer group, as transactions that hold their place in the log."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeGuard

from shared.contracts.envelope import Message
from shared.flow import crash
from shared.flow.cache import Cache
from shared.flow.dead_letters import dead_letter
from shared.flow.documents import Collection, Documents, Session, Write
from shared.flow.handler import Handler
from shared.flow.partitions import partition_of
from shared.flow.records import Arrival, Origin, Record, Unreadable
from shared.kernel.errors import Conflict, GridloopError, Transient

log = logging.getLogger(__name__)


class Lapsed(GridloopError):  # noqa: N818 - named by what happened, like its family
    """This member may have lost its partitions: it stops before it publishes, and the batch comes again."""


@dataclass(slots=True)
class Position:
    """How far a group has applied one partition number, over all topics it reads: topic → next offset.

    `log_id` names the log the offsets count in: offsets of another log, or of a wiped one, mean nothing.
    `session` is the database session that writes here: a successor ends it, or a transaction that a killed
    process left open would hold every commit up until the server's own limit.
    """

    next: dict[str, int] = field(default_factory=dict)
    log_id: str = ""
    session: str = ""


POSITIONS: Collection[Position] = Collection(
    "positions",
    # Pairs, not a map: a topic's name has dots, which are paths in a document's field names.
    encode=lambda position: {
        "next": [list(item) for item in sorted(position.next.items())],
        "log_id": position.log_id,
        "session": position.session,
    },
    decode=lambda body: Position(dict(body["next"]), body["log_id"], body["session"]),
)


def position_id(group: str, partition: int) -> str:
    """Return the id of a position: one document a partition number, so that one guard covers all topics."""
    return f"{group}/{partition}"


class Storage(Protocol):
    """Where documents are kept: shared.mongo in a process, a dictionary in the simulation."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Open a causally consistent session with majority reads."""


RULE_FAILED = "rule-failed"
MOST_FAILED_IN_A_ROW = 50
"""Records that may fail their rule with none succeeding between: a bad release stops and does not drain."""

Publish = Callable[[Sequence[Message]], Awaitable[None]]


class Observer(Protocol):
    """What a batch tells whoever watches: metrics and readiness in a process, nothing in a test."""

    def applied(self, group: str, *, records: int, replayed: int, seconds: float) -> None:
        """Count a committed batch, with the records it had seen before."""

    def dead_lettered(self, group: str, code: str) -> None:
        """Count a record that was bad data."""

    def moved(self, group: str) -> None:
        """Count a record that stood on the wrong partition for its key."""

    def retrying(self, group: str, error: Exception | None) -> None:
        """Say that the group waits for its infrastructure (None: no longer)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long infrastructure failures are retried in place before the batch is given back (design §2)."""

    first: float = 0.05
    longest: float = 5.0
    total: float = 60.0

    def delays(self) -> Iterator[float]:
        """Yield the pauses between tries until the total is spent."""
        spent, delay = 0.0, self.first
        while spent < self.total:
            yield delay
            spent += delay
            delay = min(delay * 2, self.longest)


class Flow:
    """Runs a handler for one group: `await flow(arrivals)` returns once their offsets may be committed."""

    def __init__(
        self,
        group: str,
        handler: Handler,
        *,
        storage: Storage,
        publish: Publish,
        partitions: Callable[[str], int],
        observer: Observer,
        lapsed: Callable[[], bool] = lambda: False,
        reached: Callable[[str, str], None] = crash.never,
        patience: Patience = Patience(),
        max_weight: int = 2000,
        log_id: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._group = group
        self._handler = handler
        self._storage = storage
        self._publish = publish
        self._partitions = partitions
        self._observer = observer
        self._lapsed = lapsed
        self._reached = reached
        self._patience = patience
        self._max_weight = max_weight
        self._log_id = log_id
        self._sleep = sleep
        self._taken: set[int] = set()
        self._inherited: set[int] = set()
        self._failed_in_a_row = 0
        self._cache = Cache()
        self._remembered: dict[str, int] = {}
        """The version that this flow gave each position it moved: what the cache was true of."""

    def reassigned(self) -> None:
        """Forget everything: after a rebalance every partition is taken over afresh."""
        self._taken.clear()
        self._forget()

    def is_first(self, partition: int) -> bool:
        """Whether nobody applied this partition before: then nobody else can have published its state."""
        return partition in self._taken and partition not in self._inherited

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        """Apply one poll. Raises `Transient` or `Lapsed` if it could not; then the batch comes again."""
        for chunk in self._chunks(arrivals):
            await self._isolate(chunk)

    def _chunks(self, arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
        """Yield what one transaction takes; one that is half full begins no other partition.

        Facts of one partition are about fewer documents than as many of two.
        """
        chunk: list[Arrival] = []
        weight = 0
        for arrival in arrivals:
            more = self._handler.weight(arrival)
            elsewhere = chunk and arrival.origin.partition != chunk[-1].origin.partition
            if chunk and weight + more > self._max_weight // (2 if elsewhere else 1):
                yield chunk
                chunk, weight = [], 0
            chunk.append(arrival)
            weight += more
        if chunk:
            yield chunk

    async def _isolate(self, arrivals: Sequence[Arrival]) -> None:
        """Apply arrivals; halve on an exception of theirs until the bad record is found and dead-lettered."""
        try:
            await self._persist(arrivals)
        except (Transient, Conflict, Lapsed):
            raise
        except Exception as error:
            self._forget()
            if len(arrivals) > 1:
                middle = len(arrivals) // 2
                await self._isolate(arrivals[:middle])
                await self._isolate(arrivals[middle:])
                return
            (arrival,) = arrivals
            if isinstance(arrival, Unreadable):
                raise  # nothing of the record was read: this is ours, and no record's fault
            log.exception("record failed its rule", extra={"group": self._group, "ce_id": arrival.id})
            self._stop_if_nothing_succeeds()
            await self._persist([_failed(arrival, error)])

    def _stop_if_nothing_succeeds(self) -> None:
        """Raise once every record fails: then the rule is at fault, and draining the log would lose time."""
        self._failed_in_a_row += 1
        if self._failed_in_a_row > MOST_FAILED_IN_A_ROW:
            stopped = Transient("rule-keeps-failing", self._group)
            self._observer.retrying(self._group, stopped)
            raise stopped

    async def _persist(self, arrivals: Sequence[Arrival]) -> None:
        """Try until applied: infrastructure failures and missed guards drop all memory and start over."""
        delays = self._patience.delays()
        while True:
            try:
                fresh = await self._apply(arrivals)
            except (Transient, Conflict) as error:
                self._forget()
                self._observer.retrying(self._group, error)
                delay = next(delays, None)
                if delay is None:
                    raise
                await self._sleep(delay)
            else:
                self._observer.retrying(self._group, None)
                if fresh and any(isinstance(arrival, Record) for arrival in arrivals):
                    self._failed_in_a_row = 0
                return

    async def _apply(self, arrivals: Sequence[Arrival]) -> int:
        """Run the steps once; return how many of the arrivals had not been applied before."""
        started = time.perf_counter()
        async with self._storage.session() as session:
            docs = Documents(session, self._cache)
            commit = partial(session.commit, written=partial(self._reached, self._group, "written"))
            await self._take_over(docs, session, {arrival.origin.partition for arrival in arrivals})
            await self._handler.load(docs, arrivals)
            self._reached(self._group, "loaded")
            fresh = self._fold(docs, arrivals)
            self._reached(self._group, "folded")
            # Before its place is stored: it can be read, so below its place nobody would set it aside again.
            if failed := [dead_letter(self._group, each) for each in arrivals if _is_failed(each)]:
                await self._publish(failed)
            await self._write(docs, commit)
            self._reached(self._group, "committed")
            if self._lapsed():
                raise Lapsed("session-lapsed", self._group)
            home = self._home(arrivals)
            await self._publish([*self._handler.derive(docs, home), *self._aside(arrivals)])
            self._reached(self._group, "published")
            self._handler.mark(docs, home)
            await self._write(docs, commit)
            self._reached(self._group, "marked")
            self._remember(docs, arrivals)
        self._observer.applied(
            self._group,
            records=len(arrivals),
            replayed=len(arrivals) - fresh,
            seconds=time.perf_counter() - started,
        )
        return fresh

    async def _take_over(self, docs: Documents, session: Session, partitions: set[int]) -> None:
        """Load positions; rewriting one after an assignment fences whoever had the partition before."""
        places = {partition: position_id(self._group, partition) for partition in partitions}
        await docs.load(POSITIONS, places.values())
        versions = {place: docs.version(POSITIONS, place) for place in places.values()}
        if any(v != self._remembered.get(place, v) for place, v in versions.items()):
            self._forget()
        for partition, place in places.items():
            position = docs.get(POSITIONS, place) or Position(log_id=self._log_id)
            if partition in self._taken and position.session == session.id:
                continue
            if position.session not in ("", session.id):
                await session.end(position.session)
                # For good: a predecessor may publish late, whatever assignments come after this one.
                self._inherited.add(partition)
            position.session = session.id
            docs.put(POSITIONS, place, position)
        await self._write(docs, session.claim)
        self._taken |= partitions

    def _fold(self, docs: Documents, arrivals: Sequence[Arrival]) -> int:
        """Fold what is not applied yet, in log order; return how many records that was."""
        fresh = 0
        for arrival in arrivals:
            origin = arrival.origin
            place = position_id(self._group, origin.partition)
            position = docs.get(POSITIONS, place) or Position(log_id=self._log_id)
            if origin.offset < position.next.get(origin.topic, 0):
                continue
            if isinstance(arrival, Unreadable):
                self._handler.refuse(docs, arrival)
            elif self._at_home(origin):
                self._handler.rule(docs, arrival)
            position.next[origin.topic] = origin.offset + 1
            docs.put(POSITIONS, place, position)
            fresh += 1
        return fresh

    async def _write(self, docs: Documents, write: Callable[[list[Write]], Awaitable[None]]) -> None:
        writes = docs.writes()
        if writes:
            try:
                await write(writes)
            except Conflict:
                self.reassigned()
                raise
            docs.committed()

    def _remember(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        for partition in {arrival.origin.partition for arrival in arrivals}:
            place = position_id(self._group, partition)
            self._remembered[place] = docs.version(POSITIONS, place)
        docs.remember()

    def _forget(self) -> None:
        self._cache.clear()
        self._remembered.clear()

    def _at_home(self, origin: Origin) -> bool:
        return partition_of(origin.key, self._partitions(origin.topic)) == origin.partition

    def _home(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        return [a for a in arrivals if isinstance(a, Unreadable) or self._at_home(a.origin)]

    def _aside(self, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Yield what leaves as it came: bad data to dead letters, strays to their own partition."""
        for arrival in arrivals:
            origin = arrival.origin
            if isinstance(arrival, Unreadable):
                self._observer.dead_lettered(self._group, arrival.code)
                if not _is_failed(arrival):
                    yield dead_letter(self._group, arrival)
            elif not self._at_home(origin):
                self._observer.moved(self._group)
                yield Message(origin.topic, origin.key, origin.value, origin.headers)


def _failed(record: Record, error: Exception) -> Unreadable:
    return Unreadable(record.origin, RULE_FAILED, type(error).__name__, record.at, record.id, record.actor)


def _is_failed(arrival: Arrival) -> TypeGuard[Unreadable]:
    return isinstance(arrival, Unreadable) and arrival.code == RULE_FAILED
