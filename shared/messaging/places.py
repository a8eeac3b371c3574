"""Where a group stands in its topics, as the broker tells it: asked once at start."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.kernel.errors import Transient
from shared.messaging.security import PLAINTEXT, Security


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Places:
    """The log's id, each topic's partitions, and per partition (earliest, end) and what was committed."""

    log_id: str
    partitions: Mapping[str, int]
    ranges: Mapping[Place, tuple[int, int]]
    committed: Mapping[Place, int]


async def read_places(
    servers: str, group: str, partitions: Mapping[str, int], security: Security = PLAINTEXT
) -> Places:
    """Ask the broker where a group stands in its topics (name → partitions); raises `Transient`."""
    client = AIOKafkaConsumer(
        bootstrap_servers=servers, group_id=group, enable_auto_commit=False, **security.of_clients()
    )
    try:
        await client.start()
        places = [
            TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)
        ]
        earliest = await client.beginning_offsets(places)
        end = await client.end_offsets(places)
        committed = {place: await client.committed(place) for place in places}
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error
    finally:
        await client.stop()
    return Places(
        await _cluster_id(servers, security),
        dict(partitions),
        {Place(*place): (earliest[place], end[place]) for place in places},
        {Place(*place): offset for place, offset in committed.items() if offset is not None},
    )


async def _cluster_id(servers: str, security: Security) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, **security.of_clients())
    try:
        await admin.start()
        described = await admin.describe_cluster()
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error
    finally:
        await admin.close()
    return str(described["cluster_id"])
