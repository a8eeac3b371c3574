"""The two arms: each starts a fresh process for every run, so that neither is measured warmed up."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import psutil

from bench.dispatch import raw
from bench.dispatch.outsider import Topics
from bench.dispatch.world import CITY, ISSUER, World
from bench.meter import Traces
from bench.tested import SETTLE_S, Tested
from cli.stack.local import LocalStack
from cli.stack.processes import die_with_parent
from services.dispatch.store import INDEXES
from shared.contracts import dispatch
from shared.contracts.envelope import Message

OURS: Final = "gridloop"
GRACE_S: Final = 10


class Arm(Protocol):
    """What is measured, and where its traces are counted."""

    name: str
    topics: Topics
    traces: Traces
    closes: bool
    settle_s: float

    def start(self) -> Sequence[psutil.Process]:
        """Start afresh and return the processes once they take work."""

    def stop(self) -> None:
        """End it."""

    def order(self, world: World, directive: str) -> Message:
        """Return the record that sets an order going."""


class DispatchArm:
    """The real service, in one process or in several replicas."""

    topics = Topics(
        answers=dispatch.ACKS_TOPIC.name,
        deliveries=dispatch.DELIVERIES_TOPIC.name,
        progress=dispatch.PROGRESS_TOPIC.name,
    )
    traces = Traces("gridloop_dispatch", tuple(INDEXES), tuple(topic.name for topic in dispatch.TOPICS))
    closes = True

    def __init__(self, stack: LocalStack, settle_s: float = SETTLE_S, replicas: int = 1) -> None:
        self.name = OURS if replicas == 1 else f"{replicas} replicas"
        self.settle_s = settle_s
        others = [f"dispatch-{number}" for number in range(2, replicas + 1)]
        self._replicas = [Tested(stack, name) for name in ("dispatch", *others)]

    def start(self) -> Sequence[psutil.Process]:
        """Start or resume each replica and wait for its /readyz."""
        return [replica.start() for replica in self._replicas]

    def stop(self) -> None:
        """Stop the service as an operator would."""
        for replica in self._replicas:
            replica.stop()

    def order(self, world: World, directive: str) -> Message:
        """Return the city's command."""
        return world.order(directive)


@dataclass
class RawArm:
    """`bench.dispatch.raw` as a child of this process."""

    kafka: str
    mongo: str
    partitions: int
    name = "raw"
    topics = Topics(answers=raw.ACKS, deliveries=raw.DELIVERIES, progress=raw.PROGRESS)
    traces = Traces(raw.DATABASE, raw.COLLECTIONS, raw.TOPICS)
    closes = False
    settle_s = 0.0
    _child: subprocess.Popen[str] | None = None

    def start(self) -> Sequence[psutil.Process]:
        """Start the loop and wait for its word."""
        command = [sys.executable, "-m", "bench.dispatch.raw", self.kafka, self.mongo, str(self.partitions)]
        self._child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - spawned from the main thread, which is alone here
        )
        line = self._child.stdout.readline() if self._child.stdout else ""
        if line.strip() != raw.READY:
            self.stop()
            raise RuntimeError("the raw loop did not start")
        return [psutil.Process(self._child.pid)]

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
            self._child.communicate()
            self._child = None

    def order(self, world: World, directive: str) -> Message:
        """Return the relay that reaches the city's desk."""
        del world
        relay = {"directive": directive, "to": CITY, "sender": None, "issuer": ISSUER}
        relay["text"] = "Check every household and report."
        return Message(raw.DESKS, CITY.encode(), json.dumps(relay).encode())
