"""What should run and what runs.

`plan.json` is written by whoever calls `up`, `stack.json` by the supervisor: one writer each.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cli.stack.files import read_json, write_json
from cli.stack.paths import RunDir
from cli.stack.processes import ProcessId


@dataclass(frozen=True)
class Member:
    """One supervised process. A higher generation under the same name asks for a restart."""

    name: str
    argv: list[str]
    port: int
    is_server: bool
    env: dict[str, str] = field(default_factory=dict)
    wanted: bool = True
    generation: int = 0


@dataclass(frozen=True)
class Plan:
    revision: int
    cluster_id: str
    kafka: str
    mongo: str
    # Of everything that ever ran here, by name: what comes back comes back to its port.
    ports: dict[str, int]
    # A throw-away stack: its servers are killed, not stopped, and its directory is deleted at the end.
    discard: bool
    members: list[Member]

    def with_members(self, members: list[Member]) -> Self:
        """Make the next plan: these members replace those of the same name, the others stay."""
        kept = [m for m in self.members if m.name not in {new.name for new in members}]
        ports = self.ports | {m.name: m.port for m in members}
        return dataclasses.replace(self, revision=self.revision + 1, members=kept + members, ports=ports)

    def without_members(self, names: set[str]) -> Self:
        kept = [m for m in self.members if m.name not in names]
        return dataclasses.replace(self, revision=self.revision + 1, members=kept)

    def member(self, name: str) -> Member | None:
        return next((m for m in self.members if m.name == name), None)

    def save(self, run: RunDir) -> None:
        write_json(run.plan, dataclasses.asdict(self))


@dataclass(frozen=True)
class Child:
    """A member as the supervisor sees it; pid is None while it is stopped or waits for its restart."""

    pid: int | None
    started: str | None
    port: int
    is_server: bool
    wanted: bool
    restarts: int
    last_exit: int | None

    @property
    def process(self) -> ProcessId | None:
        return ProcessId(pid=self.pid, started=self.started) if self.pid and self.started else None


@dataclass(frozen=True)
class StackState:
    supervisor: ProcessId
    revision: int
    cluster_id: str
    kafka: str
    mongo: str
    run_dir: Path
    children: dict[str, Child]

    @property
    def services(self) -> dict[str, Child]:
        return {name: child for name, child in self.children.items() if not child.is_server}

    @property
    def pids(self) -> dict[str, int]:
        running = {name: child.pid for name, child in self.children.items() if child.pid}
        return {"supervisor": self.supervisor.pid, **running}

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "run_dir": str(self.run_dir)}

    def save(self, run: RunDir) -> None:
        write_json(run.state, self.as_json())


def load_plan(run: RunDir) -> Plan | None:
    value = read_json(run.plan)
    if value is None:
        return None
    return Plan(**{**value, "members": [Member(**m) for m in value["members"]]})


def load_state(run: RunDir) -> StackState | None:
    """Read the last state written, whether or not its supervisor still lives."""
    value = read_json(run.state)
    if value is None:
        return None
    return StackState(
        **{
            **value,
            "run_dir": Path(value["run_dir"]),
            "supervisor": ProcessId(**value["supervisor"]),
            "children": {name: Child(**child) for name, child in value["children"].items()},
        }
    )


def running_state(run: RunDir) -> StackState | None:
    """Read the state of a living supervisor; None for none, a crashed one or one of an earlier boot."""
    state = load_state(run)
    return state if state and state.supervisor.is_alive() else None
