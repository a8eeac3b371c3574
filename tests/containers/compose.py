"""`docker compose` under a project name of its own, and HTTP from inside the network that it makes."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.stack.paths import ROOT

COMMAND_S: Final = 600.0
WAIT_S: Final = "240"
# Where requests are made: a container of the network that has Python, and that nobody kills.
INSIDE: Final = "registry"
PROJECT_LABEL: Final = "com.docker.compose.project"
# Runs inside, so it is told everything: calls come in as JSON, replies go out as JSON.
SPEAK: Final = """
import json, sys, urllib.error, urllib.request
replies = []
for call in json.load(sys.stdin):
    body = None if call["body"] is None else json.dumps(call["body"]).encode()
    headers = {"Authorization": "Bearer " + call["token"], "Content-Type": "application/json"}
    headers["Idempotency-Key"] = call["key"]
    request = urllib.request.Request(call["url"], body, headers, method=call["method"])
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            replies.append([answer.status, json.load(answer)])
    except urllib.error.HTTPError as refused:
        replies.append([refused.code, json.load(refused)])
    except OSError as error:
        replies.append([0, {"detail": str(error)}])
json.dump(replies, sys.stdout)
"""


class StepError(AssertionError):
    """A command that had to succeed did not; what it said is the message."""


@dataclass(frozen=True)
class Call:
    """One HTTP request to a service by its name in the network, which stands for all its replicas."""

    method: str
    service: str
    path: str
    token: str
    key: str
    body: Any = None

    def as_json(self) -> dict[str, Any]:
        url = f"http://{self.service}:8000{self.path}"
        return {"method": self.method, "url": url, "token": self.token, "key": self.key, "body": self.body}


@dataclass(frozen=True)
class Reply:
    """What came back; status 0 where nobody answered."""

    status: int
    body: Any


@dataclass(frozen=True)
class Container:
    """A container of the project as `docker compose ps` tells it."""

    id: str
    name: str
    service: str
    state: str
    health: str
    exit_code: int


class Compose:
    """One project: its containers, volumes and network have names that no other project's have."""

    def __init__(self, project: str, files: Sequence[Path]) -> None:
        self.project = project
        self._files = [word for file in files for word in ("--file", str(file))]

    def __call__(self, *words: str, given: str | None = None) -> str:
        """Run `docker compose …` and return what it printed."""
        return docker("compose", "--project-name", self.project, *self._files, *words, given=given)

    def up(self, *scales: str) -> None:
        """Start what is not running, and wait until everything is healthy or has ended well."""
        scaled = [word for scale in scales for word in ("--scale", scale)]
        self("up", "--detach", "--no-build", "--wait", "--wait-timeout", WAIT_S, *scaled)

    def once(self, service: str, *command: str, env: Sequence[str] = ()) -> str:
        """Run a command in a fresh container of a service, which is gone afterwards."""
        more = [word for each in env for word in ("--env", each)]
        return self("run", "--rm", "--no-deps", "--no-TTY", *more, service, *command)

    def containers(self, service: str | None = None) -> list[Container]:
        """Return the containers of a service, or all of them, those that have ended included."""
        told = self("ps", "--all", "--format", "json", *([service] if service else []))
        found = [json.loads(line) for line in told.splitlines()]
        return [
            Container(
                each["ID"], each["Name"], each["Service"], each["State"], each["Health"], each["ExitCode"]
            )
            for each in found
        ]

    def ask(self, calls: Sequence[Call]) -> list[Reply]:
        """Make calls one after the other from inside the network."""
        told = self(
            "exec", "--no-TTY", INSIDE, "python", "-c", SPEAK,
            given=json.dumps([call.as_json() for call in calls]),
        )  # fmt: skip
        return [Reply(status, body) for status, body in json.loads(told)]

    def kill(self, container: Container) -> None:
        """SIGKILL: it stays down until it is started."""
        docker("kill", container.id)

    def end_from_inside(self, container: Container) -> None:
        """SIGTERM by somebody inside, which Docker takes for an end like any other and follows its policy."""
        docker("exec", container.id, "python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")

    def restarts(self, container: Container) -> int:
        """Return how many times Docker started a container again by itself."""
        return int(docker("inspect", "--format", "{{.RestartCount}}", container.id))

    def health(self, container: Container) -> str:
        return docker("inspect", "--format", "{{.State.Health.Status}}", container.id).strip()

    def left(self) -> list[str]:
        """Return what still carries the project's name: containers, volumes, networks."""
        mark = f"label={PROJECT_LABEL}={self.project}"
        listed = [docker(kind, "ls", *all_, "--quiet", "--filter", mark) for kind, *all_ in KINDS]
        return [name for names in listed for name in names.split()]


KINDS: Final = (("container", "--all"), ("volume",), ("network",))


def docker(*words: str, given: str | None = None) -> str:
    """Run `docker …` in the repository's folder and return what it printed; raises `StepError`."""
    try:
        done = subprocess.run(
            ["docker", *words], cwd=ROOT, input=given, capture_output=True, text=True, timeout=COMMAND_S,
            env={**os.environ, "COMPOSE_ANSI": "never"}, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise StepError("there is no `docker` on PATH") from error
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise StepError(f"docker {' '.join(words[:12])} ended with {done.returncode}:\n{said[-3000:]}")
    return done.stdout
