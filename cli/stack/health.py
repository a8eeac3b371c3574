"""Waiting for the health of what the supervisor runs, seen from outside, with a deadline."""

from collections.abc import Callable

from cli.errors import UserError
from cli.stack import kafka, mongo
from cli.stack.files import last_lines, until
from cli.stack.paths import RunDir
from cli.stack.plan import StackState, running_state
from cli.stack.probes import kafka_cluster_id, mongo_commits, service_is_ready

HEALTH_SECONDS = 60.0
# A process that ended this often while we wait for it will not come up: say why instead of waiting on.
HOPELESS_RESTARTS = 4


def wait_servers(run: RunDir) -> None:
    wait_child(run, kafka.NAME)
    wait_child(run, mongo.NAME)


def wait_child(run: RunDir, name: str) -> None:
    """Poll the child until it answers; give up at the deadline, or earlier when it keeps ending."""
    state = require_running(run)
    is_healthy = probe_of(state, name)
    restarts_before = state.children[name].restarts
    answered = False

    def settled() -> bool:
        nonlocal answered
        answered = is_healthy()
        return answered or require_running(run).children[name].restarts - restarts_before >= HOPELESS_RESTARTS

    until(settled, seconds=HEALTH_SECONDS)
    if not answered:
        log = run.log(name)
        raise UserError(f"{name} did not become healthy; the end of {log}:\n{last_lines(log)}")


def probe_of(state: StackState, name: str) -> Callable[[], bool]:
    port = state.children[name].port
    if name == kafka.NAME:
        # Another cluster on our port, or a wiped one, is not our broker.
        return lambda: kafka_cluster_id(state.kafka) == state.cluster_id
    if name == mongo.NAME:
        return lambda: mongo_commits(state.mongo, port=port)
    return lambda: service_is_ready(port)


def require_running(run: RunDir) -> StackState:
    state = running_state(run)
    if state is None:
        raise UserError(f"no stack is running in {run.path}.")
    return state
