"""A row that ends by an error is a bad row: the others are run, and what came before is kept."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from tests.faults import __main__ as whole
from tests.faults.fault import Fault, Scene
from tests.faults.loops import Orders
from tests.faults.rows import BrokerKilled, DatabaseKilled
from tests.faults.run import result_of, run
from tests.faults.stage import Stage

LOOP = Orders(3)
NAMES = (BrokerKilled.name, DatabaseKilled.name)


class Failing(BrokerKilled):
    def prepare(self, scene: Scene) -> None:
        raise KafkaConnectionError("no broker", scene)


async def test_what_a_client_raises_is_in_the_result() -> None:
    stage: Any = SimpleNamespace(servers=SimpleNamespace(kafka="127.0.0.1:1"), loop=LOOP)
    result = await run(stage, Failing(), rate=1)
    assert not result.good
    assert "KafkaConnectionError" in result.wrong[0]


def test_a_row_without_servers_is_a_bad_row(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def none() -> Iterator[None]:
        raise KafkaConnectionError("no broker")
        yield

    monkeypatch.setattr(whole, "fresh_servers", none)
    result, conditions = whole.one(BrokerKilled(), LOOP)
    assert (result.name, result.good, conditions) == (BrokerKilled.name, False, {})


def test_an_interrupt_leaves_the_rows_before_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def one(fault: Fault, loop: Any) -> tuple[Any, dict[str, Any]]:
        if fault.name == NAMES[1]:
            raise KeyboardInterrupt
        return result_of(fault, loop), {"cores": 2}

    monkeypatch.setattr(whole, "one", one)
    # It would stay silent for the tests that come after.
    monkeypatch.setattr(logging.getLogger("aiokafka"), "setLevel", lambda _: None)
    file, page = tmp_path / "rows.json", tmp_path / "page.md"
    with pytest.raises(KeyboardInterrupt):
        whole.main([*NAMES, "--json", str(file), "--table", str(page)])
    assert [row["name"] for row in json.loads(file.read_text())["rows"]] == [NAMES[0]]
    assert NAMES[0] in page.read_text()


class Replica:
    """A service process that does not stop when it is asked to."""

    instance = "b"

    def __init__(self) -> None:
        self.killed = False

    async def stop(self) -> int:
        raise AssertionError("stops: not within 12 s")

    def kill(self) -> None:
        self.killed = True


async def test_a_replica_that_does_not_stop_is_killed() -> None:
    leaving: Any = Replica()
    nothing: Any = None
    stage = Stage(nothing, LOOP, leaving, nothing, [leaving])
    with pytest.raises(AssertionError, match="not within"):
        await stage.leave()
    assert leaving.killed
