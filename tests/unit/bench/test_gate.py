"""The gate that is asked: an open loop counts from the time a question was to be put."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.gate.generator import main, read_requests, write_requests
from bench.gate.passage import Passage
from bench.gate.place import build_place
from bench.gate.run import wrong_with
from bench.gate.samples import Phase, percentile, phases_of, summary
from services.checkpoint.keys import new_file, read_keys
from services.checkpoint.pass_text import read, text_of

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
STALL_S = 0.3
Ask = Callable[..., Awaitable[dict[str, Any]]]


class Server:
    """Answers on the wire; stalls before one of the questions, hangs up at another."""

    def __init__(self, *, stalls_at: int = -1, hangs_up_at: int = -1, status: int = 200) -> None:
        self.asked = 0
        self._stalls_at = stalls_at
        self._hangs_up_at = hangs_up_at
        self._status = status
        self._stalled = asyncio.Event()
        self._stalled.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                number, self.asked = self.asked, self.asked + 1
                if number == self._hangs_up_at:
                    break
                if number == self._stalls_at:
                    self._stalled.clear()
                    asyncio.get_running_loop().call_later(STALL_S, self._stalled.set)
                # One worker: whoever comes after a stall waits as well.
                await self._stalled.wait()
                body = b'{"verdict":"allow"}'
                head = f"HTTP/1.1 {self._status} X\r\ncontent-length: {len(body)}\r\n\r\n"
                # In two parts: an answer may come in pieces.
                writer.write(head.encode())
                await writer.drain()
                writer.write(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Ask]:
    servers: list[asyncio.Server] = []

    async def put(server: Server, *phases: Phase) -> dict[str, Any]:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        servers.append(listening)
        write_requests(tmp_path / "requests", [REQUEST])
        return await main([listening.sockets[0].getsockname()[1]], tmp_path / "requests", 0, phases)

    yield put
    for each in servers:
        each.close()


class TestTheGenerator:
    async def test_every_question_is_put_once_and_its_answer_read(self, ask: Ask) -> None:
        server = Server()
        said = await ask(server, Phase("before", 100, 0.2), Phase("step", 1_000, 0.1))

        assert server.asked == said["answered"] == said["allowed"] == 120
        assert [said["phases"][name]["questions"] for name in ("before", "step")] == [20, 100]
        assert said["phases"]["step"]["errors"] == 0

    async def test_a_server_that_stalls_does_not_slow_the_questions_down(self, ask: Ask) -> None:
        """Those that were to be asked meanwhile have waited since then: no stall is left out."""
        said = await ask(Server(stalls_at=10), Phase("steady", 200, 0.5))
        steady = said["phases"]["steady"]

        assert steady["max_ms"] >= STALL_S * 1000 * 0.9
        # 60 of 100 fall due within the stall, evenly: half of all waited for a sixth of it.
        assert steady["p50_ms"] > STALL_S * 1000 / 10
        assert steady["late_p99_ms"] < STALL_S * 1000

    async def test_a_lost_answer_is_an_error_and_is_not_asked_again(self, ask: Ask) -> None:
        server = Server(hangs_up_at=5)
        said = await ask(server, Phase("steady", 100, 0.2))

        assert said["phases"]["steady"]["errors"] == 1
        assert server.asked == 20

    async def test_another_status_is_an_error(self, ask: Ask) -> None:
        said = await ask(Server(status=503), Phase("steady", 100, 0.1))
        assert said["phases"]["steady"]["errors"] == 10
        assert said["answered"] == 0


class TestSamples:
    def test_percentiles_are_samples_that_were_taken(self) -> None:
        samples = [float(number) for number in range(100, 0, -1)]
        assert [percentile(samples, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
        assert percentile([7.0], 0.99) == 7.0
        assert percentile([], 0.99) == 0.0

    def test_what_was_not_answered_is_an_error_and_in_no_percentile(self) -> None:
        said = summary([0.010, 9.0, 0.020], [0.0, 0.0, 0.001], [200, 0, 200])
        assert said["errors"] == 1
        assert said["max_ms"] == 20.0

    def test_phases_follow_each_other(self) -> None:
        phases = [Phase("before", 5, 10.0), Phase("step", 50, 4.0), Phase("after", 5, 10.0)]
        assert [begun for begun, _ in phases_of(phases)] == [0.0, 10.0, 14.0]


class TestThePlace:
    def test_everybody_has_a_good_pass_for_the_gate_of_their_own_compound(self, tmp_path: Path) -> None:
        place = build_place(300, NOW)
        file = tmp_path / "keys"
        file.write_text(json.dumps(new_file(NOW)))
        keys = read_keys(file, generation=1)
        key = keys.signer(NOW)
        assert key is not None
        residents = Counter(household.household for household in place.households for _ in household.members)

        assert residents.total() == len(place.passes) == 300
        for pass_ in place.passes[:20]:
            presented = read(text_of(pass_, key), keys)
            assert presented is not None
            assert (presented.pass_id, presented.area) == (pass_.pass_id, pass_.area)

        requests = place.requests(key, "token")
        assert len(requests) == 600
        write_requests(tmp_path / "requests", requests)
        assert read_requests(tmp_path / "requests") == requests


class TestWhatMustBeTrue:
    @pytest.mark.parametrize(
        ("sent", "answered", "allowed", "merged", "faults"),
        [
            (100, 100, 100, 100, 0),
            (100, 100, 100, 99, 1),
            (100, 100, 100, 101, 1),
            (100, 90, 90, 97, 0),
            (100, 100, 99, 100, 1),
        ],
    )
    def test_every_answer_is_merged_once_and_nothing_that_was_not_asked(
        self, sent: int, answered: int, allowed: int, merged: int, faults: int
    ) -> None:
        passage = Passage("normal", 0.1, sent, answered, allowed, {}, 1.0, merged=merged)
        assert len(wrong_with(passage)) == faults
