"""The rivals' servers out of the distribution: children of the bench on this machine, gone when it ends."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import psutil

from bench.report import Void
from cli.stack.ports import LOOPBACK, choose_port
from cli.stack.processes import die_with_parent

STARTED_S: Final = 60
ENDED_S: Final = 30
LOG_SHOWN: Final = 4_000
# The distribution keeps the server's programs off PATH, one folder a version.
POSTGRES_FOLDERS: Final = "/usr/lib/postgresql"
SHARED_BUFFERS: Final = "1GB"


class Missing(Exception):  # noqa: N818 - named by what it says of a program
    """A program this needs is not on this machine."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and how a client reaches it."""

    process: psutil.Process
    address: str


def find_redis() -> str:
    """Return redis-server, or raise `Missing`."""
    found = shutil.which("redis-server")
    if found is None:
        raise Missing("redis-server is not installed")
    return found


def find_postgres() -> Path:
    """Return the folder of PostgreSQL's programs, of the newest version there is, or raise `Missing`."""
    folders = sorted(Path(POSTGRES_FOLDERS).glob("*/bin"), key=lambda folder: -int(folder.parent.name))
    on_path = shutil.which("postgres")
    for folder in [*([Path(on_path).resolve().parent] if on_path else []), *folders]:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise Missing("PostgreSQL's server (postgres, initdb) is not installed")


def version_of(program: str | Path) -> str:
    """Return what a program says of its version."""
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def redis(program: str) -> Iterator[Server]:
    """Run Redis on a free port without any persistence: nothing it holds outlives it."""
    port = choose_port(taken=set())
    with tempfile.TemporaryDirectory(prefix="gridloop-redis-") as folder:
        command = [program, "--bind", LOOPBACK, "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        with running(command, Path(folder) / "redis.log") as process:
            yield Server(process, f"redis://{LOOPBACK}:{port}/0")


@contextmanager
def postgres(programs: Path) -> Iterator[Server]:
    """Run a fresh PostgreSQL with fsync, on a socket in a folder that only its own account may open."""
    with tempfile.TemporaryDirectory(prefix="gridloop-postgres-", ignore_cleanup_errors=True) as folder:
        account = _account()
        if account:
            shutil.chown(folder, account["user"], account["group"])
        data = Path(folder) / "data"
        initdb = [str(programs / "initdb"), "--pgdata", str(data), "--auth", "trust", "--username", "bench"]
        initdb += ["--encoding", "UTF8", "--locale", "C"]
        made = subprocess.run(initdb, cwd=folder, check=False, capture_output=True, text=True, **account)
        if made.returncode:
            raise Void(f"initdb: {made.stderr.strip()}")
        command = [str(programs / "postgres"), "-D", str(data), "-k", folder]
        for setting in ("listen_addresses=", f"shared_buffers={SHARED_BUFFERS}", "fsync=on"):
            command += ["-c", setting]
        log = Path(folder) / "postgres.log"
        with running(command, log, stop=signal.SIGINT, **account) as process:
            yield Server(process, f"host={folder} user=bench dbname=postgres")


def until_up(server: Server, is_up: Callable[[], bool]) -> None:
    """Wait until the server answers. Raises `Void` when it does not, or has ended."""
    deadline = perf_counter() + STARTED_S
    while not is_up():
        if perf_counter() > deadline or not server.process.is_running():
            raise Void(f"{server.process.pid}: the server does not answer")
        sleep(0.05)


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    stop: signal.Signals = signal.SIGTERM,
    cwd: Path | None = None,
    **account: Any,
) -> Iterator[psutil.Process]:
    """Run a program until the block ends; it dies with this process, whatever happens to that."""
    with log.open("ab") as written:
        child = subprocess.Popen(
            command,
            cwd=cwd or log.parent,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - spawned from the main thread, which is alone here
            **account,
        )
    root = psutil.Process(child.pid)
    try:
        yield root
    except Void:
        sys.stderr.write(log.read_text(errors="replace")[-LOG_SHOWN:])
        raise
    finally:
        below = root.children(recursive=True) if root.is_running() else []
        child.send_signal(stop)
        try:
            child.wait(ENDED_S)
        except subprocess.TimeoutExpired:
            for process in (*below, root):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            child.wait()


def _account() -> dict[str, Any]:
    """Return as whom to run PostgreSQL, which refuses root; as whoever we are where we are not root."""
    if os.geteuid():
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
