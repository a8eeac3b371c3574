"""What a gate learns beside its answers: passes that may still be shown, and no others."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from services.checkpoint.keys import Keys, SigningKey
from services.checkpoint.learning import TURN, Learning
from services.checkpoint.pass_text import Reader
from services.checkpoint.views import Views
from shared.contracts.checkpoint import PassFact
from tests.builders.gate import NOW, key_file, pass_fact, record


class Fixed:
    """A clock that stands."""

    def now(self) -> object:
        return NOW


class Listening(Reader):
    """A reader that says what it was told to expect, and how many at a time it learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[str] = []
        self.learnt: list[int] = []
        self.all_learnt = asyncio.Event()

    def expect(self, issued: PassFact) -> None:
        self.expected.append(issued.pass_id)
        super().expect(issued)

    def learn(self, most: int, signers: Iterable[SigningKey]) -> int:
        self.learnt.append(super().learn(most, signers))
        if sum(self.learnt) == len(self.expected):
            self.all_learnt.set()
        return self.learnt[-1]


@pytest.fixture
def reader() -> Listening:
    return Listening()


def learning(reader: Reader, path: Path | None) -> Learning:
    return Learning(Views(), reader, Keys(path, Fixed()), Fixed())


def test_only_passes_that_may_still_be_shown_are_expected(reader: Listening, tmp_path: Path) -> None:
    taught = learning(reader, key_file(tmp_path / "keys.json"))
    for fact in (
        pass_fact(pass_id="pass-good"),
        pass_fact(pass_id="pass-ended", until=NOW - timedelta(hours=1)),
        pass_fact(pass_id="pass-revoked", status="revoked"),
    ):
        taught.apply(record(fact))
    assert reader.expected == ["pass-good"]


def test_without_a_key_that_signs_there_is_nothing_to_learn(reader: Listening) -> None:
    learning(reader, None).apply(record(pass_fact()))
    assert reader.expected == []


async def test_it_learns_all_of_them_a_few_at_a_time(reader: Listening, tmp_path: Path) -> None:
    taught = learning(reader, key_file(tmp_path / "keys.json"))
    for number in range(50):
        taught.apply(record(pass_fact(pass_id=f"pass-{number:04}")))
    running = asyncio.create_task(taught.run())
    async with asyncio.timeout(10):
        await reader.all_learnt.wait()
    running.cancel()
    assert max(reader.learnt) <= TURN
