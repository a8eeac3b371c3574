"""Asks at a fixed rate, come what may: `python -m bench.gate.generator PORTS REQUESTS FIRST PHASES`.

An open loop: each question has its time beforehand, and its latency counts from that time, so a server that
is slow cannot slow the questions down and look fast. Sockets and prebuilt bytes, because the process shares
the cores with what it measures. Prints one JSON object: every phase from its raw samples.
"""

import asyncio
import contextlib
import json
import struct
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvloop

from bench.gate.samples import Phase, phases_of, summary

HOST: Final = "127.0.0.1"
CONNECTIONS: Final = 64
PATIENCE_S: Final = 20.0
LEAD_S: Final = 0.2
TICK_S: Final = 0.001
LENGTH: Final = struct.Struct(">I")
OK: Final = 200
UNANSWERED: Final = 0
HEAD_END: Final = b"\r\n\r\n"
CONTENT_LENGTH: Final = b"content-length: "
ALLOWED: Final = b'"allow"'


class Asked(NamedTuple):
    """One question: its place in the row and when it was to be asked."""

    number: int
    intended: float


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one question on its way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.asked: Asked | None = None

    def connection_made(self, transport: Any) -> None:
        """Be ready for a question."""
        self._transport = transport
        self._load.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what was on its way as unanswered, and have another connection take its place."""
        del exc
        self._load.lost(self)

    def send(self, asked: Asked, request: bytes) -> None:
        """Ask."""
        self.asked = asked
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer; a whole one frees the connection."""
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0:
            return
        head = self._received[:end].lower()
        at = head.find(CONTENT_LENGTH)
        body = end + len(HEAD_END)
        length = int(head[at + len(CONTENT_LENGTH) :].partition(b"\r\n")[0]) if at >= 0 else 0
        if len(self._received) >= body + length:
            status, allowed = int(head[9:12]), ALLOWED in self._received[body:]
            self._received = b""
            self._load.answered(self, status, allowed=allowed)


class Load:
    """The row of questions, who is free to ask, and what came back."""

    def __init__(
        self, ports: Sequence[int], requests: Sequence[bytes], phases: Sequence[Phase], first: int
    ) -> None:
        self._ports = cycle(ports)
        self._requests = requests
        self._first = first
        self._times = [begun + number / phase.rate for begun, phase in phases_of(phases)
                       for number in range(phase.questions)]  # fmt: skip
        self._free: deque[Connection] = deque()
        self._waiting: deque[Asked] = deque()
        self._open = True
        self._began = 0.0
        self._connecting: set[asyncio.Task[None]] = set()
        self.latency = array("d", [0.0]) * len(self._times)
        self.late = array("d", [0.0]) * len(self._times)
        self.status = array("i", [UNANSWERED]) * len(self._times)
        self.verdicts: Counter[bool] = Counter()
        self.sent = 0
        self._left = len(self._times)
        self._all = asyncio.Event()

    async def run(self) -> None:
        """Connect, ask everything at its time, and wait for the last answers."""
        for _ in range(CONNECTIONS):
            await self._connect()
        self._began = time.perf_counter() + LEAD_S
        await self._ask()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all.wait(), PATIENCE_S)
        self._open = False

    def free(self, connection: Connection) -> None:
        """Give a connection the next question that waits, or let it wait for one."""
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def answered(self, connection: Connection, status: int, *, allowed: bool) -> None:
        """Note an answer and when it came."""
        asked = connection.asked
        if asked is not None:
            self.latency[asked.number] = time.perf_counter() - asked.intended
            self.status[asked.number] = status
            self.verdicts[allowed] += status == OK
            self._settled()
        connection.asked = None
        self.free(connection)

    def lost(self, connection: Connection) -> None:
        """Note that a question will have no answer; nobody asks it again: that would hide an error."""
        if connection.asked is not None:
            self._settled()
        elif connection in self._free:
            self._free.remove(connection)
        if self._open:
            connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add(connecting)
            connecting.add_done_callback(self._connecting.discard)

    def _settled(self) -> None:
        self._left -= 1
        if not self._left:
            self._all.set()

    async def _connect(self) -> None:
        while self._open:
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self), HOST, next(self._ports)
                )
            except OSError:
                await asyncio.sleep(LEAD_S)
            else:
                return

    async def _ask(self) -> None:
        for number, offset in enumerate(self._times):
            intended = self._began + offset
            while (early := intended - time.perf_counter()) > 0:  # noqa: ASYNC110 - a time is waited for
                await asyncio.sleep(max(early, TICK_S))
            self.late[number] = -early
            asked = Asked(number, intended)
            if self._free:
                self._send(self._free.popleft(), asked)
            else:
                self._waiting.append(asked)

    def _send(self, connection: Connection, asked: Asked) -> None:
        self.sent += 1
        connection.send(asked, self._requests[(self._first + asked.number) % len(self._requests)])


def read_requests(path: Path) -> list[bytes]:
    """Return the prebuilt requests of a file, each behind its length."""
    data, requests, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        requests.append(data[at : at + length])
        at += length
    return requests


def write_requests(path: Path, requests: Sequence[bytes]) -> None:
    """Write what `read_requests` reads."""
    with path.open("wb") as out:
        for request in requests:
            out.write(LENGTH.pack(len(request)))
            out.write(request)


async def main(ports: Sequence[int], requests: Path, first: int, phases: Sequence[Phase]) -> dict[str, Any]:
    """Ask everything, the connections spread over the ports, and return every phase in numbers."""
    load = Load(ports, read_requests(requests), phases, first)
    await load.run()
    answered = sum(load.verdicts.values())
    said: dict[str, Any] = {
        "sent": load.sent, "answered": answered, "allowed": load.verdicts[True], "phases": {},
    }  # fmt: skip
    at = 0
    for phase in phases:
        part = slice(at, at + phase.questions)
        said["phases"][phase.name] = summary(load.latency[part], load.late[part], load.status[part])
        at = part.stop
    return said


if __name__ == "__main__":
    _, ports_, requests_, first_, phases_ = sys.argv
    uvloop.install()
    print(
        json.dumps(
            asyncio.run(
                main(
                    [int(port) for port in ports_.split(",")],
                    Path(requests_),
                    int(first_),
                    [Phase(*each) for each in json.loads(phases_)],
                )
            )
        )
    )
