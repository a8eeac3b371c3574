#!/usr/bin/env python3
"""`mongod` as docker-compose.yml and the tests start it, with SecantusDB behind: a stand-in, not a mongod.

SecantusDB calls itself a primary from its first moment. A mongod with `--replSet` does not: it is nobody's
primary until `replSetInitiate` names its one member, by the address under which clients find it. That much is
done here, because the health check of docker-compose.yml and the probe of the tests do the initiating.
"""

import argparse
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from secantus import commands
from secantus.server import SecantusDBServer

NOT_YET_INITIALIZED = {"ok": 0.0, "code": 94, "codeName": "NotYetInitialized", "errmsg": "no replset config"}
ALREADY_INITIALIZED = {
    "ok": 0.0,
    "code": 23,
    "codeName": "AlreadyInitialized",
    "errmsg": "already initialized",
}
NOBODY = {
    "isWritablePrimary": False,
    "ismaster": False,
    "secondary": False,
    "isreplicaset": True,
    "info": "Does not have a valid replica set config",
}


class Member(SecantusDBServer):
    """A server that is told by a command which replica set it is, and where."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._config = options.dbpath / "replica-set.json"
        self._set = options.replSet
        self._host: tuple[str, int] | None = None
        super().__init__(
            host="0.0.0.0" if options.bind_ip_all else "127.0.0.1",  # noqa: S104 - in a container, as asked for
            port=options.port,
            storage_path=str(options.dbpath / "secantusdb"),
            replica_set_name=None,
            enable_test_commands=False,
            cache_size="256M",
            sync_on_commit=True,
        )
        if self._config.exists():
            self._become(json.loads(self._config.read_text(encoding="utf-8")))

    @property
    def address(self) -> tuple[str, int]:
        """What clients are told to connect to: the member's host, as a replica set's clients are."""
        return self._host or super().address

    @property
    def is_nobody(self) -> bool:
        """Whether this is to be a member of a replica set that nobody has initiated yet."""
        return self._set is not None and self._host is None

    def initiate(self, config: dict[str, Any]) -> dict[str, Any]:
        if not self.is_nobody:
            return ALREADY_INITIALIZED
        members = config.get("members", [])
        if config.get("_id") != self._set or len(members) != 1:
            wanted = f"wanted the set {self._set} with one member"
            return {"ok": 0.0, "code": 93, "codeName": "InvalidReplicaSetConfig", "errmsg": wanted}
        self._config.write_text(json.dumps({"host": members[0]["host"]}), encoding="utf-8")
        self._become({"host": members[0]["host"]})
        return {"ok": 1.0}

    def _become(self, config: dict[str, str]) -> None:
        host, _, port = config["host"].rpartition(":")
        self._host = (host, int(port))
        self.replica_set_name = self._set


def answer_as(member: Member) -> None:
    """Put the three commands that tell an uninitiated member from a primary before SecantusDB's own."""
    known = commands._HANDLERS  # noqa: SLF001 - the one table of commands; there is no other way in
    hello, status = known["hello"], known["replSetGetStatus"]

    def own_hello(doc: dict[str, Any], ctx: Any) -> dict[str, Any]:
        return hello(doc, ctx) | (NOBODY if member.is_nobody else {})

    def own_status(doc: dict[str, Any], ctx: Any) -> dict[str, Any]:
        return NOT_YET_INITIALIZED if member.is_nobody else status(doc, ctx)

    def initiate(doc: dict[str, Any], ctx: Any) -> dict[str, Any]:
        del ctx
        return member.initiate(doc["replSetInitiate"])

    known |= {"hello": own_hello, "isMaster": own_hello, "ismaster": own_hello}
    known |= {"replSetGetStatus": own_status, "replSetInitiate": initiate}


def read_options() -> argparse.Namespace:
    """Read the options that are used here; any other is an error, as with the real one."""
    parser = argparse.ArgumentParser(prog="mongod", allow_abbrev=False)
    parser.add_argument("--replSet")
    parser.add_argument("--port", type=int, default=27017)
    parser.add_argument("--dbpath", type=Path, default=Path("/data/db"))
    parser.add_argument("--bind_ip_all", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = read_options()
    logging.basicConfig(level=logging.WARNING if options.quiet else logging.INFO)
    member = Member(options)
    answer_as(member)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (member.stop(), sys.exit(0)))
    member.start()
    member.wait()


if __name__ == "__main__":
    main()
