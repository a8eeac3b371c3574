"""What a poll costs the store: few writes for many visits, and a freeze that fits a transaction."""

import random

import bson
import pytest

from shared.contracts import screening as contract
from shared.contracts.envelope import Context, Message, message
from shared.contracts.screening import Opening, Visit
from tests.builders.screening import (
    DESK,
    NOON,
    ROUND,
    SOURCE,
    Screening,
    address,
    charges,
    household,
    roster,
    round_,
    visit,
)

MANY = 5_000
PARTS = 9
POLL = 2_000


def framed(body: Opening | Visit, id_: str) -> Message:
    topic, type_, key = address(body)
    return message(topic, type_, key, body, Context(id_, SOURCE, NOON, "walker"))


async def frozen() -> Screening:
    houses = [household(f"x{n}", f"{DESK}{n % PARTS + 1:03}.b{n // 50 + 1}.d{n}") for n in range(MANY)]
    screening = Screening(roster(), charges(households=MANY), *houses)
    screening.storage.commits.clear()
    await screening.take("screening.sheets", [framed(Opening(round=round_(), to=DESK), "opening-1")])
    return screening


@pytest.mark.req("S4-08")
async def test_a_community_of_five_thousand_households_is_frozen_in_one_small_transaction() -> None:
    screening = await frozen()
    claimed, written, marked = screening.storage.commits
    assert [len(claimed), len(marked)] == [1, 1]
    kinds = sorted(write.collection for write in written)
    assert kinds == ["denominators", "heads", "positions", *["sheets"] * PARTS]
    assert sum(len(bson.encode(write.body)) for write in written) < 2_000_000


async def test_a_poll_of_two_thousand_visits_writes_each_part_once() -> None:
    screening = await frozen()
    screening.storage.commits.clear()
    draw = random.Random(1)
    said = [framed(visit(f"x{draw.randrange(MANY)}"), f"visit-{n:06}") for n in range(POLL)]
    await screening.take("screening.sheets", said)
    (written,) = screening.storage.commits
    assert len(written) == PARTS + 1
    assert len(written) <= 0.3 * POLL
    tallies = [each for each in screening.watch.of(contract.TALLY) if each.key == f"{DESK}/{ROUND}".encode()]
    assert len(tallies) == (PARTS + 1) + PARTS
