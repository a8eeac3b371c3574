"""Replicas of the service: one flow a group, partitions that move, zombies, crashes and lost memory."""

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.rebuild.running import Unwatched
from shared.contracts.envelope import Message
from shared.contracts.topics import Topic
from shared.flow.batch import Flow, Lapsed, Patience
from shared.flow.handler import Handler
from shared.flow.partitions import partition_of
from shared.flow.records import Arrival
from shared.kernel.errors import Conflict, Transient
from tests.simulation.log import PARTITIONS, Log
from tests.simulation.scheduler import Scheduler, pause, sleep
from tests.simulation.storage import Store, View

PATIENCE = Patience(first=0.1, longest=2.0, total=6.0)


class Crashed(BaseException):
    """The process is gone at this very point; nothing may catch it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How rough a seed is: probabilities a step, and how many crashes at most."""

    crash: float
    storage: float
    publish: float
    rebalances: int
    crashes: int
    stall: float = 0.01
    slow: float = 0
    rewinds: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """One consumer group: its topics, and how a fresh process builds its handler."""

    name: str
    topics: tuple[Topic, ...]
    handler: Callable[[], Handler]
    flow: type[Flow] = Flow
    commit_first: bool = False


@dataclass(slots=True, eq=False)
class Consumer:
    """One group's consumer in one process: what it believes to own, and the batch it is working on."""

    group: Group
    replica: int
    view: View
    flow: Flow = field(init=False)
    generation: int = 0
    owned: dict[int, dict[str, int]] = field(default_factory=dict)
    lapsed: bool = False
    ready: bool = True
    task: Coroutine[Any, Any, None] | None = None
    wake_ms: int = 0


