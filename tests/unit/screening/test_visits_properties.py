"""Whatever arrives in whatever order, any number of times: the same documents and the same counts (F-12)."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts import screening as contract
from shared.contracts.base import Model
from shared.contracts.envelope import Context, Message, message
from shared.contracts.screening import Census, CoverageCounts, Opening, PersonSeen, Visit
from shared.kernel.clock import utc_ms
from shared.messaging.reading import read
from tests.builders.screening import (
    DAY,
    DESK,
    HOUSES,
    NOON,
    ROUND,
    SOURCE,
    STREET,
    TODAY,
    Screening,
    address,
    charges,
    closed,
    roster,
    round_,
    visit,
)
from tests.fakes.log import arriving

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
DAYS = (TODAY, TODAY + DAY)
NAMES = ("h1", "h2", "h3", "h4", "h5", "stranger")
Said = tuple[Message, int]


def framed(body: Model, id_: str, minutes: int = 0) -> Said:
    topic, type_, key = address(body)
    at = NOON + timedelta(minutes=minutes)
    return message(topic, type_, key, body, Context(id_, SOURCE, NOON, "walker")), utc_ms(at)


def person(name: str, who: str, temperature: float | None, answer: bool | None) -> PersonSeen:  # noqa: FBT001 - drawn
    answers = {} if answer is None else {"symptoms": answer}
    return PersonSeen.model_validate(
        {"person": f"p-{name}-{who}", "temperature": temperature, "answers": answers}
    )


people = st.tuples(
    st.sampled_from("abx"), st.sampled_from((None, 36.4, 38.5)), st.sampled_from((None, True, False))
)
visits = st.builds(
    lambda name, found, means, minutes, early, members: (
        visit(
            name,
            found,
            means=means,
            at=NOON + timedelta(minutes=minutes - early),
            members=[person(name, *each) for each in members] if found == "screened" else (),
        ),
        minutes,
    ),
    name=st.sampled_from(NAMES),
    found=st.sampled_from(("nobody-home", "refused", "vacant", "moved-away", "screened")),
    means=st.sampled_from(("door", "phone", "self")),
    minutes=st.integers(0, 2_000),
    early=st.sampled_from((-1_500, -10, 0, 600)),
    members=st.lists(people, max_size=3),
)
histories = st.lists(visits, max_size=12)
windows = st.sampled_from(((), DAYS))


def records(history: Sequence[tuple[Visit, int]], days: tuple[Any, ...]) -> list[Said]:
    opening = Opening(round=round_(days=days), to=DESK, sender=STREET)
    said = [framed(body, f"visit-{n:04}", minutes) for n, (body, minutes) in enumerate(history)]
    return [framed(opening, "opening-1"), framed(Census(round=ROUND, desk=DESK), "census-01"), *said]


class Fed(Screening):
    """The groups, fed in polls of the test's own cut."""

    async def feed(self, said: Sequence[Said], cut: random.Random) -> None:
        rest = list(said)
        while rest:
            size = cut.randint(1, 5)
            poll, rest = rest[:size], rest[size:]
            raws = []
            for each, at in poll:
                self.numbers += 1
                raws.append(arriving(each, offset=self.numbers, timestamp=at))
            before = len(self.watch.published)
            await self.flows["screening.sheets"]([read(raw) for raw in raws])
            fresh = self.watch.published[before:]
            self.said += fresh
            await self.settle([each for each in fresh if each.topic == contract.TALLIES_TOPIC.name])
        assert not self.watch.letters

    def documents(self) -> dict[Any, Any]:
        """Return what is stored of the round, but for versions: its own and its charges record's."""
        kept = {"heads", "denominators", "sheets", "desks"}
        return {
            key: {name: value for name, value in body.items() if name not in ("v", "charges_v")}
            for key, body in self.storage.all().items()
            if key[0] in kept
        }

    def tallies(self) -> dict[tuple[str, str], Any]:
        """Return the newest tally of each part and desk, but for its version."""
        newest: dict[tuple[str, str], contract.CoverageTally] = {}
        for tally in sorted(self.bodies(contract.TALLY), key=lambda each: each.v):
            newest[tally.desk, tally.to] = tally
        return {key: tally.model_dump(exclude={"v"}) for key, tally in newest.items()}

    def shown(self) -> Any:
        return self.coverage().model_dump(exclude={"v"})


async def fed(said: Sequence[Said], seed: int, *, late_copies: bool = False) -> Fed:
    board = Fed(roster(), charges(households=len(HOUSES) + late_copies), *HOUSES)
    await board.feed(said, random.Random(seed))
    if late_copies:
        assert board.head().get("status") in (None, "stub", "waiting")
        board.copy(charges(v=2))
        await board.feed([framed(Census(round=ROUND, desk=DESK), "census-02")], random.Random(0))
    return board


@given(history=histories, days=windows, seed=st.integers(0, 2**32), late_copies=st.booleans())
@settings(PATIENT, max_examples=120)
@pytest.mark.req("F-12", "S4-08", "S2-11")
def test_any_order_with_any_repetition_gives_the_same_documents_and_counts(
    history: list[tuple[Visit, int]], days: tuple[Any, ...], seed: int, *, late_copies: bool
) -> None:
    said = records(history, days)
    shuffled = [*said, *said[::2]]
    random.Random(seed).shuffle(shuffled)
    expected = asyncio.run(fed(said, seed))
    board = asyncio.run(fed(shuffled, seed + 1, late_copies=late_copies))
    assert board.documents() == expected.documents()
    assert board.tallies() == expected.tallies()
    assert board.shown() == expected.shown()


@given(history=histories, after=histories, days=windows, seed=st.integers(0, 2**32))
@settings(PATIENT, max_examples=60)
@pytest.mark.req("F-12")
def test_coverage_never_exceeds_what_was_frozen_never_falls_and_never_changes_after_the_close(
    history: list[tuple[Visit, int]], after: list[tuple[Visit, int]], days: tuple[Any, ...], seed: int
) -> None:
    async def run() -> None:
        board = await fed(records(history, days), seed)
        for coverage in board.bodies(contract.COVERAGE):
            _is_whole(coverage.total)
        shown = [each.total for each in board.bodies(contract.COVERAGE)]
        for earlier, later in pairwise(shown):
            assert earlier.covered <= later.covered
            assert earlier.persons_covered <= later.persons_covered
        await board.feed(
            [framed(Opening(round=closed(round_(days=days)), to=DESK, sender=STREET), "close-01")],
            random.Random(0),
        )
        at_close = board.shown()
        assert at_close["closed"]
        said = [framed(body, f"later-{n:04}", minutes) for n, (body, minutes) in enumerate(after)]
        await board.feed(said, random.Random(seed))
        assert board.shown() == at_close
        assert sum(why in ("late", "future") for _, _, why, *_ in board.head()["listed"]) >= len(after)

    asyncio.run(run())


def _is_whole(total: CoverageCounts) -> None:
    assert 0 <= total.covered == total.screened + total.vacant + total.moved_away
    assert total.covered + total.nobody_home + total.refused <= total.households
    assert total.persons_covered <= total.persons
    assert total.watched <= total.units
