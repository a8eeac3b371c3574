"""What a batch tells operators: metrics, and readiness while a group waits for its infrastructure."""

import structlog

from shared.runtime.health import Health
from shared.runtime.metrics import Metrics

_log = structlog.stdlib.get_logger(__name__)


class Observing:
    """`shared.flow.batch.Observer` on this process's metrics and health, of one lane of a group."""

    def __init__(self, metrics: Metrics, health: Health, lane: int = 0) -> None:
        self._metrics = metrics
        self._health = health
        self._lane = lane
        self._waiting = False

    def applied(self, group: str, *, records: int, replayed: int, seconds: float) -> None:
        """Count a committed batch, with the records it had seen before."""
        self._metrics.handler_seconds.labels(group, "done").observe(seconds)
        self._metrics.batch_records.labels(group).observe(records)
        if replayed:
            self._metrics.republished.labels(group).inc(replayed)

    def dead_lettered(self, group: str, code: str) -> None:
        """Count a record that was bad data."""
        self._metrics.dead_letters.labels(group, code).inc()
        _log.warning("dead letter", group=group, code=code)

    def moved(self, group: str) -> None:
        """Count a record that stood on the wrong partition for its key."""
        self._metrics.moved.labels(group).inc()

    def retrying(self, group: str, error: Exception | None) -> None:
        """Say that the group waits for its infrastructure (None: no longer)."""
        part = f"{group}/{self._lane}"
        if error is None:
            if self._waiting:
                self._waiting = False
                self._health.set_ready(part, True)
            return
        self._waiting = True
        self._metrics.retries.labels(group).inc()
        self._health.set_ready(part, False, str(error))
        _log.warning("batch is tried again", group=group, error=str(error))
