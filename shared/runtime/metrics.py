"""Every metric of every service, in one closed list: what is not here is not measured.

Labels are closed sets too (handlers, topics, routes as templates): never a code, an id or a person.
"""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

# From a single document to the five seconds a batch may take.
_HANDLER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Up to the largest poll of a merging consumer.
_BATCH_BUCKETS = (1, 5, 20, 50, 100, 200, 500, 1000, 2000)
# The gate's promise is 50 ms on the server's side.
_HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric of the list; `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class Metrics:
    """The metrics of one process, on the registry given to it (there is no global one)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        # How long one batch takes from poll to commit. result: done | failed.
        self.handler_seconds = Histogram(
            "gridloop_handler_seconds",
            "Time of one batch, load to commit.",
            ["handler", "result"],
            buckets=_HANDLER_BUCKETS,
            registry=registry,
        )
        # Bigger batches mean fewer writes per record: the figure that shows grouping works.
        self.batch_records = Histogram(
            "gridloop_batch_records",
            "Records in one batch.",
            ["handler"],
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        # Scaling acts on this one: end offset minus position, per partition this process holds.
        self.lag = Gauge(
            "gridloop_lag_records", "Records not yet taken.", ["topic", "partition"], registry=registry
        )
        # Anything above zero wants a person to look.
        self.dead_letters = Counter(
            "gridloop_dead_letters", "Records set aside as bad data.", ["group", "reason"], registry=registry
        )
        # Outputs sent again from stored state, after a redelivery or a takeover.
        self.republished = Counter(
            "gridloop_republished", "Records whose outputs were sent again.", ["group"], registry=registry
        )
        # Infrastructure failures retried in place; readiness is false meanwhile.
        self.retries = Counter(
            "gridloop_retries", "Attempts repeated after a failure.", ["group"], registry=registry
        )
        # Records that stood on the wrong partition for their key and were appended where they belong.
        self.moved = Counter(
            "gridloop_moved", "Records moved to their partition.", ["group"], registry=registry
        )
        # What the gates answered; a rise of "stale" or "pass-invalid" wants a look.
        self.decisions = Counter(
            "gridloop_gate_decisions", "Decisions at gates.", ["verdict", "code"], registry=registry
        )
        # Crossings that are answered and safe, and not in Kafka yet.
        self.spooled = Gauge("gridloop_gate_spooled_crossings", "Crossings in the spool.", registry=registry)
        # How long ago the gates' own data was last known to be the newest; -1: never.
        self.data_age = Gauge("gridloop_gate_data_age_seconds", "Age of the gates' data.", registry=registry)
        # Each holds a connection; near its limit, callers are sent to the plain reads.
        self.streams = Gauge("gridloop_event_streams", "Open event streams.", registry=registry)
        # route is the template (/directives/{id}) or "unmatched", so strangers cannot make labels.
        self.http_requests = Counter(
            "gridloop_http_requests", "HTTP requests.", ["method", "route", "status"], registry=registry
        )
        self.http_seconds = Histogram(
            "gridloop_http_seconds",
            "Time until the first byte of an answer.",
            ["method", "route"],
            buckets=_HTTP_BUCKETS,
            registry=registry,
        )

    def declared(self) -> list[Declared]:
        """Return the list, in its order, for what is made of it: the dashboard of deploy/grafana."""
        return [
            Declared(each._name, each._type, each._labelnames, each._documentation)  # noqa: SLF001 - a family that has not counted yet tells its labels nowhere else
            for each in vars(self).values()
            if isinstance(each, Counter | Gauge | Histogram)
        ]

    def render(self) -> bytes:
        """Give the body of /metrics, of type CONTENT_TYPE."""
        return generate_latest(self.registry)
