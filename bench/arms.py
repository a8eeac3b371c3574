"""The two arms: each starts a fresh process for every run, so that neither is measured warmed up."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Final, Protocol

import psutil

from bench import raw
from bench.outsider import Topics
from bench.world import CITY, ISSUER, World
from cli.stack.local import LocalStack
from cli.stack.services import Program
from services.dispatch.store import INDEXES
from shared.contracts import dispatch
from shared.contracts.envelope import Message
from shared.messaging.consumer import SESSION_S

DISPATCH: Final = "dispatch"
GRACE_S: Final = 10


class Arm(Protocol):
    """What is measured, and where its traces are counted."""

    name: str
    topics: Topics
    all_topics: tuple[str, ...]
    database: str
    collections: tuple[str, ...]
    closes: bool
    settle_s: float

    def start(self) -> psutil.Process:
        """Start afresh and return the process once it takes work."""

    def stop(self) -> None:
        """End it."""

    def order(self, world: World, directive: str) -> Message:
        """Return the record that sets an order going."""


class DispatchArm:
    """The real service: `python -m services.dispatch` under the stack's supervisor."""

    name = "gridloop"
    topics = Topics(
        answers=dispatch.ACKS_TOPIC.name,
        deliveries=dispatch.DELIVERIES_TOPIC.name,
        progress=dispatch.PROGRESS_TOPIC.name,
    )
    all_topics = tuple(topic.name for topic in dispatch.TOPICS)
    database = "gridloop_dispatch"
    collections = tuple(INDEXES)
    closes = True
    # A service that took over reads its last records once more a session later: that is no run's work.
    settle_s = SESSION_S + 2

    def __init__(self, stack: LocalStack, program: Program) -> None:
        self._stack = stack
        self._program = program

    def start(self) -> psutil.Process:
        """Start or resume the service and wait for /readyz."""
        if self._program.name in self._stack.state.services:
            child = self._stack.resume(self._program.name)
        else:
            self._stack.start(self._program)
            child = self._stack.state.services[self._program.name]
        return psutil.Process(child.pid)

    def stop(self) -> None:
        """Stop the service as an operator would."""
        self._stack.stop(self._program.name)

    def order(self, world: World, directive: str) -> Message:
        """Return the city's command."""
        return world.order(directive)


def dispatch_program() -> Program:
    """Return the service as `gridloop up` runs it, quieter."""
    env = {"GRIDLOOP_LOCAL": "true", "GRIDLOOP_LOG_LEVEL": "WARNING"}
    return Program(name=DISPATCH, argv=(sys.executable, "-m", "services.dispatch"), env=env)


@dataclass
class RawArm:
    """`bench.raw` as a child of this process."""

    kafka: str
    mongo: str
    partitions: int
    name = "raw"
    topics = Topics(answers=raw.ACKS, deliveries=raw.DELIVERIES, progress=raw.PROGRESS)
    all_topics: tuple[str, ...] = raw.TOPICS
    database = raw.DATABASE
    collections: tuple[str, ...] = raw.COLLECTIONS
    closes = False
    settle_s = 0.0
    _child: subprocess.Popen[str] | None = None

    def start(self) -> psutil.Process:
        """Start the loop and wait for its word."""
        command = [sys.executable, "-m", "bench.raw", self.kafka, self.mongo, str(self.partitions)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self._child.stdout.readline() if self._child.stdout else ""
        if line.strip() != raw.READY:
            raise RuntimeError("the raw loop did not start")
        return psutil.Process(self._child.pid)

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
