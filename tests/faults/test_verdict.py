"""The judge of the faults sees what must not be: each kind of it planted into a log that was right."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.loops import Orders
from tests.faults.report import page
from tests.faults.run import Recovery, Result
from tests.faults.verdict import Verdict, compare_counts
from tests.harness import judging
from tests.harness.judging import Reason

TASK = "order-0001"
LOOP = Orders(3)
ABOVE = {roster.desk: (*roster.path, roster.desk) for roster in LOOP.rosters}


@dataclass
class Kept:
    """A record as the log gives it back."""

    value: bytes
    timestamp: int = 0
    key: bytes = b""
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def answers() -> list[Kept]:
    """Return every answer of the order, a second apart; the last is said twice."""
    values = [each.value or b"" for each in LOOP.sayings(TASK, 1)]
    once = {said.entry: value for value in values if (said := LOOP.said(value))}
    kept = [Kept(value, 1000 * number) for number, value in enumerate(once.values(), 1)]
    return [*kept, Kept(kept[-1].value, 1000 * len(kept) + 1)]


def given() -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for each in answers()[:-1]:
        said = LOOP.said(each.value)
        assert said is not None
        counts.update((TASK, above) for above in ABOVE[said.desk])
    return counts


def progress(counted: int, *, v: int, at: int) -> Kept:
    counts = {"total": 6, "delivered": counted, "done": counted}
    body = {
        "directive": TASK, "desk": LOOP.top, "v": v, "version": 1, "changes": 0, "effect": "order",
        "status": "open", "total": counts, "cells": {}, "own": counts, "desks": 4, "missing": 0,
        "all_reported": False, "complete": False,
    }  # fmt: skip
    return Kept(json.dumps(body).encode(), at)


def compared(*shown: Kept) -> Verdict:
    verdict = Verdict()
    compare_counts(verdict, LOOP, given(), said=answers(), shown=shown)
    return verdict


def test_a_log_that_is_right_is_judged_right() -> None:
    many = len(answers()) - 1
    verdict = compared(progress(1, v=1, at=1000), progress(many, v=2, at=1000 * many))
    assert (verdict.lost, verdict.doubled, verdict.above, verdict.why) == (0, 0, 0, [])
    assert verdict.samples == 2


def test_an_answer_that_is_not_counted_at_the_end_is_lost() -> None:
    many = len(answers()) - 1
    assert compared(progress(many - 1, v=2, at=9000)).lost == 1
    assert compared().lost == many


def test_an_answer_that_is_counted_twice_is_doubled() -> None:
    many = len(answers()) - 1
    verdict = compared(progress(many + 1, v=2, at=9000))
    assert (verdict.doubled, verdict.above) == (1, 1)


def test_a_count_before_its_answer_is_above_the_truth() -> None:
    many = len(answers()) - 1
    verdict = compared(progress(2, v=1, at=1999), progress(many, v=2, at=9000))
    assert (verdict.lost, verdict.doubled, verdict.above) == (0, 0, 1)


@pytest.mark.parametrize(
    ("bodies", "lost", "doubled"), [((), 1, 0), ((b"a", b"a"), 0, 0), ((b"a", b"b"), 0, 1)]
)
def test_a_command_has_one_outcome(bodies: tuple[bytes, ...], lost: int, doubled: int) -> None:
    found = judging.decided_once([TASK], [Kept(body, key=f"6108/{TASK}".encode()) for body in bodies])
    assert sums(found) == (lost, doubled)


def sums(reasons: list[Reason]) -> tuple[int, int]:
    verdict = Verdict()
    verdict.add(reasons)
    assert len(verdict.why) == len(reasons)
    return verdict.lost, verdict.doubled


def told(posts: list[str], id_: str) -> Kept:
    body: dict[str, Any] = {
        "directive": TASK, "version": 1, "epoch": 0, "desk": LOOP.top, "effect": "order", "text": "x",
        "entries": [{"addressee": post, "level": "cw5:1", "holder": "p-1"} for post in posts],
    }  # fmt: skip
    return Kept(json.dumps(body).encode(), headers=[("ce_id", id_.encode())])


def test_everybody_is_told_under_one_id() -> None:
    posts = list(LOOP.addressees())

    def judged(*deliveries: Kept) -> tuple[int, int]:
        found = judging.told(deliveries, {TASK})
        return sums(judging.told_once(found, [(TASK, post) for post in posts]))

    assert judged(told(posts, "one"), told(posts, "one")) == (0, 0)
    assert judged(told(posts[1:], "one")) == (1, 0)
    assert judged(told(posts, "one"), told(posts[:1], "two")) == (0, 1)
    # A later version of an order is told anew.
    later = json.loads(told(posts, "two").value) | {"version": 2}
    assert judged(told(posts, "one"), Kept(json.dumps(later).encode(), headers=[("ce_id", b"two")])) == (0, 0)


def result(**other: Any) -> Result:
    fields: dict[str, Any] = {"name": "row", "says": "something happens"}
    fields |= {
        "service": "dispatch",
        "reliability": "F01",
        "wanted": 2,
        "injected": 2,
        "recoveries": [Recovery(0.1, 1.0, 2.0), Recovery(0.1, 3.0, 4.0)],
    }
    return Result(**{**fields, **other})


@pytest.mark.parametrize(
    "other",
    [{"injected": 0}, {"injected": 1}, {"lost": 1}, {"doubled": 1}, {"above_truth": 1}, {"wrong": ["x"]}],
)
def test_a_row_that_proves_nothing_or_breaks_something_is_not_good(other: dict[str, Any]) -> None:
    assert result().good
    assert not result(**other).good


def test_the_page_has_a_row_for_each_fault_and_the_reason_of_one_that_was_skipped() -> None:
    text = page({"date": "2026-01-01"}, "load", [result(), result(name="other", skipped="no disk")])
    assert "| row | dispatch | F01 | 2 | 0.1 (0.1) | 2.0 (3.0) | 3.0 (4.0) |" in text
    assert "skipped: no disk" in text
    assert "- date: 2026-01-01" in text
