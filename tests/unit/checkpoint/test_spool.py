"""The spool: what was answered is on disk, whatever is cut off; damage is refused by name."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.paths import ROOT
from services.checkpoint.spool import Spool, Spooled, SpoolFull
from shared.kernel.errors import ConfigurationError, Transient

KEYS = ("610802006003", "610802006004")


def crossing(number: int) -> Spooled:
    return Spooled(f"crossing-{number:06d}", KEYS[number % 2], number, "p-guard", '{"gate":"值守\\n"}')


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


async def everything(spool: Spool) -> list[Spooled]:
    return [each for group in await spool.oldest(10**9) for each in group.crossings]


async def fill(spool: Spool, numbers: range) -> None:
    await asyncio.gather(*(spool.add(crossing(number)) for number in numbers))


async def test_what_was_added_together_is_there_in_order_also_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=1_000)
    await fill(spool, range(300))
    await spool.add(crossing(300))
    assert await everything(spool) == [crossing(number) for number in range(301)]
    spool.close()
    again = Spool(tmp_path / "s.db", limit=1_000)
    assert again.depth == 301
    assert await everything(again) == [crossing(number) for number in range(301)]
    again.close()


async def test_neighbours_share_one_sync(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=10_000)
    await fill(spool, range(2_000))
    assert len(await spool.oldest(10**9)) <= 3
    spool.close()


async def test_what_is_forgotten_does_not_come_back_and_the_rest_does(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=1_000)
    for number in range(6):
        await spool.add(crossing(number))
    first = await spool.oldest(2)
    assert [each.id for group in first for each in group.crossings] == ["crossing-000000", "crossing-000001"]
    await spool.forget(first)
    assert spool.depth == 4
    spool.close()
    again = Spool(tmp_path / "s.db", limit=1_000)
    assert [each.at for each in await everything(again)] == [2, 3, 4, 5]
    again.close()


async def test_a_full_spool_says_so_and_takes_again_when_there_is_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=2)
    await fill(spool, range(2))
    with pytest.raises(SpoolFull):
        await spool.add(crossing(2))
    await spool.forget(await spool.oldest())
    await spool.add(crossing(3))
    assert [each.at for each in await everything(spool)] == [3]
    spool.close()


async def test_a_disk_that_fails_is_an_answer_not_a_silence(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=10)
    spool._connection.execute("DROP TABLE crossings")
    with pytest.raises(Transient):
        await spool.add(crossing(1))
    with pytest.raises(Transient):
        await spool.oldest()
    assert spool.depth == 0
    spool.close()


@pytest.mark.req("B-02")
async def test_power_lost_at_any_moment_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spool = Spool(path, limit=10_000)
    moments: list[tuple[int, int]] = []
    for step in range(30):
        await fill(spool, range(step * 10, step * 10 + 10))
        moments.append(((step + 1) * 10, wal_of(path).stat().st_size))
    whole = wal_of(path).read_bytes()
    assert len({size for _, size in moments}) > 20
    for answered, safe in moments:
        # Whatever came after the last sync may be gone, torn anywhere, or half written.
        for end in {min(safe + more, len(whole)) for more in (0, 1, 700, 4_200)}:
            cut = tmp_path / "cut.db"
            shutil.copy(path, cut)
            wal_of(cut).write_bytes(whole[:end] + os.urandom(37))
            found = Spool(cut, limit=10_000)
            ids = {each.at for each in await everything(found)}
            found.close()
            assert ids >= set(range(answered))
    spool.close()


@pytest.mark.req("B-02")
async def test_a_transaction_is_synced_before_it_counts_and_nobody_else_has_the_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=10)
    said = [
        spool._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "locking_mode")
    ]
    assert said == ["wal", 2, "exclusive"]
    spool.close()


@pytest.mark.parametrize("where", [0, 100, -2_000, -9_000])
async def test_a_damaged_file_is_refused_by_name(tmp_path: Path, where: int) -> None:
    path = tmp_path / "s.db"
    spool = Spool(path, limit=10_000)
    for number in range(0, 400, 50):
        await fill(spool, range(number, number + 50))
    spool.close()
    with path.open("r+b") as file:
        file.seek(where, os.SEEK_END if where < 0 else os.SEEK_SET)
        file.write(b"\xa5" * 64)
    with pytest.raises(ConfigurationError, match=r"s\.db"):
        Spool(path, limit=10_000)


async def test_a_changed_crossing_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spool = Spool(path, limit=10)
    await spool.add(crossing(1))
    spool.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE crossings SET body = replace(body, 'p-guard', 'p-other')")
    connection.close()
    with pytest.raises(ConfigurationError, match="spool-damaged"):
        Spool(path, limit=10)


def test_a_file_of_something_else_and_one_in_use_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE diary (page)")
    connection.close()
    with pytest.raises(ConfigurationError, match="spool-not-ours"):
        Spool(other, limit=1)
    held = Spool(tmp_path / "s.db", limit=1)
    with pytest.raises(ConfigurationError, match="spool-not-usable"):
        Spool(tmp_path / "s.db", limit=1)
    held.close()
    with pytest.raises(ConfigurationError, match="spool-not-usable"):
        Spool(tmp_path / "absent" / "s.db", limit=1)


KILLED = """
import asyncio, sys
from pathlib import Path
from services.checkpoint.spool import Spool, Spooled

async def main() -> None:
    spool = Spool(Path(sys.argv[1]), limit=10**6)
    number = 0
    while True:
        batch = [Spooled(f"crossing-{number + each:06d}", "k", number + each, "p", "{}") for each in range(7)]
        await asyncio.gather(*(spool.add(each) for each in batch))
        number += 7
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.req("B-02")
async def test_a_killed_process_had_written_all_it_answered(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this test's loop
        [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        answered = 0
        while answered < 700:
            answered = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        answered = max([answered, *map(int, process.stdout.read().split())])
    spool = Spool(path, limit=10**6)
    found = [each.at for each in await everything(spool)]
    spool.close()
    assert found == list(range(len(found)))
    assert len(found) >= answered
