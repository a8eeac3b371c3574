"""Service processes of a test: started by the test itself, ended with it, however it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.stack.files import last_lines
from cli.stack.keys import pass_keys
from cli.stack.paths import ROOT
from cli.stack.ports import choose_port
from cli.stack.probes import service_is_ready
from cli.stack.processes import die_with_parent
from shared.flow.crash import STEPS
from tests.harness.forked import Forked
from tests.harness.waiting import until
from tests.servers import Servers

STOP_S = 12.0
READY_S = 30.0
BEFORE_COMMIT = STEPS[: STEPS.index("committed")]
CRASH_ROUNDS = 3


@dataclass
class Service:
    """One process of a service. The same `instance` again takes over at once: membership is static.

    `forked`: started where everything is imported already, in a third of the time. `program`: a module to
    run instead of the service's own, for a release with a fault.
    """

    servers: Servers
    folder: Path
    name: str = "dispatch"
    instance: str = "a"
    database: str = "test"
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | Forked | None = None
    forked: bool = False
    program: str = ""

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}-{self.instance}.log"

    @property
    def spool(self) -> Path:
        """Where the crossings of this process wait for Kafka."""
        return self.folder / f"{self.name}-{self.instance}.spool"

    def start(self, **env: str) -> None:
        """Start, in the place of what a failed test left; `env` holds for this start only."""
        self.kill()
        self.port = self.port or choose_port(taken=set())
        own = {
            "GRIDLOOP_KAFKA": self.servers.kafka,
            "GRIDLOOP_MONGO": self.servers.mongo,
            "GRIDLOOP_LOCAL": "true",
            "GRIDLOOP_INSTANCE": self.instance,
            "GRIDLOOP_DATABASE": self.database,
            "GRIDLOOP_HTTP_PORT": str(self.port),
            "GRIDLOOP_TICK_EVERY": "0.1",
            "GRIDLOOP_SCREENING_TICK_EVERY": "0.1",
            "GRIDLOOP_CHECKPOINT_TICK_EVERY": "0.1",
            **self._gate_files(),
        }
        given = {**own, **self.env, **env}
        if self.forked:
            self.process = Forked(self.name, given, self.log)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.program or f"services.{self.name}"],
                env={**os.environ, **given},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - nothing here holds a lock over a fork
            )

    def _gate_files(self) -> dict[str, str]:
        """Return where a checkpoint finds its keys and its spool: the same again at the next start."""
        if self.name != "checkpoint":
            return {}
        keys = pass_keys(self.folder / "pass.keys.json")
        return {"GRIDLOOP_PASS_KEYS": str(keys), "GRIDLOOP_SPOOL": str(self.spool)}

    async def ready(self) -> None:
        """Wait until it takes requests and its groups have partitions."""
        try:
            await until(lambda: self.ended() or service_is_ready(self.port), what="ready", within_s=READY_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.name}'s log ends:\n{last_lines(self.log, 30)}") from None
        assert self.exit is None, f"{self.name} ended with {self.exit}:\n{last_lines(self.log)}"

    @property
    def exit(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.poll() if self.process else None

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    async def crashed(self, within_s: float = 20.0) -> None:
        """Wait until it has killed itself at its crash point."""
        await until(self.ended, what=f"{self.name} crashes", within_s=within_s)
        assert self.exit == -signal.SIGKILL, f"ended with {self.exit}:\n{last_lines(self.log)}"

    async def crash_at_every_step(self, group: str, stored: Callable[[], bool] | None = None) -> None:
        """Die at each step of a batch in turn, the same records in hand each time; then start and stay.

        Nothing else may come into that batch meanwhile: it would send again what a crash must not lose.
        `stored` says whether the batch has left a trace: none may be there before it is committed.
        """
        for _ in range(CRASH_ROUNDS):
            for step in STEPS:
                self.start(GRIDLOOP_CRASH_AT=f"{group}:{step}")
                await self.crashed()
                if stored is not None and step in BEFORE_COMMIT:
                    assert not stored(), f"{group}: stored before {step}"
            # What the other lane reads once more after a start may be the first to reach a step, each time.
            if stored is None or stored():
                break
        else:
            raise AssertionError(f"{group}: nothing was stored")
        await self.restart()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def stop(self, within_s: float = STOP_S) -> int:
        """SIGTERM, and return how it ended."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        await until(self.ended, what=f"{self.name} stops", within_s=within_s)
        return self.process.returncode

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def restart(self, **env: str) -> None:
        """Start again what has ended, and wait until it is ready."""
        self.start(**env)
        await self.ready()


@contextmanager
def running(service: Service, *, ready: bool = True) -> Iterator[Service]:
    """Have a service for the length of the block."""
    try:
        service.start()
        if ready:
            asyncio.run(service.ready())
        yield service
    finally:
        service.kill()