class Cluster:
    """All consumers of all groups, and the coordinator that hands out partitions."""

    def __init__(
        self, scheduler: Scheduler, log: Log, store: Store, *, groups: Sequence[Group], faults: Faults
    ) -> None:
        self._scheduler = scheduler
        self._log = log
        self._store = store
        self._faults = faults
        self._replicas = scheduler.random.choice((2, 2, 3))
        self.crashes = 0
        self.rebalances = 0
        self.rewound = 0
        self.killed: Counter[str] = Counter()
        self._generation = {group.name: 0 for group in groups}
        self.consumers = [
            self._start(group, replica) for group in groups for replica in range(self._replicas)
        ]
        for group in groups:
            self._hand_out(group.name)
        for _ in range(faults.rebalances):
            scheduler.at(scheduler.random.uniform(1, 250), self._rebalance_some)
        for _ in range(faults.rewinds):
            scheduler.at(scheduler.random.uniform(50, 400), self._rewind_some)
        log.watchers.append(self._arrived)

    def runnable(self) -> list[Consumer]:
        """Return the consumers that can take a step now."""
        now = self._scheduler.now_ms
        return [
            consumer
            for consumer in self.consumers
            if (consumer.wake_ms <= now if consumer.task else consumer.ready)
        ]

    def stop(self) -> None:
        """End whatever is under way."""
        for consumer in self.consumers:
            if consumer.task is not None:
                consumer.task.close()

    def next_wake(self) -> int | None:
        """Return when the first sleeping consumer wakes."""
        return min((consumer.wake_ms for consumer in self.consumers if consumer.task), default=None)

    def step(self, consumer: Consumer) -> None:
        """Let one consumer run to its next suspension; it may be its process's last."""
        if consumer.task is None:
            batch = self._poll(consumer)
            if not batch:
                consumer.ready = False
                return
            consumer.task = self._work(consumer, batch)
        if self._may_crash():
            self._crash(consumer.replica)
            return
        try:
            pausing = consumer.task.send(None)
        except StopIteration:
            consumer.task = None
        except Crashed:
            self._crash(consumer.replica)
        else:
            consumer.wake_ms = self._scheduler.now_ms + int((pausing or 0) * 1000)

    def _start(self, group: Group, replica: int) -> Consumer:
        view = View(self._store, group.name, self._scheduler, self._log, self._faults.storage)
        consumer = Consumer(group, replica, view)
        consumer.flow = group.flow(
            group.name,
            group.handler(),
            storage=view,
            publish=self._publish,
            partitions=lambda _: PARTITIONS,
            observer=Unwatched(),
            lapsed=lambda: consumer.lapsed,
            reached=self._reached,
            patience=PATIENCE,
            sleep=sleep,
        )
        return consumer

    def _poll(self, consumer: Consumer) -> list[Arrival]:
        random = self._scheduler.random
        most = random.choice((1, 4, 16))
        places = [(place, topic.name) for place in sorted(consumer.owned) for topic in consumer.group.topics]
        random.shuffle(places)
        batch: list[Arrival] = []
        for place, topic in places:
            offset = consumer.owned[place][topic]
            records = self._log.fetch(topic, place, offset, most)
            consumer.owned[place][topic] = offset + len(records)
            batch += records
        return batch

    async def _work(self, consumer: Consumer, batch: Sequence[Arrival]) -> None:
        consumer.view.batch = batch
        if consumer.group.commit_first:
            self._commit_offsets(consumer, batch)
        if self._scheduler.chance(0.05):  # a slow process: the group may go on without it
            await sleep(self._scheduler.random.uniform(0, 20))
        try:
            await consumer.flow(batch)
        except (Transient, Conflict, Lapsed):
            self._seek(consumer)
            return
        await pause()
        self._commit_offsets(consumer, batch)

    def _commit_offsets(self, consumer: Consumer, batch: Sequence[Arrival]) -> None:
        if consumer.generation != self._generation[consumer.group.name]:
            return  # the broker refuses the commit of a former member
        for arrival in batch:
            origin = arrival.origin
            if origin.partition in consumer.owned:
                self._log.committed[consumer.group.name, origin.topic, origin.partition] = origin.offset + 1

    async def _publish(self, messages: Sequence[Message]) -> None:
        """Append in any order between partitions, as several leaders acknowledge; a failure leaves a part."""
        lanes: dict[tuple[str, int], list[Message]] = {}
        for record in messages:
            lanes.setdefault((record.topic, partition_of(record.key, PARTITIONS)), []).append(record)
        slow = self._slow(list(lanes))
        while lanes:
            if self._scheduler.chance(0.5):
                await pause()
            if [*lanes] == slow:
                await sleep(self._scheduler.random.uniform(0, 60))
            if self._scheduler.chance(self._faults.stall):  # a stalled send: others overtake what it says
                await sleep(self._scheduler.random.uniform(0, 20))
            if self._scheduler.chance(self._faults.publish):
                raise Transient("append-unknown")
            lane = self._scheduler.random.choice([lane for lane in lanes if [lane] != slow] or slow)
            self._log.append(lanes[lane].pop(0))
            if not lanes[lane]:
                del lanes[lane]

    def _slow(self, lanes: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Now and then name a partition whose leader acknowledges long after all others.

        The last by name has the tallies, if there are any: who is below may be heard before the desk itself.
        """
        late = self._faults.slow and len(lanes) > 1 and self._scheduler.chance(self._faults.slow)
        return [max(lanes)] if late else []

    def _may_crash(self) -> bool:
        return self.crashes < self._faults.crashes and self._scheduler.chance(self._faults.crash)

    def _reached(self, group: str, step: str) -> None:
        if self._may_crash():
            self._log.note("crash at", group, step)
            self.killed[step] += 1
            raise Crashed

    def _crash(self, replica: int) -> None:
        self.crashes += 1
        self._log.note("crash", replica)
        for at, consumer in enumerate(self.consumers):
            if consumer.replica != replica:
                continue
            if consumer.task is not None:
                consumer.task.close()
            self.consumers[at] = self._start(consumer.group, replica)
            self._hand_out(consumer.group.name)

    def _rebalance_some(self) -> None:
        self._hand_out(self._scheduler.random.choice(list(self._generation)))

    def _rewind_some(self) -> None:
        """Set a group's offsets back, as an operator may: everything since then is delivered again."""
        group = self._scheduler.random.choice(list(self._generation))
        for place in sorted(place for place in self._log.committed if place[0] == group):
            at = self._log.committed[place]
            if at and self._scheduler.chance(0.5):
                self._log.committed[place] = self._scheduler.random.randrange(at)
                self.rewound += 1
        self._log.note("rewind", group)
        self._hand_out(group)

    def _hand_out(self, group: str) -> None:
        """Give every partition an owner; who hears of it late goes on as before: a zombie."""
        self.rebalances += 1
        self._generation[group] += 1
        members = [consumer for consumer in self.consumers if consumer.group.name == group]
        owners = [self._scheduler.random.choice(members) for _ in range(PARTITIONS)]
        self._log.note("assign", group, *(owner.replica for owner in owners))
        for member in members:
            places = [place for place, owner in enumerate(owners) if owner is member]
            told = self._hearing(member, places, self._generation[group])
            if member.owned and self._scheduler.chance(0.4):
                member.lapsed = self._scheduler.chance(0.3)
                self._scheduler.at(self._scheduler.random.uniform(0, 40), told)
            else:
                told()

    def _hearing(self, member: Consumer, places: Sequence[int], generation: int) -> Callable[[], None]:
        def told() -> None:
            if generation < self._generation[member.group.name] or member not in self.consumers:
                return  # a later assignment has been made, or the process is gone
            member.generation, member.lapsed, member.ready = generation, False, True
            member.owned = {place: {} for place in places}
            self._seek(member)
            member.flow.reassigned()

        return told

    def _seek(self, consumer: Consumer) -> None:
        for place in consumer.owned:
            for topic in consumer.group.topics:
                at = self._log.committed[consumer.group.name, topic.name, place]
                consumer.owned[place][topic.name] = at
        consumer.ready = True

    def _arrived(self, arrival: Arrival) -> None:
        for consumer in self.consumers:
            if any(topic.name == arrival.origin.topic for topic in consumer.group.topics):
                consumer.ready = True
