"""Start a supervisor on a plan, hand it a new one, and see it end."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from cli.errors import UserError
from cli.stack import kafka, mongo
from cli.stack.files import is_locked, last_lines, until
from cli.stack.paths import ROOT, RunDir
from cli.stack.plan import Plan, StackState, load_plan, load_state, running_state
from cli.stack.ports import choose_port
from cli.stack.supervisor import DETACH

FOLLOW_SECONDS = 30.0
END_SECONDS = 45.0
# After a kill the main thread is gone before the last one has closed the sockets.
PORT_SECONDS = 3.0


class Lease:
    """The pipe that keeps a new supervisor running until it is set free.

    However this process ends, its end of the pipe closes; without the word, the stack then ends as well.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        read_end, self._pipe = os.pipe()
        log = run.log("supervisor")
        command = [sys.executable, "-m", "cli.stack.supervisor", str(run.path)]
        try:
            with log.open("ab") as output:
                # A session of its own: a Ctrl-C in this terminal is not for the supervisor.
                subprocess.run(  # noqa: S603 - our own module
                    command,
                    stdin=read_end,
                    stdout=output,
                    stderr=output,
                    cwd=ROOT,
                    start_new_session=True,
                    check=True,
                )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(read_end)

    def detach(self) -> None:
        os.write(self._pipe, DETACH)
        os.close(self._pipe)

    def end(self) -> None:
        state = running_state(self._run)
        os.close(self._pipe)
        wait_ended(self._run)
        # A throw-away stack deletes its lock with its directory, a moment before it is gone itself.
        if state:
            state.supervisor.wait_gone(seconds=END_SECONDS)


def write_plan(run: RunDir, *, discard: bool) -> Plan:
    """Plan the two servers, on the ports of the last run where those are free."""
    before = load_plan(run)
    ports = choose_ports(before, (kafka.NAME, "controller", mongo.NAME))
    # First, because it costs nothing to learn that there is no MongoDB.
    mongo_member = mongo.member(run, ports[mongo.NAME])
    broker = kafka.Kafka(run, port=ports[kafka.NAME], controller_port=ports["controller"])
    kafka_member, cluster_id = broker.prepare()
    plan = Plan(
        revision=before.revision + 1 if before else 1,
        cluster_id=cluster_id,
        kafka=broker.address,
        mongo=mongo.uri(ports[mongo.NAME]),
        ports=(before.ports if before else {}) | ports,
        discard=discard,
        members=[kafka_member, mongo_member],
    )
    plan.save(run)
    return plan


def choose_ports(plan: Plan | None, names: Sequence[str]) -> dict[str, int]:
    """Choose a free port for each name, that of the last run where it is free or becomes so soon."""
    known = plan.ports if plan else {}
    taken = {port for name, port in known.items() if name not in names}
    chosen: dict[str, int] = {}
    for name in names:
        chosen[name] = choose_port(
            taken=taken | set(chosen.values()), preferred=known.get(name), patience=PORT_SECONDS
        )
    return chosen


def follow(run: RunDir, plan: Plan) -> StackState:
    """Have a running supervisor take in the plan."""
    plan.save(run)
    state = running_state(run)
    if state:
        state.supervisor.send(signal.SIGHUP)
    return wait_followed(run, plan)


def wait_followed(run: RunDir, plan: Plan) -> StackState:
    """Wait until the supervisor has stopped what the plan changes or drops, and knows the rest."""

    def followed() -> bool:
        state = running_state(run)
        return state is not None and state.revision >= plan.revision

    state = running_state(run) if until(followed, seconds=FOLLOW_SECONDS) else None
    if state is None:
        raise UserError(f"the supervisor did not follow:\n{last_lines(run.log('supervisor'))}")
    return state


def wait_ended(run: RunDir) -> bool:
    """Wait for the supervisor to release its lock, the last thing it does."""
    return until(lambda: not is_locked(run.supervisor_lock), seconds=END_SECONDS)


def clean_stale(run: RunDir) -> None:
    """End what a crashed supervisor left (nothing on Linux, where its children die with it)."""
    state = load_state(run)
    for child in state.children.values() if state else ():
        if child.process:
            child.process.send(signal.SIGKILL)
    run.state.unlink(missing_ok=True)
