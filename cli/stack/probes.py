"""Health as a client sees it: a metadata answer, a committed transaction, a ready service."""

import asyncio
import http.client
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from cli.stack.ports import LOOPBACK
from shared.kernel.errors import Transient

PROBE_SECONDS = 3.0
NOT_YET_INITIALIZED = 94


def kafka_cluster_id(address: str) -> str | None:
    """Get the cluster id out of a metadata answer; None while there is no answer with a broker in it."""
    port = int(address.rpartition(":")[2])
    # The client logs every refused connection: only ask it once something listens.
    if not _listens(port):
        return None
    # A thread of its own: the caller may already be inside an event loop.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _ask_kafka(address)).result()


@contextmanager
def broker_asked() -> Iterator[None]:
    """Raise `Transient` for whatever the client says of the broker during the block."""
    try:
        yield
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error


def mongo_commits(uri: str, *, port: int) -> bool:
    """Whether the server is a writable primary that commits a transaction; initiates a fresh replica set."""
    if not _listens(port):
        return False
    milliseconds = int(PROBE_SECONDS * 1000)
    client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=milliseconds)
    try:
        return _is_primary(client, port) and _commits(client)
    except PyMongoError:
        return False
    finally:
        client.close()


def service_is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


async def _ask_kafka(address: str) -> str | None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=int(PROBE_SECONDS * 1000))
    try:
        await asyncio.wait_for(admin.start(), PROBE_SECONDS)
        answer = await asyncio.wait_for(admin.describe_cluster(), PROBE_SECONDS)
    except (KafkaError, TimeoutError, OSError):
        return None
    finally:
        await admin.close()
    return str(answer["cluster_id"]) if answer["brokers"] else None


def _is_primary(client: MongoClient[dict[str, Any]], port: int) -> bool:
    if client.admin.command("hello").get("isWritablePrimary"):
        return True
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as failure:
        if failure.code == NOT_YET_INITIALIZED:
            members = [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
    return False


def _commits(client: MongoClient[dict[str, Any]]) -> bool:
    with client.start_session() as session, session.start_transaction():
        probes = client["gridloop_stack"]["probes"]
        probes.update_one({"_id": "up"}, {"$inc": {"count": 1}}, upsert=True, session=session)
    return True
