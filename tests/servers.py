"""The servers the tests use: the first that applies (design §8).

1. addresses in the environment: `GRIDLOOP_TEST_KAFKA` and `GRIDLOOP_TEST_MONGO`. Topic and group names are
   fixed, so modules then share one log: run them one after the other, and nothing is killed;
2. a Docker daemon that answers: `apache/kafka` and `mongo:8` as a one-node replica set, each published on
   loopback alone. docs/verification.md says what was run this way;
3. local processes: a throw-away `LocalStack`, which is also what tests kill and restart.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.stack.files import until
from cli.stack.kafka import new_cluster_id
from cli.stack.local import LocalStack
from cli.stack.ports import LOOPBACK, choose_port
from cli.stack.probes import kafka_cluster_id, mongo_commits
from shared.messaging.admin import TopicAdmin, wanted

PARTITIONS = 4
CONTAINER_S = 120


@dataclass(frozen=True)
class Servers:
    """Where Kafka and MongoDB answer; `stack` is there when they are processes of our own."""

    kafka: str
    mongo: str
    stack: LocalStack | None = None

    @property
    def local(self) -> LocalStack:
        """The stack whose servers may be killed; where there is none, the test does not apply."""
        if self.stack is None:
            pytest.skip("only servers of our own are killed")
        return self.stack


@contextmanager
def start() -> Iterator[Servers]:
    """Have servers for the length of the block, with every topic created."""
    with _found() as servers:
        asyncio.run(create_topics(servers.kafka))
        yield servers


async def create_topics(kafka: str, partitions: int = PARTITIONS) -> None:
    """Create the topics that are missing, with few partitions unless told: a test has few keys."""
    async with TopicAdmin(kafka) as admin:
        await admin.apply(wanted(partitions), replication=1)


@contextmanager
def _found() -> Iterator[Servers]:
    kafka, mongo = os.environ.get("GRIDLOOP_TEST_KAFKA"), os.environ.get("GRIDLOOP_TEST_MONGO")
    if kafka and mongo:
        yield Servers(kafka, mongo)
    elif _docker_answers():
        with _containers() as servers:
            yield servers
    elif shutil.which("java"):
        with LocalStack() as stack:
            yield Servers(stack.kafka, stack.mongo, stack)
    else:
        pytest.skip("no server addresses, no Docker daemon and no Java")


def _docker_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return False
    import docker  # type: ignore[import-untyped] # it has no types

    try:
        client = docker.from_env(timeout=3)
        return bool(client.ping())
    except docker.errors.DockerException:
        return False


@contextmanager
def _containers() -> Iterator[Servers]:
    from testcontainers.core.container import DockerContainer

    kafka_port = choose_port(taken=set())
    mongo_port = choose_port(taken={kafka_port})
    kafka, mongo = f"{LOOPBACK}:{kafka_port}", f"mongodb://{LOOPBACK}:{mongo_port}/?directConnection=true"
    broker = DockerContainer("apache/kafka:4.3.0")
    for name, value in _broker_settings(kafka_port).items():
        broker = broker.with_env(name, value)
    # The member must be known by the same address inside and outside, so the port is the same as well.
    database = DockerContainer("mongo:8").with_command(f"--replSet rs0 --bind_ip_all --port {mongo_port}")
    _publish(broker.ports, kafka_port)
    _publish(database.ports, mongo_port)
    with broker, database:
        if not until(lambda: kafka_cluster_id(kafka) is not None, seconds=CONTAINER_S):
            pytest.fail("Kafka's container did not answer")
        if not until(lambda: mongo_commits(mongo, port=mongo_port), seconds=CONTAINER_S):
            pytest.fail("MongoDB's container did not answer")
        yield Servers(kafka, mongo)


def _publish(ports: dict[str, Any], port: int) -> None:
    """Publish on loopback: `with_bind_ports` knows no address, and takes every one this machine has."""
    ports[f"{port}/tcp"] = (LOOPBACK, port)


def _broker_settings(port: int) -> dict[str, str]:
    return {
        "CLUSTER_ID": new_cluster_id(),
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:19093",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:19093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
