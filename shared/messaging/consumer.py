"""Consuming: FastStream subscribers that hand whole polls to flow, with every setting that matters stated."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.contracts.topics import Topic
from shared.flow.records import Arrival
from shared.kernel.clock import SystemClock, utc_ms
from shared.kernel.errors import ConfigurationError, GridloopError
from shared.messaging.pulse import Pulse
from shared.messaging.reading import read
from shared.messaging.security import PLAINTEXT, Security

SESSION_S: Final = 10.0
HEARTBEAT_S: Final = 3.0
PAUSE_S: Final = 1.0
GATHER_BYTES: Final = 65_536
GATHER_MS: Final = 50
FETCH_BYTES: Final = 1_048_576
GATHER_FETCH_BYTES: Final = 2 * FETCH_BYTES
"""What one partition may have in one fetch. A backlog is read partition by partition: the fewer a poll is of,
the fewer documents its facts are about (docs/adr/0010)."""
SELDOM_MS: Final = 250
"""How long a fetch waits at the broker for a topic that seldom says anything. What arrives is answered at
once; only a partition that speaks again while the others are waited for has to wait as long."""
STEP_BACK_S: Final = 2 * SESSION_S
ACK_POLICY: Final = AckPolicy.NACK_ON_ERROR
REQUIRED: Final = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "session_timeout_ms": int(SESSION_S * 1000),
    "heartbeat_interval_ms": int(HEARTBEAT_S * 1000),
    "partition_assignment_strategy": (RangePartitionAssignor,),
}
"""What a subscriber must have been given to the letter: each default loses messages or splits a desk."""


class Consumes(Protocol):
    """What a subscriber hands its polls to: `shared.flow.batch.Flow`."""

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        """Apply one poll."""

    def reassigned(self) -> None:
        """Hear that the group has a new assignment."""

    def is_first(self, partition: int) -> bool:
        """Say whether nobody had this partition before."""


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Tells flow of every new assignment, remembers it for readiness, and steps back after it."""

    def __init__(self, flow: Consumes, pulse: Pulse, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._flow = flow
        self._pulse = pulse
        self._monotonic = monotonic
        self._step_back_at: list[float] = []
        self.client: Callable[[], Any] = lambda: None
        self.told = False

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Own nothing until the group has settled."""
        del revoked
        self.told = False
        self._flow.reassigned()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Start afresh with what the group gave."""
        del assigned
        self.told = True
        now = self._monotonic()
        self._step_back_at = [now, now + SESSION_S]
        self._pulse.assigned()
        self._flow.reassigned()

    async def step_back(self) -> None:
        """Read the last records again, at once after a takeover and once more a session later.

        Whoever had a partition before may have published older state after newer. What flow has applied it
        only publishes again, as it is stored now: so the newest state is the last on every topic (design §2).
        Where nobody was before, as after every installation, nothing is read and published twice.
        """
        client = self.client()
        if client is None or not self.told or not self._step_back_at:
            return
        if self._monotonic() < self._step_back_at[0]:
            return
        since = utc_ms(SystemClock().now()) - int(STEP_BACK_S * 1000)
        try:
            places = [place for place in client.assignment() if not self._flow.is_first(place.partition)]
            found = await client.offsets_for_times(dict.fromkeys(places, since)) if places else {}
            for place, first in found.items():
                if first is not None and first.offset < await client.position(place):
                    client.seek(place, first.offset)
        except (KafkaError, IllegalStateError):
            return  # a rebalance came between: the next assignment steps back by itself
        self._step_back_at.pop(0)


def build_broker(servers: str, *, client_id: str, security: Security = PLAINTEXT) -> KafkaBroker:
    """Return a broker that only consumes; appending is `Producer`'s."""
    return KafkaBroker(
        servers,
        client_id=client_id,
        consumer_only=True,
        allow_auto_create_topics=False,
        metadata_max_age_ms=60_000,
        graceful_timeout=5.0,
        apply_types=False,
        security=security.of_broker(),
        logger=None,
    )


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[Topic],
    *,
    group: str,
    flow: Consumes,
    pulse: Pulse,
    max_records: int,
    gather: bool = False,
    seldom: bool = False,
    instance: str | None = None,
) -> Assignment:
    """Subscribe one group to its topics: one subscriber a group, so a process owns both sides of a key."""
    assignment = Assignment(flow, pulse)
    subscriber = broker.subscriber(
        *(topic.name for topic in topics),
        batch=True,
        max_records=max_records,
        batch_timeout_ms=20,
        group_id=group,
        group_instance_id=f"{instance}.{group}" if instance else None,
        ack_policy=ACK_POLICY,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=int(SESSION_S * 1000),
        heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
        # A poll that waits a moment gathers more: one transaction instead of several.
        fetch_min_bytes=GATHER_BYTES if gather else 1,
        fetch_max_wait_ms=SELDOM_MS if seldom else GATHER_MS,
        max_partition_fetch_bytes=GATHER_FETCH_BYTES if gather else FETCH_BYTES,
        isolation_level="read_uncommitted",
        parser=_whole_batch,
        decoder=_as_it_is,
        listener=assignment,
    )

    assignment.client = lambda: subscriber.consumer

    @subscriber
    async def on_batch(message: Any) -> None:
        try:
            await flow([read(raw) for raw in message.raw_message])
        except GridloopError:
            # NACK seeks back at once: without a pause a lapsed member would spin until it has rejoined.
            await asyncio.sleep(PAUSE_S)
            raise

    return assignment


def refuse_unsafe(broker: KafkaBroker) -> None:
    """Refuse to start with a subscriber that could lose a message (design §7)."""
    for subscriber in broker.subscribers:
        if not isinstance(subscriber, BatchSubscriber) or not subscriber.group_id:
            raise ConfigurationError("unsafe-subscriber", "a subscriber takes batches and names its group")
        given = subscriber._connection_args  # noqa: SLF001 - there is no public view
        wrong = [name for name, value in REQUIRED.items() if given.get(name) != value]
        if wrong or subscriber.ack_policy is not ACK_POLICY:
            raise ConfigurationError("unsafe-subscriber", f"{subscriber.group_id}: {wrong or 'ack policy'}")


def lags(broker: KafkaBroker) -> Iterator[tuple[str, int, int]]:
    """Yield (topic, partition, records not yet taken) for every partition this process holds."""
    for subscriber in broker.subscribers:
        client: Any = getattr(subscriber, "consumer", None)
        for place in client.assignment() if client is not None else ():
            end = client.highwater(place)
            state = client._subscription.subscription.assignment.state_value(place)  # noqa: SLF001 - `position()` waits
            if end is not None and state is not None and state.has_valid_position:
                yield place.topic, place.partition, max(end - state.position, 0)


def tune_garbage_collection() -> None:
    """Keep what start-up built out of every collection; batches of models are short-lived (stack §2.3)."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _whole_batch(messages: Any, original: Any) -> Any:
    """Parse one header-less record for the frame and hang the batch into it.

    FastStream would decode every header as UTF-8 and silently skip the whole batch where one is not.
    """
    first = messages[0]
    bare = (
        type(first)(**{**vars(first), "headers": (), "value": b""}) if hasattr(first, "__dict__") else first
    )
    framed = await original((bare,))
    framed.raw_message = messages
    return framed


async def _as_it_is(message: Any) -> Any:
    return message
