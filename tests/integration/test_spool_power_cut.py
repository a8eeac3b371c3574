"""Power lost at a gate, on a real process and its real files: what was answered is there, or damage is named.

What is answered was synced before (`synchronous=FULL`). So a power cut can take what lies behind the last
answered transaction of the write-ahead log, and leave anything in its place. What lies before is only ever
lost to a disk that breaks its word: the last test says what of that is found out at the next start.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from shared.contracts import checkpoint as contract
from shared.runtime.tokens import KeyPair
from tests.builders.checkpoint import GATE
from tests.harness.door import DEVICE, Gate
from tests.harness.log import Log, header, new_id
from tests.harness.services import Service, running
from tests.harness.waiting import until
from tests.harness.wal import commit_ends, wal_of
from tests.servers import Servers

NOWHERE = "127.0.0.1:9"
"""A broker that is never there."""

ANSWERS = 12
HALF_A_FRAME = 2_000


def made(servers: Servers, folder: Path, **other: str) -> Service:
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk"), "GRIDLOOP_GATE_DEVICES": DEVICE, **other}
    # The first instance is that of all facts; every other one stands by itself.
    instance = "apart" if other else "a"
    return Service(
        servers, folder, name="checkpoint", instance=instance, database=new_id("test"), env=env, forked=True
    )


@pytest.fixture(scope="module")
def checkpoint(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Service]:
    del keys
    with running(made(servers, folder)) as service:
        yield service


@pytest.fixture
async def gate(checkpoint: Service, keys: KeyPair, log: Log) -> AsyncIterator[Gate]:
    opened = Gate(checkpoint, keys)
    async with opened.http:
        await opened.has_facts(log)
        yield opened


@pytest.mark.req("B-02", "B-06")
@pytest.mark.timeout(200)
async def test_a_power_cut_loses_nothing_that_was_answered(
    servers: Servers, gate: Gate, checkpoint: Service, log: Log
) -> None:
    stack, wal = servers.local, wal_of(checkpoint.spool)
    text = (await gate.issued("home"))["text"]
    await gate.says("home", text=text)
    await until(gate.all_merged, what="everything so far is merged")
    unanswered = []
    await asyncio.to_thread(stack.stop, "kafka")
    try:
        for rubbish in (b"", bytes(9_000), os.urandom(9_000)):
            for _ in range(ANSWERS):
                await gate.ask("in", text=text)
            safe = commit_ends(wal)[-1]
            unanswered.append(await ask_and_go(gate, text))
            await until(lambda safe=safe: commit_ends(wal)[-1] > safe, what="one more is written")
            checkpoint.kill()
            # The last transaction is torn in the middle of a page, and whatever was on the disk follows.
            whole = wal.read_bytes()
            wal.write_bytes(whole[: safe + HALF_A_FRAME] + rubbish)
            checkpoint.start()
            await until(lambda: is_alive(gate), what="it is up again")
    finally:
        await asyncio.to_thread(stack.resume, "kafka")
    await checkpoint.ready()
    # Who had no answer asks again, and it is the same crossing whether or not it was kept.
    for key in unanswered:
        assert (await gate.ask("in", text=text, key=key))["crossing"] == key
    await until(gate.all_merged, what="everything that was answered is merged, once", within_s=60)
    await until(lambda: waiting(gate, 0), what="the spool is empty")
    kept = {header(record, "ce_id") for record in await log.read(contract.CROSSINGS_TOPIC)}
    assert gate.answered <= kept
    assert await gate.all_merged()


@pytest.mark.req("B-02")
@pytest.mark.timeout(200)
async def test_what_is_found_out_of_damage_to_what_was_synced(
    servers: Servers, folder: Path, keys: KeyPair
) -> None:
    """A file's pages are all checked at start: lost or changed ones are refused by name, with exit 78.

    A log is believed up to its first frame whose checksum fails, and not a byte of it beyond: SQLite cannot
    tell the end of a log from damage, so what was committed behind it is dropped without a word. No power
    cut does that to frames that were synced; and what is before the damage is all there, in order.
    """
    service = made(servers, folder, GRIDLOOP_KAFKA=NOWHERE)
    wal, ends = wal_of(service.spool), []
    try:
        service.start()
        gate = Gate(service, keys)
        async with gate.http:
            await until(lambda: is_alive(gate), what="it is up")
            for _ in range(ANSWERS):
                assert (await gate.ask("in"))["code"] == "stale"
                ends.append(commit_ends(wal)[-1])
            service.kill()
            before = Files(service.spool)
            for damage, left in (
                (before.log, ANSWERS),
                (before.log[: ends[5] + HALF_A_FRAME], 6),  # cut off inside the seventh
                (flipped(before.log, ends[5] + HALF_A_FRAME), 6),  # the seventh is damaged, the rest is whole
                (flipped(before.log, 20), 0),  # the log's own head is
            ):
                before.put(log=damage)
                service.start()
                await until(lambda: is_alive(gate), what="it starts all the same")
                await gate.ask("in")
                await until(lambda left=left: waiting(gate, left + 1), what=f"{left} wait, and one more")
                service.kill()
            # Ended in order, the process leaves no log: everything is in the file.
            before.put()
            service.start()
            await until(lambda: waiting(gate, ANSWERS), what="all wait")
            await service.stop()
        assert not wal.exists()
        after = Files(service.spool)
        for damage in (after.file[:-4_096], after.file[:-100], flipped(after.file, len(after.file) - 300)):
            after.put(file=damage)
            assert await refused(service) == 78
            assert "spool-damaged" in service.log.read_text()
            assert service.spool.name in service.log.read_text()
            assert service.spool.read_bytes() == damage
    finally:
        service.kill()


class Files:
    """A spool's file and its log, to be put back as often as they are damaged."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self.file = spool.read_bytes()
        self.log = wal_of(spool).read_bytes() if wal_of(spool).exists() else b""

    def put(self, *, file: bytes | None = None, log: bytes | None = None) -> None:
        self._spool.write_bytes(self.file if file is None else file)
        wal_of(self._spool).write_bytes(self.log if log is None else log)


def flipped(content: bytes, at: int) -> bytes:
    """Return content with one byte changed."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


async def ask_and_go(gate: Gate, text: str) -> str:
    """Ask a question and read no answer to it; return the key it was asked under."""
    key = new_id("question")
    asked = gate.http.build_request(
        "POST",
        f"/gates/{GATE}/decisions",
        json={"direction": "in", "pass": text, "temperature": 36.5},
        headers=gate.bearer(DEVICE) | {"idempotency-key": key},
    )
    lines = [b"POST " + asked.url.raw_path + b" HTTP/1.1", *(b": ".join(pair) for pair in asked.headers.raw)]
    _, writer = await asyncio.open_connection("127.0.0.1", gate.service.port)
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + asked.content)
    await writer.drain()
    writer.close()
    return key


async def is_alive(gate: Gate) -> bool:
    try:
        return (await gate.http.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def waiting(gate: Gate, crossings: int) -> bool:
    """Return whether so many crossings wait in the spool, as the process itself says."""
    try:
        said = (await gate.http.get("/metrics")).text
    except httpx.TransportError:
        return False
    return f"gridloop_gate_spooled_crossings {crossings}.0" in said


async def refused(service: Service) -> int | None:
    """Start what must not start, and return how it ended."""
    service.log.unlink(missing_ok=True)
    service.start()
    await until(service.ended, what="it refuses to start")
    return service.exit
