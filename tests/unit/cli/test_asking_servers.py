"""Commands that ask servers: of which system, for how long, and what is said and returned of no answer."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, NotControllerError

from cli import dlq, target, topics
from cli.__main__ import main
from cli.doctor.findings import Level, checked
from cli.errors import UserError
from cli.stack.plan import StackState
from cli.stack.processes import ProcessId
from cli.target import asked
from cli.verify import log as verify_log
from cli.waiting import within
from shared.contracts import dispatch
from shared.kernel.errors import Transient
from shared.messaging.security import PLAINTEXT

STACK = StackState(
    supervisor=ProcessId(1, "x"), revision=1, cluster_id="id", kafka="127.0.0.1:20001",
    mongo="mongodb://127.0.0.1:20002", run_dir=Path("/nowhere"), children={},
)  # fmt: skip


async def never(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


def failing(error: Exception) -> Callable[..., Any]:
    async def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


class Admin:
    """A broker's admin client; `refusals` are what it says first, one at each try."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.servers: list[str] = []

    def __call__(self, servers: str, _: object) -> Self:
        self.servers.append(servers)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def apply(self, *_: object, **__: object) -> list[str]:
        if self.refusals:
            raise self.refusals.pop(0)
        return ["dispatch.acks.v1"]

    async def drift(self, _: object) -> list[str]:
        return []


def applied(monkeypatch: pytest.MonkeyPatch, admin: Admin, stack: StackState | None = None) -> None:
    monkeypatch.setattr(topics, "TopicAdmin", admin)
    monkeypatch.setattr(topics, "AGAIN_AFTER_S", 0)
    monkeypatch.setattr(target, "status", lambda: stack)
    topics.apply(wait=0.2)


def test_topics_are_created_in_the_stack_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDLOOP_KAFKA", raising=False)
    admin = Admin()
    applied(monkeypatch, admin, STACK)
    assert admin.servers == [STACK.kafka]


def test_topics_are_created_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDLOOP_KAFKA", "kafka:9092")
    admin = Admin()
    applied(monkeypatch, admin, STACK)
    assert admin.servers == ["kafka:9092"]


def test_a_broker_that_starts_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = Admin(Transient("kafka", "away"), NotControllerError())
    applied(monkeypatch, admin)
    assert len(admin.servers) == 3


def test_a_broker_that_does_not_take_the_topics_is_told_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserError, match=r"has not taken the topics within 0\.2 s: kafka: NotControllerError"):
        applied(monkeypatch, Admin(*[NotControllerError() for _ in range(100_000)]))


@pytest.mark.parametrize("error", [Transient("kafka", "away"), KafkaConnectionError()])
def test_no_answer_is_a_sentence_whatever_the_client_calls_it(error: Exception) -> None:
    with pytest.raises(UserError, match=r"^no answer: kafka: "):
        asked(failing(error)())


async def test_a_broker_that_fails_in_a_check_is_what_the_check_has_found() -> None:
    (finding,) = await checked("broker", failing(KafkaConnectionError()))
    assert (finding.level, finding.code) == (Level.FAIL, "broker")


async def test_a_time_that_is_over_is_a_sentence_and_anothers_is_its_own() -> None:
    with pytest.raises(UserError, match=r"^nobody came within 0 s\.$"):
        async with within(0, "nobody came"):
            await never()
    with pytest.raises(TimeoutError):
        async with within(5, "nobody came"):
            raise TimeoutError


async def test_dead_letters_that_do_not_come_are_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Any]:
        yield SimpleNamespace(read=never)

    monkeypatch.setattr(dlq, "opened", opened)
    monkeypatch.setattr(dlq, "READ_WITHIN_S", 0.01)
    monkeypatch.setattr(target, "status", lambda: None)
    for reading in (
        dlq._read(""),
        dlq._show("dispatch.acks.v1/0/1", whole=False),
        dlq._replay(set(), "", "", again=False),
    ):
        with pytest.raises(UserError, match="dead letters could not be read"):
            await asyncio.wait_for(reading, 5)


class Consumer:
    """A consumer of one partition with two records, of which it gives what it is made with."""

    def __init__(self, batches: Sequence[int]) -> None:
        self._batches = list(batches)
        self._position = 0
        self.stopped = False

    def __call__(self, **_: object) -> Self:
        return self

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        self.stopped = True

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self._places = places

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 2)

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def seek_to_beginning(self, *_: TopicPartition) -> None:
        return None

    async def position(self, _: TopicPartition) -> int:
        return self._position

    async def getmany(self, **_: object) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0)
        if not self._batches:
            return {}
        first, self._position = self._position, self._position + self._batches.pop(0)
        return {self._places[0]: [SimpleNamespace(offset=n) for n in range(first, self._position)]}


async def one_partition(*_: object) -> list[TopicPartition]:
    return [TopicPartition(dispatch.ACKS_TOPIC.name, 0)]


async def test_a_log_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_log, "AIOKafkaConsumer", Consumer([1, 1]))
    monkeypatch.setattr(verify_log, "_places", one_partition)
    log = await verify_log.read_log("nowhere", PLAINTEXT, [dispatch.ACKS_TOPIC])
    assert len(log.records[dispatch.ACKS_TOPIC.name]) == 2


async def test_a_log_whose_records_do_not_come_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify_log, "AIOKafkaConsumer", Consumer([1]))
    monkeypatch.setattr(verify_log, "_places", one_partition)
    monkeypatch.setattr(verify_log, "SILENT_S", 0.05)
    with pytest.raises(Transient, match="no record came"):
        await asyncio.wait_for(verify_log.read_log("nowhere", PLAINTEXT, [dispatch.ACKS_TOPIC]), 5)


async def test_a_reader_is_closed_where_the_topics_could_not_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = Consumer([])
    monkeypatch.setattr(verify_log, "AIOKafkaConsumer", consumer)
    monkeypatch.setattr(verify_log, "_places", failing(KafkaConnectionError()))
    with pytest.raises(Transient):
        await verify_log.read_log("nowhere", PLAINTEXT, [dispatch.ACKS_TOPIC])
    assert consumer.stopped


def test_no_answer_has_another_status_than_a_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("verify", "rebuild"):
        monkeypatch.setattr(sys, "argv", ["gridloop", command, "no-such-service"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("gridloop: there is no service")
