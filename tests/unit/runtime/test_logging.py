"""Logs: one JSON line per event, with ids, without persons, without floods."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from shared.runtime.logging import FloodFilter, configure_logging, correlated


class Log:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.lines()[-1]


@pytest.fixture
def log() -> Iterator[Log]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    log = Log()
    configure_logging(service="dispatch", stream=log.stream)
    yield log
    root.handlers, root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Contact(BaseModel):
    phone: int


def fail(error: Exception) -> None:
    raise error


def test_a_line_is_json_with_its_origin(log: Log) -> None:
    structlog.stdlib.get_logger("services.dispatch").info("sheet saved", desk="610802006003", 社区="学院")
    line = log.last()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "sheet saved",
        "level": "info",
        "logger": "services.dispatch",
        "service": "dispatch",
        "desk": "610802006003",
        "社区": "学院",
    }


def test_the_standard_library_takes_the_same_way(log: Log) -> None:
    logging.getLogger("uvicorn.error").warning("port %d is taken", 8000)
    assert log.last()["event"] == "port 8000 is taken"
    assert log.last()["level"] == "warning"


def test_lower_levels_stay_out(log: Log) -> None:
    structlog.stdlib.get_logger("a").debug("detail")
    logging.getLogger("a").debug("detail")
    assert log.lines() == []


@pytest.mark.req("T-07")
@pytest.mark.usefixtures("log")
def test_a_driver_never_tells_the_documents_it_carries() -> None:
    stream = io.StringIO()
    driver = logging.getLogger("pymongo.command")
    configure_logging(service="dispatch", level="ERROR", stream=stream)
    driver.warning("quiet")
    configure_logging(service="dispatch", level="DEBUG", stream=stream)
    driver.debug("a document")
    driver.info("a connection")
    logging.getLogger("services.dispatch").debug("a rule")
    told = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert told == ["a connection", "a rule"]


def test_lines_inside_a_message_carry_its_ids(log: Log) -> None:
    with correlated(ce_id="01ARZ", correlation_id="c-1"):
        logging.getLogger("aiokafka").info("fetched")
    logging.getLogger("aiokafka").info("idle")
    inside, outside = log.lines()
    assert (inside["ce_id"], inside["correlation_id"]) == ("01ARZ", "c-1")
    assert "traceparent" not in inside
    assert "ce_id" not in outside


@pytest.mark.req("T-07")
def test_personal_keys_are_dropped_at_any_depth(log: Log) -> None:
    person = {"name": "张三", "phone": "139", "handle": "p-1"}
    structlog.stdlib.get_logger("a").info("lead", address="崇文路", document="61", rows=[{"person": person}])
    assert log.last()["rows"] == [{"person": {"handle": "p-1"}}]
    assert not {"address", "document"} & log.last().keys()
    assert "张三" not in log.stream.getvalue()


@pytest.mark.req("T-07")
@pytest.mark.parametrize(
    "logger", [structlog.stdlib.get_logger("a"), logging.getLogger("a")], ids=["own", "std"]
)
def test_an_exception_is_told_without_the_input(log: Log, logger: Any) -> None:
    # Not a literal in the call: a traceback quotes the line that raised.
    sent = {"phone": "139-secret"}
    try:
        try:
            Contact.model_validate(sent)
        except ValueError as error:
            message = "record refused"
            raise RuntimeError(message) from error
    except RuntimeError:
        logger.exception("failed")
    told = log.last()["exception"]
    assert "phone: int_parsing" in told
    assert "RuntimeError: record refused" in told
    assert "test_logging.py" in told
    assert "139-secret" not in log.stream.getvalue()


def test_an_error_that_is_its_own_cause_is_told_once(log: Log) -> None:
    error = KeyError("round")
    try:
        raise error from error
    except KeyError:
        structlog.stdlib.get_logger("a").exception("failed")
    assert log.last()["exception"].count("KeyError: 'round'") == 1


def test_each_error_of_a_group_is_told(log: Log) -> None:
    try:
        fail(ExceptionGroup("two", [KeyError("one"), OSError("other")]))
    except ExceptionGroup:
        structlog.stdlib.get_logger("a").exception("failed")
    assert "KeyError: 'one'" in log.last()["exception"]
    assert "OSError: other" in log.last()["exception"]


def test_a_flood_is_cut_and_counted() -> None:
    now = 0.0
    flood = FloodFilter(limit=3, window=10, monotonic=lambda: now)

    def passes(name: str) -> logging.LogRecord | None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, "broker away", (), None)
        return record if flood.filter(record) else None

    passed = [passes("aiokafka.cluster") or passes("aiokafka.producer") for _ in range(55)]
    assert sum(record is not None for record in passed) == 3
    assert passes("services.dispatch") is not None
    assert passes("pymongo.topology") is not None
    now = 10.0
    first = passes("aiokafka.cluster")
    assert first is not None
    assert first.__dict__["suppressed"] == 2 * 55 - 3 - 3
    second = passes("aiokafka.cluster")
    assert second is not None
    assert "suppressed" not in second.__dict__


def test_the_count_of_suppressed_lines_is_written(log: Log) -> None:
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "broker away", (), None)
    record.suppressed = 1090
    logging.getLogger("aiokafka").handle(record)
    assert log.last()["suppressed"] == 1090
