"""What each holder will do, drawn from the seed and the post alone, so that nothing else can change it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from cli.demo.world import Seat
from shared.contracts.dispatch import AnsweredState

Manner = Literal["answers", "silent", "refuses"]
Channel = Literal["http", "topic"]

REFUSE = 0.02
TWICE = 0.03
EARLY = 0.02
READ_FIRST = 0.5
READS_WITHIN_S = (0.1, 0.6)
ACTS_WITHIN_S = (0.2, 0.8)
DECIDES_WITHIN_S = (0.2, 0.5)

REFUSALS = ("已隔离在家，无法入户", "人在外地，今晚赶不回", "所辖院落正在拆迁，无人居住")
VERDICTS: Sequence[tuple[AnsweredState, str]] = (
    ("executed", "本人联系不上，由上级代为办理"),
    ("excused", "情况属实，免予办理"),
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One holder's part.

    `twice`: sends every answer again under its id; `early`: answers before any delivery; `reads_first`: says
    so on reading, and does not wait until the task is done.
    """

    manner: Manner
    channel: Channel
    twice: bool
    early: bool
    reads_first: bool
    reads_after_s: float
    acts_after_s: float
    refusal: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a superior says for an open entry; whoever is asked, of one entry it is the same."""

    state: AnsweredState
    reason: str
    after_s: float


def behaviour(seat: Seat, *, seed: int, silent: float, speed: float) -> Behaviour:
    """Draw one holder's part. Duty desks always answer: they are staffed day and night."""
    rng = Random(f"{seed}/{seat.post}")  # noqa: S311 - a made-up holder, repeatable by the seed
    lot = 1.0 if seat.type == "city-vertical:duty-desk" else rng.random()
    manner: Manner = "silent" if lot < silent else "refuses" if lot < silent + REFUSE else "answers"
    return Behaviour(
        manner=manner,
        channel=rng.choice(("http", "topic")),
        twice=rng.random() < TWICE,
        early=rng.random() < EARLY and manner == "answers",
        reads_first=rng.random() < READ_FIRST,
        reads_after_s=rng.uniform(*READS_WITHIN_S) / speed,
        acts_after_s=rng.uniform(*ACTS_WITHIN_S) / speed,
        refusal=rng.choice(REFUSALS),
    )


def verdict(post: str, *, seed: int, speed: float) -> Verdict:
    rng = Random(f"{seed}/verdict/{post}")  # noqa: S311 - as above
    state, reason = rng.choice(VERDICTS)
    return Verdict(state, reason, rng.uniform(*DECIDES_WITHIN_S) / speed)
