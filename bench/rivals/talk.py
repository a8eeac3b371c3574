"""A client in a process of its own, told in lines what to do, so that it can be timed and metered."""

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import IO, Final

import psutil

from bench.report import Void
from cli.stack.paths import ROOT
from cli.stack.processes import die_with_parent

READY: Final = "ready"
ORDER: Final = "order"
DELIVERED: Final = "delivered"
ANSWER: Final = "answer"
ANSWERED: Final = "answered"
# To build the city, encode its answers and load them is nobody's measured work, however large the city.
PREPARED_S: Final = 600


class Client:
    """`python -m bench.rivals.<module>`: hears one word at a time and says one back."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self.process = psutil.Process(child.pid)

    def say(self, word: str) -> None:
        """Tell it to go on."""
        pipe = _open(self._child.stdin)
        pipe.write(f"{word}\n".encode())
        pipe.flush()

    def hear(self, word: str, deadline: float) -> float:
        """Wait for its word; return the moment. Raises `Void` when it is late or has ended."""
        pipe = _open(self._child.stdout)
        if not select.select([pipe], [], [], max(0.0, deadline - perf_counter()))[0]:
            raise Void(f"not {word} in time")
        heard = pipe.readline().decode().strip()
        if heard != word:
            raise Void(f"not {word}: it said {heard or 'nothing and ended'}")
        return perf_counter()


@contextmanager
def client(module: str, *arguments: str) -> Iterator[Client]:
    """Run a client until the block ends; it is ready at its beginning and killed at its end."""
    child = subprocess.Popen(
        [sys.executable, "-m", f"bench.rivals.{module}", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - spawned from the main thread, which is alone here
    )
    try:
        talking = Client(child)
        talking.hear(READY, perf_counter() + PREPARED_S)
        yield talking
    finally:
        child.kill()
        child.communicate()


def told(word: str) -> None:
    """Wait in the client for the bench's word."""
    heard = sys.stdin.readline().strip()
    if heard != word:
        raise SystemExit(f"waited for {word!r}, heard {heard!r}")


def tell(word: str) -> None:
    """Say a word to the bench."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def stay() -> None:
    """Wait in the client for its end: until then the bench can meter it."""
    sys.stdin.read()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("a client is started with pipes")
    return pipe
