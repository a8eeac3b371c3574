"""A stack bound to its caller, for tests, demo and measurements: `with LocalStack() as stack:`."""

import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.errors import UserError
from cli.stack import health, launch
from cli.stack.assembly import Services, add_services, ensure_supervisor, make_healthy, require_plan
from cli.stack.files import locked
from cli.stack.health import require_running
from cli.stack.paths import RunDir
from cli.stack.plan import Child, Member, StackState
from cli.stack.services import APPLY_TOPICS, Program


class LocalStack:
    """A stack that lives as long as a `with` block, and no longer than this process.

    Without a run directory it is a throw-away: fresh data in a temporary directory, deleted at the end.
    """

    def __init__(
        self,
        run_dir: Path | None = None,
        *,
        services: Services = (),
        prepare: Sequence[str] | None = APPLY_TOPICS,
    ) -> None:
        self._asked_for = run_dir
        self._throw_away: Path | None = None
        self._entered: RunDir | None = None
        self._services = services
        self._prepare = prepare
        self._lease: launch.Lease | None = None

    def __enter__(self) -> Self:
        try:
            # Inside, so that an interrupt at any moment leaves no folder behind.
            if self._asked_for is None:
                self._throw_away = Path(tempfile.mkdtemp(prefix="gridloop-")).resolve()
                self._entered = RunDir(self._throw_away)
            else:
                self._entered = RunDir(self._asked_for.resolve())
            self._run.create()
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def _run(self) -> RunDir:
        if self._entered is None:
            raise UserError("a LocalStack is used inside its `with` block.")
        return self._entered

    @property
    def state(self) -> StackState:
        """What runs now; read it again after anything was killed or restarted."""
        return require_running(self._run)

    @property
    def kafka(self) -> str:
        return self.state.kafka

    @property
    def mongo(self) -> str:
        return self.state.mongo

    @property
    def run_dir(self) -> Path:
        return self._run.path

    def log(self, name: str) -> Path:
        return self._run.log(name)

    def start(self, *services: str | Program) -> None:
        """Start services, or those stopped before, and wait until they are ready."""
        add_services(self._run, services, prepare=None)

    def stop(self, name: str) -> None:
        """Stop a server or service (SIGTERM) and keep it stopped."""
        self._change(replace(self._member(name), wanted=False))

    def resume(self, name: str) -> Child:
        """Start what was stopped, on the same port, and wait for its health."""
        self._change(replace(self._member(name), wanted=True))
        return self.wait_healthy(name)

    def restart(self, name: str) -> Child:
        """Stop (SIGTERM) and start again, and wait for its health."""
        member = self._member(name)
        self._change(replace(member, generation=member.generation + 1))
        return self.wait_healthy(name)

    def kill(self, name: str) -> Child:
        """SIGKILL one child; the supervisor starts it again. The child as it was before."""
        victim = self.state.children[name]
        if victim.process is None:
            raise UserError(f"{name} is not running now.")
        victim.process.send(signal.SIGKILL)
        victim.process.wait_gone(seconds=launch.END_SECONDS)
        return victim

    def cut(self, name: str) -> Child:
        """SIGKILL one child and keep it down until `resume`: an outage. The child as it was before."""
        victim = self.state.children[name]
        # Who was killed a moment before is down already, and stays down.
        if victim.process is not None:
            victim.process.send(signal.SIGKILL)
        # At once: the supervisor starts again what ended, unless the plan does not want it any more.
        self._change(replace(self._member(name), wanted=False))
        return victim

    def wait_healthy(self, name: str) -> Child:
        """Wait until a child runs and answers as a client sees it."""
        health.wait_child(self._run, name)
        return self.state.children[name]

    def _member(self, name: str) -> Member:
        member = require_plan(self._run).member(name)
        if member is None:
            raise UserError(f"{name} is not part of this stack.")
        return member

    def _change(self, member: Member) -> None:
        launch.follow(self._run, require_plan(self._run).with_members([member]))

    def _start(self) -> None:
        with locked(self._run.caller_lock):
            self._lease = ensure_supervisor(self._run, discard=self._throw_away is not None)
            if self._lease is None:
                raise UserError(f"a stack already runs in {self._run.path}; use up() to share it.")
            make_healthy(self._run, self._services, prepare=self._prepare)

    def _end(self) -> None:
        if self._lease:
            self._lease.end()
            self._lease = None
        if self._throw_away:
            shutil.rmtree(self._throw_away, ignore_errors=True)
