"""The small parts of the local stack: names of processes, ports, plans, tools, services."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.stack import keys, launch, toolchain
from cli.stack.child import LONGEST_DELAY, restart_delay
from cli.stack.kafka import new_cluster_id
from cli.stack.paths import RunDir
from cli.stack.plan import Child, Member, Plan, StackState, load_plan, running_state
from cli.stack.ports import FIRST, LAST, LOOPBACK, choose_port
from cli.stack.processes import ProcessId, identify
from cli.stack.services import Program, own_environment, server_environment, service_program


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.create()
    return run


def a_plan() -> Plan:
    member = Member(name="kafka", argv=["true"], port=20_001, is_server=True, env={"A": "b"})
    return Plan(
        revision=1,
        cluster_id="id",
        kafka="127.0.0.1:20001",
        mongo="mongodb://127.0.0.1:20002",
        ports={"kafka": 20_001},
        discard=False,
        members=[member],
    )


def a_state(run: RunDir, supervisor: ProcessId, child: ProcessId) -> StackState:
    return StackState(
        supervisor=supervisor,
        revision=1,
        cluster_id="id",
        kafka="k",
        mongo="m",
        run_dir=run.path,
        children={
            "mongo": Child(
                pid=child.pid,
                started=child.started,
                port=1,
                is_server=True,
                wanted=True,
                restarts=0,
                last_exit=None,
            )
        },
    )


def test_a_process_is_named_by_pid_and_start() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert me.is_alive()
    assert not replace(me, started="another-boot/1").is_alive()


def test_a_zombie_has_ended() -> None:
    with subprocess.Popen(["true"]) as child:
        name = identify(child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert identify(child.pid) is None
        assert name is None or not name.is_alive()


def test_a_reused_pid_is_neither_ours_nor_signalled(run: RunDir) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        reused = ProcessId(pid=stranger.pid, started="an-earlier-boot/1")
        a_state(run, reused, reused).save(run)
        assert running_state(run) is None
        launch.clean_stale(run)
        assert not run.state.exists()
        assert stranger.poll() is None
        stranger.kill()


def test_what_a_crashed_supervisor_left_is_ended(run: RunDir) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as orphan:
        child = identify(orphan.pid)
        assert child is not None
        a_state(run, ProcessId(pid=orphan.pid, started="crashed"), child).save(run)
        launch.clean_stale(run)
        assert orphan.wait(timeout=5) == -signal.SIGKILL


def test_a_half_written_state_counts_as_none(run: RunDir) -> None:
    run.state.write_text('{"supervisor": {', encoding="utf-8")
    assert running_state(run) is None


def test_plan_survives_its_file_and_keeps_ports(run: RunDir) -> None:
    service = Member(name="dispatch", argv=["x"], port=20_009, is_server=False)
    plan = a_plan().with_members([service])
    plan.save(run)
    assert load_plan(run) == plan
    gone = plan.without_members({"dispatch"})
    assert gone.member("dispatch") is None
    assert launch.choose_ports(gone, ["dispatch"]) == {"dispatch": 20_009}


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    port = choose_port(taken=set())
    assert FIRST <= port < LAST
    assert choose_port(taken=set(), preferred=port) == port
    assert choose_port(taken={port}, preferred=port) != port
    with socket.socket() as other:
        other.bind((LOOPBACK, port))
        other.listen()
        assert choose_port(taken=set(), preferred=port) != port


def test_restart_delay_grows_to_a_limit() -> None:
    delays = [restart_delay(n) for n in range(1, 12)]
    assert delays == sorted(delays)
    assert delays[1] == 2 * delays[0]
    assert delays[-1] == LONGEST_DELAY


def test_cluster_ids_are_what_kafka_accepts() -> None:
    ids = {new_cluster_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(i) == 22 and not i.startswith("-") for i in ids)


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_292"', 8),
        ("The operation couldn't be completed.", None),
    ],
)
def test_java_version_is_read(text: str, major: int | None) -> None:
    assert toolchain.java_major(text) == major


@pytest.mark.parametrize("version", [None, "11.0.2"])
def test_missing_or_old_java_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version:
        (tmp_path / "java").write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UserError, match="openjdk-17-jre-headless") as told:
        toolchain.find_java()
    assert "\n" not in str(told.value)


def test_missing_maven_is_one_sentence_and_leaves_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GRIDLOOP_JARS", str(tmp_path / "jars"))
    with pytest.raises(UserError, match=r"install Maven .*\.$") as told:
        toolchain.kafka_jars()
    assert "\n" not in str(told.value)
    assert [p.name for p in (tmp_path / "jars").iterdir()] == ["fetch.lock"]


def test_failed_fetch_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho 'no route to the repository'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GRIDLOOP_JARS", str(tmp_path / "jars"))
    with pytest.raises(UserError, match="no route to the repository"):
        toolchain.kafka_jars()
    assert [p.name for p in (tmp_path / "jars").iterdir()] == ["fetch.lock"]


def test_services_get_addresses_and_their_own_port() -> None:
    servers = server_environment(kafka="127.0.0.1:1", mongo="mongodb://127.0.0.1:2")
    member = service_program("dispatch-2").as_member(port=3, servers=servers)
    assert member.argv[1:] == ["-m", "services.dispatch"]
    assert member.env == {
        "GRIDLOOP_KAFKA": "127.0.0.1:1",
        "GRIDLOOP_MONGO": "mongodb://127.0.0.1:2",
        "GRIDLOOP_HTTP_HOST": LOOPBACK,
        "GRIDLOOP_HTTP_PORT": "3",
    }
    own = Program(name="x", argv=["y"], env={"GRIDLOOP_HTTP_PORT": "9"}).as_member(port=3, servers=servers)
    assert own.env["GRIDLOOP_HTTP_PORT"] == "9"


@pytest.mark.parametrize("name", ["dispach", "dispatch-x", ""])
def test_unknown_services_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="registry, screening, checkpoint, dispatch"):
        service_program(name)


def test_each_checkpoint_has_a_spool_of_its_own_and_shares_the_pass_keys(run: RunDir) -> None:
    first, second = own_environment(run, "checkpoint"), own_environment(run, "checkpoint-2")
    assert first["GRIDLOOP_PASS_KEYS"] == second["GRIDLOOP_PASS_KEYS"] == str(run.pass_keys)
    assert Path(first["GRIDLOOP_SPOOL"]) != Path(second["GRIDLOOP_SPOOL"])
    assert own_environment(run, "dispatch") == own_environment(run, "screening") == {}


def test_pass_keys_are_made_once_and_only_their_owner_reads_them(run: RunDir) -> None:
    made = keys.pass_keys(run.pass_keys).read_bytes()
    assert keys.pass_keys(run.pass_keys).read_bytes() == made
    assert run.pass_keys.stat().st_mode & 0o777 == 0o600
    keys.rotate_pass_keys(run.pass_keys)
    assert run.pass_keys.stat().st_mode & 0o777 == 0o600


def test_a_rotated_key_leaves_the_old_one_believed_until_it_is_withdrawn(run: RunDir) -> None:
    (old,) = keys.pass_key_ids(keys.pass_keys(run.pass_keys))
    fresh = keys.rotate_pass_keys(run.pass_keys)
    assert keys.pass_key_ids(run.pass_keys) == [old, fresh]
    keys.withdraw_pass_key(run.pass_keys, old)
    assert keys.pass_key_ids(run.pass_keys) == [fresh]
    with pytest.raises(UserError, match="no pass key"):
        keys.withdraw_pass_key(run.pass_keys, old)
    with pytest.raises(UserError, match="rotate first"):
        keys.withdraw_pass_key(run.pass_keys, fresh)
