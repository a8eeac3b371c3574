"""A stack that outlives its caller: `up`, `down`, `status`."""

import signal
from collections.abc import Sequence
from pathlib import Path

from cli.stack import launch
from cli.stack.assembly import Services, ensure_supervisor, make_healthy
from cli.stack.files import locked
from cli.stack.health import require_running
from cli.stack.paths import RunDir, default_run_dir
from cli.stack.plan import StackState, running_state
from cli.stack.services import APPLY_TOPICS


def up(
    run_dir: Path | None = None, *, services: Services = (), prepare: Sequence[str] | None = APPLY_TOPICS
) -> StackState:
    """Start the stack, or add to the one that runs, and return once everything asked for is healthy.

    `prepare` is the command run once before services start (it creates the topics). If anything fails, or the
    caller is interrupted or killed, what this call started ends again.
    """
    run = _run_dir(run_dir)
    run.create()
    with locked(run.caller_lock):
        lease = ensure_supervisor(run, discard=False)
        try:
            make_healthy(run, services, prepare=prepare)
        except BaseException:
            if lease:
                lease.end()
            raise
        if lease:
            lease.detach()
        return require_running(run)


def down(run_dir: Path | None = None) -> bool:
    """End the stack, services before servers; False where none was running."""
    run = _run_dir(run_dir)
    if not run.path.is_dir():
        return False
    with locked(run.caller_lock):
        state = running_state(run)
        if state is None:
            launch.clean_stale(run)
            return False
        state.supervisor.send(signal.SIGTERM)
        if not launch.wait_ended(run):
            state.supervisor.send(signal.SIGKILL)
            launch.clean_stale(run)
        return True


def status(run_dir: Path | None = None) -> StackState | None:
    return running_state(_run_dir(run_dir))


def _run_dir(run_dir: Path | None) -> RunDir:
    return RunDir((run_dir or default_run_dir()).resolve())
