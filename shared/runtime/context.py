"""What surrounds each request: a correlation id in its log lines and answer, and its two metrics."""

import re
import time
from collections.abc import Mapping

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kernel.ids import UlidFactory
from shared.runtime.metrics import Metrics

CORRELATION_HEADER = "x-correlation-id"
_CORRELATION_NAME = CORRELATION_HEADER.encode()
_TRACEPARENT_NAME = b"traceparent"
_CORRELATION = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContext:
    """Pure ASGI middleware: it costs no task per request and passes event streams through unbuffered."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, ulids: UlidFactory) -> None:
        self._app = app
        self._metrics = metrics
        self._ulids = ulids
        # Looking a metric up by its labels costs more than counting: each is looked up once.
        self._seconds = dict[tuple[str, str], Histogram]()
        self._requests = dict[tuple[str, str, int], Counter]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = self._bind(dict(scope["headers"]))
        began = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # No route of ours sets it, so it is only added.
                message["headers"] = [
                    *message.get("headers", ()),
                    (_CORRELATION_NAME, correlation_id.encode()),
                ]
                self._observe(scope, time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            # No status was sent when an error passes here on its way to the outermost handler.
            self._count(scope, status or 500)

    def _bind(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(_CORRELATION_NAME, b"").decode("latin-1")
        correlation_id = given if _CORRELATION.fullmatch(given) else self._ulids.new()
        # A kept-alive connection may hand the next request the context of the last one.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        traceparent = headers.get(_TRACEPARENT_NAME, b"").decode("latin-1")
        if _TRACEPARENT.fullmatch(traceparent):
            structlog.contextvars.bind_contextvars(traceparent=traceparent)
        return correlation_id

    def _observe(self, scope: Scope, seconds: float) -> None:
        key = _method(scope), _route(scope)
        metric = self._seconds.get(key)
        if metric is None:
            metric = self._seconds[key] = self._metrics.http_seconds.labels(*key)
        metric.observe(seconds)

    def _count(self, scope: Scope, status: int) -> None:
        key = _method(scope), _route(scope), status
        metric = self._requests.get(key)
        if metric is None:
            metric = self._requests[key] = self._metrics.http_requests.labels(*map(str, key))
        metric.inc()


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def _route(scope: Scope) -> str:
    """Give the template the router found, which it leaves in the scope."""
    return getattr(scope.get("route"), "path", "unmatched")
