"""What an operator asks of a running broker: where every group stands, and what time it is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kernel.clock import Clock, from_ms
from shared.kernel.errors import Transient
from shared.messaging.admin import CLOCK_TOPIC, TopicAdmin
from shared.messaging.places import Place, Places
from shared.messaging.security import PLAINTEXT, Security


@dataclass(frozen=True, slots=True)
class Time:
    """An instant as somebody else told it, asked and answered between two of our own."""

    asked: datetime
    told: datetime
    answered: datetime

    @property
    def ahead_s(self) -> float:
        """Seconds by which the other clock is certainly ahead; below nought: behind; nought: it may be right.

        However slow the answer was, an instant between the two of ours proves no difference.
        """
        if self.told > self.answered:
            return (self.told - self.answered).total_seconds()
        return min((self.told - self.asked).total_seconds(), 0.0)


async def broker_time(servers: str, clock: Clock, security: Security = PLAINTEXT) -> Time:
    """Return the broker's time: that of a record appended now. Raises `Transient`."""
    client = AIOKafkaProducer(bootstrap_servers=servers, acks="all", **security.of_clients())
    try:
        await client.start()
        # The first append also finds out where the topic is; the second is the one that is timed.
        await client.send_and_wait(CLOCK_TOPIC, b"?")
        asked = clock.now()
        told = await client.send_and_wait(CLOCK_TOPIC, b"?")
        return Time(asked, from_ms(told.timestamp), clock.now())
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error
    finally:
        await client.stop()


async def places_of(
    servers: str, groups: Mapping[str, Sequence[str]], security: Security = PLAINTEXT
) -> dict[str, Places]:
    """Return where each group (name → topics) stands; topics that are missing are left out."""
    async with TopicAdmin(servers, security) as admin:
        counts = await admin.partitions()
        log_id = await admin.cluster_id()
        committed = {group: await admin.committed(group) for group in groups}
    read = {topic for topics in groups.values() for topic in topics if topic in counts}
    ranges = await _ranges(servers, {topic: counts[topic] for topic in read}, security)
    return {
        group: Places(
            log_id,
            {topic: counts[topic] for topic in topics if topic in counts},
            {place: ends for place, ends in ranges.items() if place.topic in topics},
            {place: offset for place, offset in committed[group].items() if place.topic in topics},
        )
        for group, topics in groups.items()
    }


async def _ranges(
    servers: str, partitions: Mapping[str, int], security: Security
) -> dict[Place, tuple[int, int]]:
    client = AIOKafkaConsumer(bootstrap_servers=servers, group_id=None, **security.of_clients())
    places = [TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)]
    try:
        await client.start()
        if not places:
            return {}
        # Assigned first: the client would look for topics it has not been given one by one.
        client.assign(places)
        first, ends = await client.beginning_offsets(places), await client.end_offsets(places)
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error
    finally:
        await client.stop()
    return {Place(*place): (first[place], ends[place]) for place in places}


def behind(places: Places) -> dict[Place, int]:
    """Return how many records of each partition a group has not committed, where there are any."""
    lags = {
        place: end - max(places.committed.get(place, first), first)
        for place, (first, end) in places.ranges.items()
    }
    return {place: lag for place, lag in lags.items() if lag > 0}
