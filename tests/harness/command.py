"""`gridloop` as an operator runs it, within this process: what it printed, and how it ended."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from cli.__main__ import build_app
from cli.errors import UserError
from tests.servers import PARTITIONS, Servers


@dataclass(frozen=True)
class Said:
    """What a command said."""

    status: int
    out: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def gridloop(servers: Servers, *words: str, **env: str) -> Said:
    """Run a command against these servers; a sentence for the user counts as what was printed."""
    own = {
        "GRIDLOOP_KAFKA": servers.kafka,
        "GRIDLOOP_MONGO": servers.mongo,
        "GRIDLOOP_LOCAL": "true",
        "GRIDLOOP_PARTITIONS": str(PARTITIONS),
    }
    # In a thread: the command runs an event loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, build_app(), list(words), env={**own, **env})
    if isinstance(done.exception, UserError):
        return Said(done.exception.status, str(done.exception))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.output)
