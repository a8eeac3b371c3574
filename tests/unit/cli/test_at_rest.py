"""Nothing is compared but a state during which nothing flowed."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cli.rebuild import command as rebuilding
from cli.rebuild.services import SERVICES
from cli.verify import command as verifying
from cli.verify import rest
from cli.verify.rest import Ends, NotAtRest, at_rest
from shared.messaging.places import Place
from shared.messaging.security import PLAINTEXT
from shared.runtime.settings import ServiceSettings

PLACE = Place("dispatch.acks.v1", 0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What each look will find: the end of the one partition, and who is behind it; the last for ever."""
    found: list[tuple[int, str]] = []

    async def look(*_: object) -> tuple[Ends, Sequence[str]]:
        end, behind = found.pop(0) if found[1:] else found[0]
        return {PLACE: end}, [behind] if behind else []

    monkeypatch.setattr(rest, "_look", look)
    monkeypatch.setattr(rest, "LOOK_S", 0)
    return found


async def rested(seconds: float) -> Ends:
    return await at_rest("nowhere", PLAINTEXT, ["dispatch"], deadline=time.monotonic() + seconds)


async def test_rest_is_two_looks_that_find_the_same(looks: list[tuple[int, str]]) -> None:
    looks += [(1, ""), (2, ""), (2, "somebody"), (2, ""), (2, "")]
    assert await rested(5) == {PLACE: 2}
    assert len(looks) == 1


async def test_what_is_at_rest_is_so_however_little_time_there_is(looks: list[tuple[int, str]]) -> None:
    looks += [(2, "")]
    assert await rested(-1) == {PLACE: 2}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([(1, "somebody")], "somebody"),
        ([(1, ""), (2, "")], "appended"),
        ([(1, ""), (1, "somebody")], "somebody"),
    ],
)
async def test_what_flows_when_the_time_is_over_is_told(
    looks: list[tuple[int, str]], found: list[tuple[int, str]], why: str
) -> None:
    looks += found
    with pytest.raises(NotAtRest, match=why):
        await rested(-1)


class Moving:
    """The ends of the log as each of several questions finds them."""

    def __init__(self, *ends: int) -> None:
        self._ends = list(ends)

    async def __call__(self, *_: object, **__: object) -> Ends:
        return {PLACE: self._ends.pop(0)}


class Nowhere:
    """A database that is empty, and takes whatever is written."""

    def __init__(self, *_: object) -> None:
        self.handle = self

    async def list_collection_names(self) -> list[str]:
        return []

    async def ensure_indexes(self, _: object) -> None:
        return None

    async def close(self) -> None:
        return None


async def nothing(*_: object, **__: object) -> Any:
    return {}


async def rebuilt(monkeypatch: pytest.MonkeyPatch, ends: Moving) -> rebuilding.Rebuilt:
    for name, stand_in in {
        "at_rest": ends, "read_log": nothing, "run": nothing, "read_documents": nothing, "Database": Nowhere,
    }.items():  # fmt: skip
        monkeypatch.setattr(rebuilding, name, stand_in)
    dispatch = SERVICES["dispatch"]
    rebuilding_dispatch: Any = SimpleNamespace(
        groups=dispatch.groups,
        topics=dispatch.topics,
        plan=lambda *_: [],
        indexes=dispatch.indexes,
        volatile={},
    )
    return await rebuilding.rebuilt(dispatch.settings(), rebuilding_dispatch, "again", wait=0)


async def test_a_rebuild_is_compared_if_nothing_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await rebuilt(monkeypatch, Moving(5, 5))).is_equal


async def test_a_rebuild_during_which_something_came_is_neither_equal_nor_different(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NotAtRest, match="meanwhile"):
        await rebuilt(monkeypatch, Moving(5, 6))


async def verified(monkeypatch: pytest.MonkeyPatch, ends: Moving, wait: float) -> int:
    """Return how often it was compared."""
    compared = 0

    async def count(*_: object) -> Any:
        nonlocal compared
        compared += 1

    monkeypatch.setattr(verifying, "at_rest", ends)
    monkeypatch.setattr(verifying, "_compared", count)
    await verifying.compare(ServiceSettings(), ["dispatch"], wait=wait)
    return compared


async def test_it_is_verified_again_where_something_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verified(monkeypatch, Moving(5, 6, 6, 6), wait=5) == 2


async def test_it_is_not_verified_again_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAtRest):
        await verified(monkeypatch, Moving(5, 6, 6, 6), wait=-1)
