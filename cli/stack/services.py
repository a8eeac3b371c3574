"""The services a stack can run, and the environment every one of them is given."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import UserError
from cli.stack.keys import GATE_DEVICE, OPERATOR, pass_keys, public_key
from cli.stack.paths import RunDir
from cli.stack.plan import Member
from cli.stack.ports import LOOPBACK

# The one place that names them for the local stack; a second replica is asked for as `dispatch-2`.
SERVICE_NAMES = ("registry", "screening", "checkpoint", "dispatch")
APPLY_TOPICS = (sys.executable, "-m", "cli", "topics", "apply")


@dataclass(frozen=True)
class Program:
    """Anything the stack can run beside its servers: it serves /readyz on GRIDLOOP_HTTP_PORT."""

    name: str
    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)

    def as_member(self, *, port: int, servers: dict[str, str]) -> Member:
        own = {"GRIDLOOP_HTTP_HOST": LOOPBACK, "GRIDLOOP_HTTP_PORT": str(port)}
        env = {**servers, **own, **self.env}
        return Member(name=self.name, argv=list(self.argv), port=port, is_server=False, env=env)


def server_environment(*, kafka: str, mongo: str) -> dict[str, str]:
    return {"GRIDLOOP_KAFKA": kafka, "GRIDLOOP_MONGO": mongo}


def token_environment(keys: Path) -> dict[str, str]:
    """Let services trust the tokens of `gridloop token`, and one handle make the first import."""
    return {"GRIDLOOP_TOKEN_KEY": str(public_key(keys)), "GRIDLOOP_OPERATORS": OPERATOR}


def own_environment(run: RunDir, name: str) -> dict[str, str]:
    """Return what one instance keeps to itself: a gate's pass keys, and the file its crossings wait in."""
    if _module(name) != "checkpoint":
        return {}
    return {
        "GRIDLOOP_PASS_KEYS": str(pass_keys(run.pass_keys)),
        "GRIDLOOP_SPOOL": str(run.spool(name)),
        "GRIDLOOP_GATE_DEVICES": GATE_DEVICE,
    }


def service_program(name: str) -> Program:
    module, _, replica = name.partition("-")
    if module not in SERVICE_NAMES or (replica and not replica.isdigit()):
        known = ", ".join(SERVICE_NAMES)
        raise UserError(f"there is no service {name!r}; known are {known} (a second replica: dispatch-2).")
    return Program(name=name, argv=(sys.executable, "-m", f"services.{module}"))


def _module(name: str) -> str:
    return name.partition("-")[0]
