"""Processes named by pid *and* start time: after a crash or a reboot the pid alone may be anyone's."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from cli.stack.files import until

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ProcessId:
    pid: int
    started: str

    def is_alive(self) -> bool:
        return identify(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Signal the process if it is still the one we named."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait_gone(self, *, seconds: float) -> bool:
        return until(lambda: not self.is_alive(), seconds=seconds)


def identify(pid: int) -> ProcessId | None:
    """Name a running process; None where there is none. A zombie has ended: it does not count."""
    started = _linux_start(pid) if sys.platform == "linux" else _portable_start(pid)
    return ProcessId(pid=pid, started=started) if started else None


def die_with_parent() -> Callable[[], None] | None:
    """Make the hook a child runs before exec, so that it ends with the supervisor even after SIGKILL.

    The kernel ties the signal to the *thread* that forked: only the supervisor's main thread may spawn.
    """
    if sys.platform != "linux":
        return None
    set_process_option = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died between fork and the line above; then no signal will ever come.
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _linux_start(pid: int) -> str | None:
    """Boot id and clock ticks since boot: unlike a wall-clock time it never shifts and never repeats."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may hold spaces and brackets: the fixed fields begin after the last bracket.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else f"{_boot_id()}/{fields[18]}"


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _portable_start(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
