"""Logs: one JSON line per event on stderr (readable text on a terminal), stdlib loggers included.

Three promises: a line carries the ids of the message or request it belongs to; personal fields and the
values of validation errors never reach it; a client that floods is cut to a few lines and a count.
"""

import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TextIO

import structlog
from pydantic import ValidationError

# Sealed fields have these names in the contracts; `name` of a person, never of a thing.
PERSONAL_KEYS = frozenset({"name", "phone", "address", "document"})
# The clients that repeat themselves while a server is away (a lost broker: 110 lines a second).
NOISY_LOGGERS = ("aiokafka", "faststream", "pymongo", "motor")
FLOOD_LINES = 20
FLOOD_WINDOW_S = 10.0

Processor = Callable[
    [Any, str, MutableMapping[str, Any]], Mapping[str, Any] | str | bytes | bytearray | tuple[Any, ...]
]


@dataclass(slots=True)
class _Window:
    began: float
    lines: int = 0
    suppressed: int = 0


class FloodFilter(logging.Filter):
    """Lets `limit` lines per window pass from each noisy client; the next window tells how many did not."""

    def __init__(
        self,
        clients: tuple[str, ...] = NOISY_LOGGERS,
        *,
        limit: int = FLOOD_LINES,
        window: float = FLOOD_WINDOW_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._limit = limit
        self._window = window
        self._monotonic = monotonic
        self._windows = {client: _Window(monotonic()) for client in clients}

    def filter(self, record: logging.LogRecord) -> bool:
        window = self._windows.get(record.name.partition(".")[0])
        if window is None:
            return True
        now = self._monotonic()
        if now - window.began >= self._window:
            record.suppressed = window.suppressed
            window.began, window.lines, window.suppressed = now, 0, 0
        window.lines += 1
        if window.lines <= self._limit:
            return True
        window.suppressed += 1
        return False


def configure_logging(*, service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Route structlog and the standard library to one handler; called once, by the process."""
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service(service),
        _exception_without_values,
        drop_personal,
    ]
    handler = logging.StreamHandler(out)
    handler.addFilter(FloodFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_suppressed, structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(out)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for client in NOISY_LOGGERS:
        # At DEBUG a driver tells whole documents and filters, whatever may be in them.
        logging.getLogger(client).setLevel(max(logging.getLevelName(level), logging.INFO))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A logger made before this call must not keep its old chain.
        cache_logger_on_first_use=False,
    )


def correlated(
    *, ce_id: str | None = None, correlation_id: str | None = None, traceparent: str | None = None
) -> AbstractContextManager[None]:
    """Put the ids of a message into every line logged inside the block."""
    ids = {"ce_id": ce_id, "correlation_id": correlation_id, "traceparent": traceparent}
    return structlog.contextvars.bound_contextvars(**{key: value for key, value in ids.items() if value})


def drop_personal(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop personal keys at any depth; a value is never judged, only the name it stands under."""
    cleaned: MutableMapping[str, Any] = _cleaned(event)
    return cleaned


def _cleaned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _cleaned(inner) for key, inner in value.items() if key not in PERSONAL_KEYS}
    if isinstance(value, (list, tuple)):
        return [_cleaned(inner) for inner in value]
    return value


def _exception_without_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else sys.exception() if info is True else info
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_told(error))
    return event


def _told(error: BaseException, above: frozenset[int] = frozenset()) -> list[str]:
    """Tell an error and what led to it, the cause first; pydantic's text would repeat what was sent."""
    # An error may be its own cause (`raise error from error`).
    above |= {id(error)}
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told = _told(earlier, above) if earlier is not None and id(earlier) not in above else []
    if isinstance(error, ValidationError):
        text = ", ".join(f"{_where(fault['loc'])}: {fault['type']}" for fault in error.errors())
    else:
        text = str(error)
    told.append("".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__qualname__}: {text}")
    for inner in getattr(error, "exceptions", ()):
        told += _told(inner, above)
    return told


def _where(steps: tuple[int | str, ...]) -> str:
    return ".".join(map(str, steps))


def _suppressed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    missed = getattr(event.get("_record"), "suppressed", 0)
    if missed:
        event["suppressed"] = missed
    return event


def _service(name: str) -> Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = name
        return event

    return add


def _renderer(out: TextIO) -> Processor:
    if out.isatty():
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
