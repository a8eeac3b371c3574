"""MongoDB for development: a `mongod` on PATH as a one-node replica set, else SecantusDB.

SecantusDB speaks MongoDB's wire protocol on WiredTiger and calls itself a replica set's primary; it is beta,
an optional dependency, and always a process of its own.
"""

import shutil
import sys
from pathlib import Path

from cli.errors import UserError
from cli.stack.paths import RunDir
from cli.stack.plan import Member
from cli.stack.ports import LOOPBACK

NAME = "mongo"
CACHE = "256M"


def uri(port: int) -> str:
    # Direct: the only member is where we say, whatever host name a replica set configuration holds.
    return f"mongodb://{LOOPBACK}:{port}/?directConnection=true"


def member(run: RunDir, port: int) -> Member:
    mongod = shutil.which("mongod")
    secantus = shutil.which("secantusd-py", path=str(Path(sys.executable).parent))
    if mongod:
        argv = _mongod(mongod, run.data / "mongod", port)
    elif secantus:
        argv = _secantus(secantus, run, port)
    else:
        raise UserError("no MongoDB here: install mongod, or this project's `local` extra for SecantusDB.")
    return Member(name=NAME, argv=argv, port=port, is_server=True)


def _mongod(program: str, storage: Path, port: int) -> list[str]:
    storage.mkdir(exist_ok=True)
    place = ["--dbpath", str(storage), "--bind_ip", LOOPBACK, "--port", str(port)]
    return [program, *place, "--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.25", "--quiet"]


def _secantus(program: str, run: RunDir, port: int) -> list[str]:
    # Named, so that no settings file of this machine or user is picked up instead.
    settings = run.path / "secantusd.toml"
    settings.touch()
    place = ["--storage-path", str(run.data / "secantusdb"), "--host", LOOPBACK, "--port", str(port)]
    # Without fsync on commit an acknowledged transaction may be gone after a crash; design §2 rests on it.
    durable = ["--sync-on-commit", "--cache-size", CACHE]
    return [program, "--config", str(settings), *place, *durable, "--log-level", "WARNING"]
