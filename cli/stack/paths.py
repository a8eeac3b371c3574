"""Where the stack keeps its things: one run directory per stack, the Kafka jars shared by all of them."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "local"


def default_run_dir() -> Path:
    return Path(os.environ.get("GRIDLOOP_RUN_DIR") or ROOT / ".run").resolve()


def jars_dir() -> Path:
    return Path(os.environ.get("GRIDLOOP_JARS") or ROOT / ".run" / "jars").resolve()


@dataclass(frozen=True)
class RunDir:
    """The names inside one run directory."""

    path: Path

    def create(self) -> None:
        # Logs and data of a development stack are nobody else's business on a shared machine.
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)
        self.data.mkdir(exist_ok=True)

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def state(self) -> Path:
        return self.path / "stack.json"

    @property
    def caller_lock(self) -> Path:
        return self.path / "up.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def keys(self) -> Path:
        """The key pair of `gridloop token`; services are given the public half."""
        return self.path / "keys"

    @property
    def pass_keys(self) -> Path:
        """The keys that sign passes; checkpoint alone is given them."""
        return self.keys / "pass.keys.json"

    def spool(self, name: str) -> Path:
        """Return the file in which one instance's crossings wait for Kafka: never shared by two."""
        return self.data / f"{name}.spool"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def data(self) -> Path:
        return self.path / "data"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"
