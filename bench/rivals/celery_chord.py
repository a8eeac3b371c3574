"""A Celery chord over Redis: what a Python team would reach for first.

Every answer is a header task of one chord; its callback runs once the last has come, counts by desk and
writes a key that the bench reads (nobody waits with `.get()`, which does not return for chords of this size).
All that could make it slower is off: Redis keeps nothing on disk, workers neither gossip nor mingle nor send
heartbeats.

What it leaves out is most of the job. Sending *is* answering: no post is told anything before it answers, and
workers begin while the chord is still being sent, so there is no moment at which all is open and nothing
answered; "delivered" is when the last task is sent. A header task cannot answer twice, so it is given every
answer once, where the others meet 5 % twice. Nothing is known before the last answer: no progress, no unit,
nothing overdue. The sums above the desks are the bench's own. Nothing is durable, and a task that is lost
means a callback that never comes.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import redis

from bench.report import Void
from bench.rivals import servers
from bench.rivals.chord_tasks import COUNTED, UP
from bench.rivals.figures import Standing, Task, rolled_up
from bench.rivals.talk import client
from cli.stack.paths import ROOT

WORKERS: Final = 2
QUIET: Final = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR")
POLL_S: Final = 0.02


class CeleryChord:
    """Redis, a worker of two processes, and a client."""

    name = "celery chord"

    def __init__(self) -> None:
        self._program = servers.find_redis()

    def versions(self) -> dict[str, str]:
        """Return versions of server and library."""
        return {"celery": version("celery"), "redis": servers.version_of(self._program)}

    @contextmanager
    def standing(self, task: Task) -> Iterator[Standing]:
        """Start Redis, then the worker, then the client."""
        with (
            servers.redis(self._program) as server,
            redis.Redis.from_url(server.address) as outsider,
            tempfile.TemporaryDirectory(prefix="gridloop-celery-") as folder,
        ):
            servers.until_up(server, lambda: _says(outsider))
            command = [sys.executable, "-m", "celery", "--app", "bench.rivals.chord_tasks"]
            command += ["--broker", server.address, "--result-backend", server.address]
            command += ["worker", "--concurrency", str(WORKERS), "--pool", "prefork", *QUIET]
            with (
                servers.running(command, Path(folder) / "worker.log", cwd=ROOT) as worker,
                client("chord_client", server.address, *task.arguments) as sender,
            ):
                servers.until_up(server, lambda: bool(outsider.get(UP)))
                yield Standing(
                    sender,
                    (sender.process, worker),
                    server,
                    lambda deadline: _counted(outsider, task, deadline),
                )


def _says(outsider: Any) -> bool:
    try:
        return bool(outsider.ping())
    except redis.ConnectionError:
        return False


def _counted(outsider: Any, task: Task, deadline: float) -> Mapping[str, int]:
    """Wait for the callback's key."""
    while (counted := outsider.get(COUNTED)) is None:
        if perf_counter() > deadline:
            raise Void(f"no callback within {task.within_s:.0f} s")
        sleep(POLL_S)
    return rolled_up(json.loads(counted), task.world)
