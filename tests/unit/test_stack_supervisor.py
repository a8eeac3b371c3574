"""The supervisor with real processes, but without Kafka and MongoDB."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.stack import launch
from cli.stack.files import until
from cli.stack.launch import Lease
from cli.stack.paths import ROOT, RunDir
from cli.stack.plan import Child, Member, Plan, StackState, load_plan, running_state

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(120)"]
SECONDS = 15


def plan_of(*members: Member, discard: bool = False) -> Plan:
    return Plan(
        revision=1, cluster_id="id", kafka="k", mongo="m", ports={}, discard=discard, members=list(members)
    )


def sleeper(name: str = "sleeper") -> Member:
    return Member(name=name, argv=SLEEP, port=20_001, is_server=False)


class Supervised:
    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.lease: Lease | None = None

    def start(self, plan: Plan) -> StackState:
        plan.save(self.run)
        self.lease = Lease(self.run)
        launch.wait_followed(self.run, plan)
        return self.when(lambda state: all(c.pid for c in state.children.values()))

    def when(self, condition: Callable[[StackState], bool]) -> StackState:
        def met() -> bool:
            state = running_state(self.run)
            return state is not None and condition(state)

        assert until(met, seconds=SECONDS), self.run.log("supervisor").read_text()
        state = running_state(self.run)
        assert state is not None
        return state

    def end(self) -> None:
        if self.lease:
            self.lease.end()
            self.lease = None


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    run = RunDir(tmp_path / "run")
    run.create()
    supervised = Supervised(run)
    yield supervised
    supervised.end()


def is_gone(child: Child) -> bool:
    return child.process is not None and child.process.wait_gone(seconds=SECONDS)


def test_a_killed_child_is_started_again(supervised: Supervised) -> None:
    before = supervised.start(plan_of(sleeper())).children["sleeper"]
    assert before.process is not None
    before.process.send(signal.SIGKILL)
    after = supervised.when(lambda s: s.children["sleeper"].restarts == 1).children["sleeper"]
    assert after.pid not in {None, before.pid}
    assert after.port == before.port
    assert after.last_exit == -signal.SIGKILL


def test_a_child_that_cannot_live_is_retried_ever_more_slowly(supervised: Supervised) -> None:
    failing = Member(
        name="failing", argv=[sys.executable, "-S", "-c", "raise SystemExit(3)"], port=20_001, is_server=False
    )
    plan = plan_of(failing)
    plan.save(supervised.run)
    supervised.lease = Lease(supervised.run)
    began = time.monotonic()
    state = supervised.when(lambda s: s.children["failing"].restarts >= 3)
    # Three delays: 0.2, 0.4 and 0.8 s.
    assert time.monotonic() - began >= 1.3
    assert state.children["failing"].last_exit == 3


def test_changed_plans_are_followed(supervised: Supervised) -> None:
    first = supervised.start(plan_of(sleeper("a"), sleeper("b")))
    plan = load_plan(supervised.run)
    assert plan is not None
    state = launch.follow(supervised.run, plan.with_members([replace(sleeper("a"), wanted=False)]))
    assert state.children["a"].pid is None
    assert is_gone(first.children["a"])
    assert state.children["b"] == first.children["b"]

    plan = load_plan(supervised.run)
    assert plan is not None
    launch.follow(supervised.run, plan.with_members([sleeper("a"), replace(sleeper("b"), generation=1)]))
    state = supervised.when(lambda s: all(c.pid for c in s.children.values()))
    assert is_gone(first.children["b"])
    plan = load_plan(supervised.run)
    assert plan is not None
    state = launch.follow(supervised.run, plan.without_members({"a"}))
    assert set(state.children) == {"b"}


ENDS_SLOWLY = """
import signal, sys, time
def end(*_):
    time.sleep(1)
    print("ended", time.monotonic(), flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", time.monotonic(), flush=True)
time.sleep(120)
"""


def test_what_a_plan_changes_ends_together_services_first(supervised: Supervised) -> None:
    names = {"server": True, "changed": False, "stopped": False, "dropped": False}
    argv = [sys.executable, "-S", "-c", ENDS_SLOWLY]
    members = {
        name: Member(name=name, argv=argv, port=20_001, is_server=is_server)
        for name, is_server in names.items()
    }
    supervised.start(plan_of(*members.values()))

    def said(name: str, word: str) -> float:
        # A line may be read while it is written.
        lines = [line.split() for line in supervised.run.log(name).read_text().splitlines(keepends=True)]
        return next((float(line[1]) for line in lines if len(line) == 2 and line[0] == word), 0.0)

    assert until(lambda: all(said(name, "ready") for name in names), seconds=SECONDS)
    plan = load_plan(supervised.run)
    assert plan is not None
    changed = [replace(members["changed"], generation=1), replace(members["stopped"], wanted=False)]
    changed.append(replace(members["server"], generation=1))
    next_plan = replace(plan.without_members({"dropped"}), revision=plan.revision).with_members(changed)
    began = time.monotonic()
    state = launch.follow(supervised.run, next_plan)
    # A second for all services, and one for the server.
    assert time.monotonic() - began < 3.5
    assert set(state.children) == {"server", "changed", "stopped"}
    services = [said(name, "ended") for name in names if name != "server"]
    assert 0 < max(services) <= said("server", "ended") - 1


def test_services_have_no_fixed_membership(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDLOOP_INSTANCE", "dispatch-0")
    show = "import os, time; print(os.environ.get('GRIDLOOP_INSTANCE'), flush=True); time.sleep(120)"
    member = Member(name="shows", argv=[sys.executable, "-S", "-c", show], port=20_001, is_server=False)
    supervised.start(plan_of(member))
    log = supervised.run.log("shows")
    assert until(lambda: log.read_text() == "None\n", seconds=SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next `up` ends what is left")
def test_children_die_with_a_killed_supervisor(supervised: Supervised) -> None:
    state = supervised.start(plan_of(sleeper("a"), replace(sleeper("b"), is_server=True)))
    state.supervisor.send(signal.SIGKILL)
    assert is_gone(state.children["a"])
    assert is_gone(state.children["b"])
    assert running_state(supervised.run) is None
    assert supervised.run.state.exists()


def test_the_stack_ends_with_a_starter_that_was_killed(supervised: Supervised) -> None:
    plan_of(sleeper()).save(supervised.run)
    script = (
        "import os, signal, pathlib; from cli.stack.launch import Lease; from cli.stack.paths import RunDir;"
        f"lease = Lease(RunDir(pathlib.Path({str(supervised.run.path)!r}))); print('leased', flush=True);"
        "signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"leased\n"
        child = supervised.when(lambda s: s.children["sleeper"].pid is not None).children["sleeper"]
        starter.kill()
    assert is_gone(child)
    assert launch.wait_ended(supervised.run)
    assert not supervised.run.state.exists()


def test_a_freed_stack_outlives_its_lease_and_ends_on_sigterm(supervised: Supervised) -> None:
    state = supervised.start(plan_of(sleeper()))
    assert supervised.lease is not None
    supervised.lease.detach()
    supervised.lease = None
    victim = state.children["sleeper"].process
    assert victim is not None
    # It still supervises: proof that it is not on its way out.
    victim.send(signal.SIGKILL)
    state = supervised.when(lambda s: s.children["sleeper"].restarts == 1)
    state.supervisor.send(signal.SIGTERM)
    assert launch.wait_ended(supervised.run)
    assert is_gone(state.children["sleeper"])


def test_a_throw_away_stack_deletes_its_directory(supervised: Supervised) -> None:
    state = supervised.start(plan_of(sleeper(), discard=True))
    supervised.end()
    assert is_gone(state.children["sleeper"])
    assert not supervised.run.path.exists()


def test_a_supervisor_is_in_a_session_of_its_own(supervised: Supervised) -> None:
    state = supervised.start(plan_of(sleeper()))
    assert os.getsid(state.supervisor.pid) != os.getsid(0)
