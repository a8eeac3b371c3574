"""Playing an act and reporting it: who ends first decides, and any difference of any act is told."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from cli.demo.lines import Lines
from cli.demo.play import play, until
from cli.demo.report import SHOWN_AT_MOST, Report


async def forever() -> None:
    await asyncio.Event().wait()


async def said(word: str) -> str:
    await asyncio.sleep(0)
    return word


async def broken() -> None:
    await asyncio.sleep(0)
    raise ValueError("an observer broke")


async def test_the_steps_give_the_result_and_end_what_runs_beside() -> None:
    beside = forever()
    assert await play(said("done"), beside, seconds=5) == "done"
    assert beside.cr_frame is None


async def test_an_observer_that_breaks_ends_the_act_with_its_own_error() -> None:
    with pytest.raises(ValueError, match="an observer broke"):
        await play(forever(), broken(), seconds=5)


async def test_steps_that_take_too_long_give_nothing() -> None:
    assert await play(forever(), forever(), seconds=0.01) is None


async def test_a_condition_is_waited_for_and_given_up() -> None:
    answers = iter([False, True])
    assert await until(lambda: next(answers), seconds=5)
    assert not await until(lambda: False, seconds=0)


async def test_a_line_is_held_by_one_at_a_time_and_free_again_after_an_error() -> None:
    async with httpx.AsyncClient() as client:
        lines = Lines([client])
        with pytest.raises(KeyError):
            async with lines.one():
                raise KeyError
        async with lines.one() as held:
            assert held is client
            waiting = asyncio.ensure_future(lines.one().__aenter__())
            await asyncio.sleep(0)
            assert not waiting.done()
        assert await waiting is client


@dataclass
class Act:
    number: int = 1
    differences: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f"act {self.number}"


def test_acts_that_agree_are_reported_with_one_verdict() -> None:
    report = Report({"directive": Act(1), "gate": Act(2)}, seconds={"all": 1.5})
    *acts, took, verdict = report.lines()
    assert acts == ["act 1", "act 2"]
    assert took == "took          all 1.5 s"
    assert verdict == "every count agrees with the independent one"
    told = json.loads(json.dumps(report.as_json()))
    assert told["gate"] == {"number": 2, "differences": []}
    assert (told["seconds"], told["differences"]) == ({"all": 1.5}, [])


def test_every_difference_is_told_with_its_act_and_only_so_many_are_shown() -> None:
    acts = {"round": Act(1, ["one household"] * SHOWN_AT_MOST)}
    report = Report(acts, differences=["a post"])
    assert report.as_json()["differences"][:2] == ["a post", "round: one household"]
    lines = list(report.lines())
    assert "every count agrees with the independent one" not in lines
    assert lines[-1] == "… and 1 more"
    assert lines[-2] == "DIFFERS: round: one household"
