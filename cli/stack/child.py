"""One supervised process: started, watched, restarted with a growing delay, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from cli.stack.paths import ROOT
from cli.stack.plan import Child, Member
from cli.stack.processes import identify

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
# A process that lived this long has recovered: its next failure counts as the first again.
STEADY_SECONDS = 10.0
LOG_LIMIT = 16 * 1024 * 1024


def restart_delay(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row (n from 1)."""
    return float(min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY))


class SupervisedChild:
    def __init__(self, member: Member, *, log: Path, before_exec: Callable[[], None] | None) -> None:
        self.member = member
        self._log = log
        self._before_exec = before_exec
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._starts = 0
        self._last_exit: int | None = None
        self.start_due = 0.0

    def start(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the plan comes from our own run directory
                self.member.argv,
                env=self._environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=self._before_exec,  # noqa: PLW1509 - the supervisor has one thread
            )
        self._starts += 1
        self._started_at = time.monotonic()

    def has_ended(self) -> bool:
        """Collect an exit once: True for the call that saw it; the restart is then due after a delay."""
        if self._process is None or self._process.poll() is None:
            return False
        self._last_exit = self._process.returncode
        self._process = None
        now = time.monotonic()
        self._failures = 1 if now - self._started_at > STEADY_SECONDS else self._failures + 1
        self.start_due = now + restart_delay(self._failures)
        return True

    @property
    def awaits_start(self) -> bool:
        return self.member.wanted and self._process is None

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def collect(self, *, seconds: float) -> None:
        """Wait for the end of a process that was asked to stop; force it when its time is over."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._last_exit = self._process.returncode
        self._process = None

    def describe(self) -> Child:
        process = identify(self._process.pid) if self._process else None
        return Child(
            pid=process.pid if process else None,
            started=process.started if process else None,
            port=self.member.port,
            is_server=self.member.is_server,
            wanted=self.member.wanted,
            restarts=max(self._starts - 1, 0),
            last_exit=self._last_exit,
        )

    def _environment(self) -> dict[str, str]:
        # The supervisor restarts services under changing pids: a fixed member id would be reused while the
        # broker still knows the old session, so membership stays dynamic.
        inherited = {k: v for k, v in os.environ.items() if k != "GRIDLOOP_INSTANCE"}
        return {**inherited, **self.member.env}
