"""A service process that is forked where everything is imported already: for tests that start it fifty times.

What it runs is what `python -m services.<name>` runs; only the second of importing is not paid again.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path

from cli.stack.paths import ROOT
from cli.stack.processes import PR_SET_PDEATHSIG

_SERVICES = ("checkpoint", "dispatch", "screening")


class Forked:
    """What the harness asks of a `subprocess.Popen`, of a process that the fork server starts."""

    def __init__(self, name: str, env: Mapping[str, str], log: Path) -> None:
        self._process = _context().Process(target=_run, args=(name, dict(env), str(log)), daemon=True)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.join()

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.pid is not None and self._process.exitcode is None:
            os.kill(self._process.pid, number)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    # What ran the tests is imported once there too: else every child would import it for itself.
    context.set_forkserver_preload(["__main__", *(f"services.{name}.wiring" for name in _SERVICES)])
    return context


def _run(name: str, env: Mapping[str, str], log: str) -> None:
    if sys.platform == "linux":
        # With the fork server, which ends with the tests, however they end.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(ROOT)
    os.environ.update(env)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = [name]
    runpy.run_module(f"services.{name}", run_name="__main__")
