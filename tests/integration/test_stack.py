"""The local stack for real: Kafka and MongoDB as processes, killed and watched."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import MongoClient

from cli.errors import UserError
from cli.stack import detached
from cli.stack.assembly import add_services
from cli.stack.files import until
from cli.stack.local import LocalStack
from cli.stack.paths import ROOT, RunDir
from cli.stack.plan import running_state
from cli.stack.probes import kafka_cluster_id
from cli.stack.services import Program

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="the local stack needs Java")

STAND_IN = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({k: v for k, v in os.environ.items() if "GRIDLOOP" in k}).encode())
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["GRIDLOOP_HTTP_PORT"])), Handler).serve_forever()
"""
SECONDS = 20
SERVERS = {"kafka", "mongo"}


def stand_in(name: str = "stand-in") -> Program:
    return Program(name=name, argv=[sys.executable, "-c", STAND_IN])


def processes_of(run_dir: Path) -> list[psutil.Process]:
    """Every process that names the run directory in its command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and str(run_dir) in " ".join(process.info["cmdline"] or [])
    ]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack() as stack:
        yield stack
    assert not stack.run_dir.exists()
    assert not processes_of(stack.run_dir)


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    run_dir = tmp_path / "run"
    yield run_dir
    detached.down(run_dir)
    assert until(lambda: not processes_of(run_dir), seconds=SECONDS)


async def _create_topic(kafka: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, 1, 1)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def _produce(kafka: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _first_value(kafka: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        record = await consumer.getone()
        value: bytes | None = record.value
        return value
    finally:
        await consumer.stop()


async def test_a_killed_broker_comes_back_with_its_records(stack: LocalStack) -> None:
    address = stack.kafka
    await _create_topic(address, "kept")
    await _produce(address, "kept", b"order")
    before = stack.kill("kafka")
    after = stack.wait_healthy("kafka")
    assert after.pid != before.pid
    assert (after.restarts, after.port, stack.kafka) == (before.restarts + 1, before.port, address)
    assert kafka_cluster_id(address) == stack.state.cluster_id
    assert await _first_value(address, "kept") == b"order"


async def test_topics_are_never_created_by_mention(stack: LocalStack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        described = await admin.describe_topics(["mistyped"])
        assert described[0]["error_code"] == 3  # unknown topic
        assert "mistyped" not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_killed_database_keeps_what_it_committed(stack: LocalStack) -> None:
    with (
        MongoClient[dict[str, Any]](stack.mongo) as client,
        client.start_session() as session,
        session.start_transaction(),
    ):
        client.trial.things.insert_one({"_id": "kept"}, session=session)
    before = stack.kill("mongo")
    after = stack.wait_healthy("mongo")
    assert after.pid != before.pid
    assert after.port == before.port
    with MongoClient[dict[str, Any]](stack.mongo) as client:
        assert client.trial.things.find_one({"_id": "kept"}) is not None


def test_servers_listen_on_loopback_only(stack: LocalStack) -> None:
    for name in SERVERS:
        connections = psutil.Process(stack.state.children[name].pid).net_connections(kind="tcp")
        listening = {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_a_service_is_supervised_like_a_server(stack: LocalStack) -> None:
    stack.start(stand_in())
    first = stack.state.services["stand-in"]
    with urllib.request.urlopen(f"http://127.0.0.1:{first.port}/readyz") as answer:
        environment = json.load(answer)
    assert environment["GRIDLOOP_KAFKA"] == stack.kafka
    assert environment["GRIDLOOP_MONGO"] == stack.mongo

    stack.kill("stand-in")
    second = stack.wait_healthy("stand-in")
    third = stack.restart("stand-in")
    assert len({first.pid, second.pid, third.pid}) == 3
    assert {first.port, second.port, third.port} == {first.port}

    stack.stop("stand-in")
    assert stack.state.services["stand-in"].pid is None
    assert stack.resume("stand-in").port == first.port
    assert not psutil.pid_exists(second.pid or 0)


def test_a_service_that_cannot_start_is_told_with_its_log(stack: LocalStack) -> None:
    hopeless = Program(name="hopeless", argv=[sys.executable, "-c", "raise SystemExit('no such desk')"])
    with pytest.raises(UserError, match="no such desk"):
        stack.start(hopeless)
    assert "hopeless" not in stack.state.children
    assert {name for name, child in stack.state.children.items() if child.is_server} == SERVERS


def test_services_start_only_after_what_they_need_was_prepared(stack: LocalStack) -> None:
    run = RunDir(stack.run_dir)
    fails = [sys.executable, "-c", "raise SystemExit('topics drifted')"]
    with pytest.raises(UserError, match="topics drifted"):
        add_services(run, [stand_in("later")], prepare=fails)
    assert "later" not in stack.state.services

    marker = stack.run_dir / "prepared"
    note = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['GRIDLOOP_KAFKA'])"
    add_services(run, [stand_in("later")], prepare=[sys.executable, "-c", note, str(marker)])
    assert marker.read_text() == stack.kafka
    assert stack.state.services["later"].pid


def test_two_callers_at_once_share_one_stack(run_dir: Path) -> None:
    environment = {**os.environ, "GRIDLOOP_RUN_DIR": str(run_dir)}
    command = [sys.executable, "-m", "cli", "up"]
    callers = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [caller.wait(timeout=60) for caller in callers] == [0, 0]
    assert len(processes_of(run_dir)) == 3


def test_the_detached_stack_is_reused_and_recovers_from_a_crash(run_dir: Path) -> None:
    first = detached.up(run_dir, services=[stand_in("a")], prepare=None)
    again = detached.up(run_dir, services=[stand_in("a")], prepare=None)
    assert again.pids == first.pids

    os.kill(first.supervisor.pid, signal.SIGKILL)
    if sys.platform == "linux":
        assert until(lambda: not processes_of(run_dir), seconds=SECONDS)
    assert detached.status(run_dir) is None
    assert RunDir(run_dir).state.exists()

    second = detached.up(run_dir)
    assert second.cluster_id == first.cluster_id
    assert (second.kafka, second.mongo) == (first.kafka, first.mongo)
    assert second.supervisor != first.supervisor
    assert detached.down(run_dir)
    assert not detached.down(run_dir)
    assert RunDir(run_dir).log("kafka").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_up_leaves_nothing(run_dir: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "GRIDLOOP_RUN_DIR": str(run_dir)}
    command = [sys.executable, "-m", "cli", "up"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as up:
        assert until(lambda: running_state(RunDir(run_dir)) is not None, seconds=SECONDS)
        assert len(processes_of(run_dir)) >= 1
        up.send_signal(number)
        assert up.wait(timeout=SECONDS) != 0
    assert until(lambda: not processes_of(run_dir), seconds=SECONDS)
    assert running_state(RunDir(run_dir)) is None


def test_without_java_up_says_what_to_install(run_dir: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "JAVA_HOME"}
    environment |= {"GRIDLOOP_RUN_DIR": str(run_dir), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "up"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == UserError.status
    assert done.stderr.count("\n") == 1
    assert "openjdk-17-jre-headless" in done.stderr
