"""Topics: created from their cards, compared with them, never silently altered."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, for_code

from shared.contracts.catalog import BY_NAME, TOPICS, dead_letter_topics
from shared.contracts.topics import Topic
from shared.kernel.errors import Transient
from shared.messaging.places import Place
from shared.messaging.security import PLAINTEXT, Security

MAX_RECORD_BYTES = 4_194_304
DEAD_LETTER_RETENTION_MS = 30 * 86_400_000
KNOWN_WITHIN_S = 15.0
CLOCK_TOPIC = "gridloop.clock.v1"
"""Read by nobody: what is appended there is asked its timestamp, which is the broker's time."""
CLOCK_RETENTION_MS = 3_600_000
KNOWN_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Wanted:
    """One topic as its card asks for it."""

    name: str
    partitions: int
    settings: dict[str, str]


def wanted(partitions: int, topics: Sequence[Topic] = TOPICS) -> list[Wanted]:
    """Return every topic there should be, dead letters and the one to ask the time of included."""
    work = [Wanted(topic.name, partitions, _settings(topic)) for topic in topics]
    letters = {"retention.ms": str(DEAD_LETTER_RETENTION_MS), "max.message.bytes": str(MAX_RECORD_BYTES)}
    clock = {"retention.ms": str(CLOCK_RETENTION_MS), "message.timestamp.type": "LogAppendTime"}
    return [
        *work,
        *(Wanted(name, 1, dict(letters)) for name in dead_letter_topics()),
        Wanted(CLOCK_TOPIC, 1, clock),
    ]


def _settings(topic: Topic) -> dict[str, str]:
    return {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": str(int(topic.retention.total_seconds() * 1000)),
        # Rules know one clock, the broker's (design §2); what a person claims is in the body.
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_RECORD_BYTES),
    }


class TopicAdmin:
    """The admin client, for as long as one question or one `apply` takes."""

    def __init__(self, servers: str, security: Security = PLAINTEXT) -> None:
        self._client = AIOKafkaAdminClient(bootstrap_servers=servers, **security.of_clients())

    async def __aenter__(self) -> Self:
        try:
            await self._client.start()
        except KafkaError as error:
            raise Transient("kafka", type(error).__name__) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def partitions(self) -> dict[str, int]:
        """Return how many partitions each existing topic has."""
        described = await self._client.describe_topics()
        return {entry["topic"]: len(entry["partitions"]) for entry in described}

    async def apply(self, topics: Sequence[Wanted], *, replication: int) -> list[str]:
        """Create what is missing and return the names; raises `Transient` if the broker refuses one."""
        existing = await self.partitions()
        missing = [topic for topic in topics if topic.name not in existing]
        if not missing:
            return []
        answer = await self._client.create_topics(
            [
                NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.settings)
                for topic in missing
            ]
        )
        for name, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error.__name__ != "TopicAlreadyExistsError":
                raise Transient("topic-not-created", f"{name}: {error.__name__}")
        await self._known({topic.name for topic in missing})
        return [topic.name for topic in missing]

    async def _known(self, names: set[str]) -> None:
        """Wait until the broker knows what its controller has created: under load a moment later."""
        deadline = time.monotonic() + KNOWN_WITHIN_S
        while unknown := names - (await self.partitions()).keys():
            if time.monotonic() > deadline:
                raise Transient("topics-not-known", ", ".join(sorted(unknown)))
            await asyncio.sleep(KNOWN_LOOK_S)

    async def drift(self, topics: Sequence[Wanted]) -> list[str]:
        """Return one line for each difference between the cards and the broker."""
        existing = await self.partitions()
        lines = [f"{topic.name}: missing" for topic in topics if topic.name not in existing]
        lines += [
            f"{topic.name}: {existing[topic.name]} partitions, wanted {topic.partitions}"
            for topic in topics
            if topic.name in existing and existing[topic.name] != topic.partitions
        ]
        actual = await self.settings_of([topic.name for topic in topics if topic.name in existing])
        lines += [
            f"{topic.name}: {name} is {actual[topic.name].get(name)}, wanted {value}"
            for topic in topics
            if topic.name in actual
            for name, value in sorted(topic.settings.items())
            if actual[topic.name].get(name) != value
        ]
        return lines

    async def undeclared(self) -> list[str]:
        """Return one line for each dead-letter topic of ours that no card asks for, and no group writes."""
        owners = {name.partition(".")[0] for name in BY_NAME}
        ours = [
            name
            for name in await self.partitions()
            if ".dlq." in name and name.partition(".")[0] in owners and name not in dead_letter_topics()
        ]
        return [f"{name}: not declared" for name in sorted(ours)]

    async def replicas(self) -> dict[str, int]:
        """Return the smallest number of replicas that a partition of each topic has."""
        described = await self._client.describe_topics()
        return {
            entry["topic"]: min(len(partition["replicas"]) for partition in entry["partitions"])
            for entry in described
        }

    async def cluster_id(self) -> str:
        """Return the id of the log: another after a wipe."""
        return str((await self._client.describe_cluster())["cluster_id"])

    async def broker_settings(self) -> dict[str, dict[str, str]]:
        """Return the settings of each broker, by its node id."""
        brokers = (await self._client.describe_cluster())["brokers"]
        resources = [ConfigResource(ConfigResourceType.BROKER, str(each["node_id"])) for each in brokers]
        return await self._described(resources)

    async def state_of(self, group: str) -> str:
        """Return a group's state as the broker calls it: `Stable`, `Empty`, `Dead`, or between two."""
        try:
            # One at a time: this client misreads an answer about several.
            (answer,) = await self._client.describe_consumer_groups([group])
        except GroupCoordinatorNotAvailableError:
            return "Dead"  # no group has ever been there
        return str(answer.groups[0][2])

    async def committed(self, group: str) -> dict[Place, int]:
        """Return what a group has committed."""
        try:
            offsets = await self._client.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            return {}
        return {Place(*place): found.offset for place, found in offsets.items() if found.offset >= 0}

    async def settings_of(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the settings in force of topics that are there."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        return await self._described(resources)

    async def _described(self, resources: Sequence[ConfigResource]) -> dict[str, dict[str, str]]:
        settings: dict[str, dict[str, str]] = {}
        for answer in await self._client.describe_configs(resources):
            for _, _, _, name, entries in answer.resources:
                settings[name] = {entry[0]: entry[1] for entry in entries}
        return settings
