"""What a service and its servers have used so far: CPU by role, memory, writes, records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from pymongo import MongoClient

from cli.stack.local import LocalStack

MEGABYTE: Final = 1_000_000
SERVICE: Final = "service"
ROLES: Final = (SERVICE, "kafka", "mongo")


@dataclass(frozen=True, slots=True)
class Traces:
    """Where a service leaves what is counted: its database and its topics."""

    database: str
    collections: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads one service's traces and the clocks of its processes."""

    stack: LocalStack
    services: Sequence[psutil.Process]
    traces: Traces
    partitions: int

    def cpu(self) -> dict[str, float]:
        """Return CPU seconds by role, children included, those that have exited too."""
        pids = self.stack.state.pids
        used = {role: tree_cpu(psutil.Process(pids[role])) for role in ROLES[1:]}
        return {SERVICE: sum(map(tree_cpu, self.services)), **used}

    def rss(self) -> int:
        """Return the resident memory of the service's own processes."""
        trees = ([service, *service.children(recursive=True)] for service in self.services)
        return sum(process.memory_info().rss for tree in trees for process in tree)

    def writes(self) -> int:
        """Return the document writes so far: each raises the `v` of one document by one."""
        with MongoClient[dict[str, Any]](self.stack.mongo) as client:
            database = client[self.traces.database]
            return sum(
                document.get("v", 0)
                for name in self.traces.collections
                for document in database[name].find({}, {"v": 1})
            )

    async def messages(self) -> int:
        """Return how many records the topics have ever been given."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka)
        await consumer.start()
        try:
            places = [
                TopicPartition(topic, number)
                for topic in self.traces.topics
                for number in range(self.partitions)
            ]
            return sum((await consumer.end_offsets(places)).values())
        finally:
            await consumer.stop()


def tree_cpu(root: psutil.Process) -> float:
    """Return the CPU seconds of a process and all its descendants; a parent keeps its dead children's."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total
