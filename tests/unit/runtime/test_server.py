"""The drain, on a real process: streams end at once, the lifespan ends, nothing holds a stop for ever."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared.runtime.server import FAILED_START, HARD_EXIT, until_drained

SERVICE = Path(__file__).with_name("drained_service.py")
ROOT = Path(__file__).parents[3]


@contextmanager
def running(mode: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"MODE": mode, "GRIDLOOP_HTTP_PORT": "0", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(SERVICE)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"running on (http://[0-9.:]+)", line)
        if found:
            return found[1]
    pytest.fail("the service did not start")


def test_an_open_stream_ends_at_once_and_the_process_with_it() -> None:
    with running("stops") as process, httpx.Client(base_url=address(process)) as client:
        assert client.get("/healthz").json()["alive"] is True
        with client.stream("GET", "/events") as answer:
            chunks = answer.iter_text()
            assert next(chunks) == "data: first\n\n"
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert list(chunks) == []
            assert time.monotonic() - began < 1
        out, err = process.communicate(timeout=5)
        assert time.monotonic() - began < 2
        # 143 to a shell: ended by the signal, after an orderly stop.
        assert process.returncode == -signal.SIGTERM
        assert out == "lifespan ended\n"
        assert "Traceback" not in err


def test_a_lifespan_that_hangs_is_ended() -> None:
    with running("hangs") as process:
        address(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
        assert process.returncode == HARD_EXIT
        assert "drain deadline passed" in err


def test_a_failed_start_says_so() -> None:
    with running("fails") as process:
        _, err = process.communicate(timeout=10)
        assert process.returncode == FAILED_START
        assert "no database" in err


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_a_stream_passes_through_until_its_own_end() -> None:
    assert [item async for item in until_drained(numbers(3), asyncio.Event())] == [0, 1, 2]


async def test_a_drained_process_starts_no_stream() -> None:
    drain = asyncio.Event()
    drain.set()
    assert [item async for item in until_drained(numbers(3), drain)] == []


async def test_the_error_of_a_stream_is_not_swallowed() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        [item async for item in until_drained(broken(), asyncio.Event())]


async def test_a_waiting_source_is_let_go() -> None:
    let_go = asyncio.Event()

    async def waiting() -> AsyncIterator[int]:
        yield 1
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()

    drain = asyncio.Event()
    async for _ in until_drained(waiting(), drain):
        asyncio.get_running_loop().call_soon(drain.set)
    await asyncio.wait_for(let_go.wait(), 1)
