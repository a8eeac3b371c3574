"""The one process that owns a stack: `python -m cli.stack.supervisor RUN_DIR`.

It starts what the plan names, restarts what ends, and takes everything down with itself. Its standard input
is a pipe held by whoever started it: the word `detach` sets it free, an end of file before that word (the
starter failed, was interrupted or killed) ends the stack. SIGHUP reads the plan again, SIGTERM ends the
stack.
"""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

from cli.stack.child import SupervisedChild
from cli.stack.files import locked
from cli.stack.paths import RunDir
from cli.stack.plan import Plan, StackState, load_plan
from cli.stack.processes import ProcessId, die_with_parent, identify

DETACH = b"detach\n"
IDLE_SECONDS = 60.0
# A service drains in about 9 s (event streams, then the broker under its deadline); Kafka stops in 2.3 s.
# Both together are less than whoever changes a plan waits for it to be followed.
SERVICE_GRACE = 12.0
SERVER_GRACE = 15.0


class Supervisor:
    def __init__(self, run: RunDir, *, starter: int) -> None:
        self._run = run
        self._starter: int | None = starter
        self._children: dict[str, SupervisedChild] = {}
        self._plan: Plan | None = None
        self._must_read_plan = True
        self._is_stopping = False
        self._me = _myself()
        self._before_exec = die_with_parent()
        self._wakeup = self._install_signals()

    def run(self) -> None:
        # The first look is at the starter: if it has gone already, nothing is started at all.
        self._wait(0)
        while not self._is_stopping:
            if self._must_read_plan:
                self._follow_plan()
            self._collect_and_start()
            self._wait(self._seconds_to_next_start())
        self._stop_all()

    def _install_signals(self) -> int:
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        # Every signal wakes the select below, an ended child at once among them.
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGHUP, self._on_reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        return read_end

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._must_read_plan = True

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _wait(self, seconds: float) -> None:
        watched = [self._wakeup] if self._starter is None else [self._wakeup, self._starter]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._wakeup in ready:
            os.read(self._wakeup, 4096)
        if self._starter in ready:
            word = os.read(self._starter, len(DETACH))
            self._is_stopping |= word != DETACH
            self._starter = None

    def _follow_plan(self) -> None:
        """Make the children match the plan: stop what is changed or unwanted, take in what is new."""
        self._must_read_plan = False
        plan = load_plan(self._run)
        if plan is None:
            return
        wanted = {member.name: member for member in plan.members}
        changed = {name: child for name, child in self._children.items() if wanted.get(name) != child.member}
        self._end(changed.values())
        for name in changed.keys() - wanted.keys():
            del self._children[name]
        for name, member in wanted.items():
            if name in changed or name not in self._children:
                log = self._run.log(name)
                self._children[name] = SupervisedChild(member, log=log, before_exec=self._before_exec)
        self._plan = plan
        self._publish()

    def _collect_and_start(self) -> None:
        now = time.monotonic()
        changed = False
        for name, child in self._children.items():
            if child.has_ended():
                changed = True
                _log(f"{name} ended with {child.describe().last_exit}")
            if child.awaits_start and child.start_due <= now:
                child.start()
                changed = True
                _log(f"{name} started as {child.describe().pid}")
        if changed:
            self._publish()

    def _seconds_to_next_start(self) -> float:
        due = [c.start_due for c in self._children.values() if c.awaits_start]
        return max(min([*due, time.monotonic() + IDLE_SECONDS]) - time.monotonic(), 0)

    def _publish(self) -> None:
        if self._plan is None:
            return
        StackState(
            supervisor=self._me,
            revision=self._plan.revision,
            cluster_id=self._plan.cluster_id,
            kafka=self._plan.kafka,
            mongo=self._plan.mongo,
            run_dir=self._run.path,
            children={name: child.describe() for name, child in self._children.items()},
        ).save(self._run)

    def _stop_all(self) -> None:
        _log("ending the stack")
        self._end(self._children.values())
        self._run.state.unlink(missing_ok=True)
        if self._plan and self._plan.discard:
            shutil.rmtree(self._run.path, ignore_errors=True)

    def _end(self, children: Iterable[SupervisedChild]) -> None:
        """Services first: they drain while the servers still answer them. All of a kind end together."""
        ending = list(children)
        self._end_together([c for c in ending if not c.member.is_server], grace=SERVICE_GRACE)
        self._end_together([c for c in ending if c.member.is_server], grace=SERVER_GRACE)

    def _end_together(self, children: Sequence[SupervisedChild], *, grace: float) -> None:
        is_final = self._is_stopping and self._plan is not None and self._plan.discard
        for child in children:
            child.send(signal.SIGKILL if is_final else signal.SIGTERM)
        deadline = time.monotonic() + grace
        for child in children:
            child.collect(seconds=max(deadline - time.monotonic(), 0))


def _myself() -> ProcessId:
    me = identify(os.getpid())
    if me is None:
        raise RuntimeError("this process cannot see itself")
    return me


def _log(text: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S%z"), text, flush=True)


def main(run_dir: str) -> None:
    # The parent of this fork returns to the starter at once; nobody has to collect the supervisor later.
    if os.fork():
        os._exit(0)
    run = RunDir(Path(run_dir))
    with locked(run.supervisor_lock):
        Supervisor(run, starter=sys.stdin.fileno()).run()


if __name__ == "__main__":
    main(sys.argv[1])
