"""A real service under the stack's supervisor, with a fresh process for every run: none is measured warm."""

import sys
from typing import Final

import psutil

from cli.stack.local import LocalStack
from cli.stack.services import Program
from shared.messaging.consumer import SESSION_S

# A service that took over reads its last records once more a session later: that is no run's work.
SETTLE_S: Final = SESSION_S + 2
QUICK_SETTLE_S: Final = 0.5
"""For runs whose figures nobody reads."""


class Tested:
    """`python -m services.<name>` as `gridloop up` runs it, quieter; `dispatch-2` is a second replica."""

    def __init__(self, stack: LocalStack, name: str) -> None:
        self._stack = stack
        self.name = name

    @property
    def port(self) -> int:
        """Where it answers; the same after every start."""
        return self._stack.state.services[self.name].port

    def start(self) -> psutil.Process:
        """Start or resume the service and wait for /readyz."""
        if self.name in self._stack.state.services:
            child = self._stack.resume(self.name)
        else:
            self._stack.start(self._program())
            child = self._stack.state.services[self.name]
        return psutil.Process(child.pid)

    def stop(self) -> None:
        """Stop the service as an operator would."""
        self._stack.stop(self.name)

    def _program(self) -> Program:
        env = {"GRIDLOOP_LOCAL": "true", "GRIDLOOP_LOG_LEVEL": "WARNING"}
        module = self.name.partition("-")[0]
        return Program(name=self.name, argv=(sys.executable, "-m", f"services.{module}"), env=env)
