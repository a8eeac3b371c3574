"""What is on this machine: services that say whether they are ready, key files, and the gates' spools."""

import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from cli.doctor.findings import Finding, fail, ok, warn
from cli.stack.files import read_json
from cli.stack.paths import RunDir
from cli.stack.plan import StackState

ANSWER_S = 5.0
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def addresses(stack: StackState | None, named: Mapping[str, str]) -> dict[str, str]:
    """Return where each service answers: those of a local stack, and those named."""
    own = stack.services.items() if stack else ()
    return {name: f"http://127.0.0.1:{child.port}" for name, child in own if child.wanted} | dict(named)


async def look_at_service(name: str, url: str) -> list[Finding]:
    """Ask one service whether it is ready."""
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as http:
        try:
            answer = await http.get("/readyz")
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            return [fail("service", f"{name} does not answer at {url}: {type(error).__name__}")]
    return [judge_readiness(name, answer.status_code, said)]


def judge_readiness(name: str, status: int, said: Any) -> Finding:
    """Judge what a service says of itself."""
    if status == httpx.codes.OK:
        return ok("service", f"{name} is ready")
    waiting = said.get("waiting_for", {}) if isinstance(said, dict) else {}
    return fail("service", f"{name} waits: {', '.join(f'{what}: {why}' for what, why in waiting.items())}")


def look_at_files(run: RunDir, stack: StackState | None) -> list[Finding]:
    """Look at the keys and spools of a run directory."""
    keys = [run.keys / "token.private.jwk", run.pass_keys]
    found = [judge_private(file) for file in keys if file.exists()]
    if run.pass_keys.exists():
        found.append(judge_pass_keys(run.pass_keys))
    running = {name for name, child in (stack.services if stack else {}).items() if child.pid}
    spools = sorted(run.data.glob("*.spool"))
    return [*found, *(judge_spool(file, running=file.stem in running) for file in spools)]


def judge_private(file: Path) -> Finding:
    """Judge whether a key is for its owner's eyes."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & OTHERS:
        return fail("key-file", f"{file} may be read by others: mode {mode:o}")
    return ok("key-file", f"{file} is its owner's alone")


def judge_pass_keys(file: Path) -> Finding:
    """Judge whether passes can be signed and verified."""
    keys = (read_json(file) or {}).get("keys")
    if not isinstance(keys, list) or not any(isinstance(key, dict) and "private" in key for key in keys):
        return fail("pass-keys", f"{file} has no key that signs: no pass can be issued")
    return ok("pass-keys", f"{len(keys)} verify")


def judge_spool(file: Path, *, running: bool) -> Finding:
    """Judge what waits for Kafka in a file; a running checkpoint has it to itself and sends what is in it."""
    if running:
        return ok("spool", f"{file.name} is in use")
    try:
        # As it lies there: a reader that made files beside it would leave them to the next owner.
        spool = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            (waiting,) = spool.execute("SELECT coalesce(sum(count), 0) FROM crossings").fetchone()
        finally:
            spool.close()
    except sqlite3.Error as error:
        return fail("spool", f"{file} cannot be read: {error}")
    if waiting:
        return warn("spool", f"{waiting} crossings wait in {file} and no checkpoint runs to send them")
    return ok("spool", f"{file.name} is empty")
