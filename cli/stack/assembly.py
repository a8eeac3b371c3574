"""The steps every way of starting a stack shares: supervisor, healthy servers, topics, ready services."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from cli.errors import UserError
from cli.stack import health, launch
from cli.stack.launch import Lease
from cli.stack.paths import ROOT, RunDir
from cli.stack.plan import Plan, load_plan, running_state
from cli.stack.services import (
    Program,
    own_environment,
    server_environment,
    service_program,
    token_environment,
)

PREPARE_SECONDS = 120
Services = Sequence[str | Program]


def ensure_supervisor(run: RunDir, *, discard: bool) -> Lease | None:
    """See that a supervisor runs the servers: the lease of a new one, None where one was running."""
    if running_state(run):
        return None
    launch.clean_stale(run)
    plan = launch.write_plan(run, discard=discard)
    lease = Lease(run)
    try:
        launch.wait_followed(run, plan)
    except BaseException:
        lease.end()
        raise
    return lease


def make_healthy(run: RunDir, services: Services, *, prepare: Sequence[str] | None) -> None:
    health.wait_servers(run)
    if services:
        add_services(run, services, prepare=prepare)


def add_services(run: RunDir, services: Services, *, prepare: Sequence[str] | None) -> None:
    programs = [service_program(s) if isinstance(s, str) else s for s in services]
    plan = require_plan(run)
    servers = server_environment(kafka=plan.kafka, mongo=plan.mongo) | token_environment(run.keys)
    if prepare:
        _run_once(prepare, servers)
    running = {m.name: m for m in plan.members if m.wanted}
    ports = launch.choose_ports(plan, [p.name for p in programs if p.name not in running])
    members = []
    for program in programs:
        known = running.get(program.name)
        port = known.port if known else ports[program.name]
        fresh = program.as_member(port=port, servers=servers | own_environment(run, program.name))
        # Asking again for what runs changes nothing.
        members.append(replace(fresh, generation=known.generation) if known else fresh)
    launch.follow(run, plan.with_members(members))
    try:
        for program in programs:
            health.wait_child(run, program.name)
    except BaseException:
        added = {p.name for p in programs} - running.keys()
        launch.follow(run, require_plan(run).without_members(added))
        raise


def _run_once(command: Sequence[str], servers: dict[str, str]) -> None:
    environment = {**os.environ, **servers}
    done = subprocess.run(  # noqa: S603 - our own command, or the caller's
        command,
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PREPARE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise UserError(f"{' '.join(command[1:])} failed:\n{(done.stdout + done.stderr).strip()}")


def require_plan(run: RunDir) -> Plan:
    plan = load_plan(run)
    if plan is None:
        raise UserError(f"there is no stack in {run.path}.")
    return plan
