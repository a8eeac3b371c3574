"""A token is verified once, and is worth nothing a moment after it expired."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.runtime.problems import Problem
from shared.runtime.tokens import LEEWAY_S, Remembering, Verifier, generate_key_pair, mint

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Counting(Verifier):
    calls = 0

    def verified(self, token: str, now: datetime) -> tuple[str, int]:
        self.calls += 1
        return super().verified(token, now)


def test_a_token_is_verified_once_while_it_lasts() -> None:
    pair = generate_key_pair()
    verifier = Counting(pair.public)
    remembering = Remembering(verifier)
    token = mint(pair.private, "p-1", lifetime=HOUR, now=NOW)
    assert {remembering.person(token, NOW + HOUR * part / 10) for part in range(10)} == {"p-1"}
    assert verifier.calls == 1
    late = NOW + HOUR + timedelta(seconds=LEEWAY_S + 1)
    for _ in range(2):
        with pytest.raises(Problem, match="unauthorised"):
            remembering.person(token, late)


def test_what_does_not_verify_is_not_remembered_and_pushes_nothing_out() -> None:
    pair, stranger = generate_key_pair(), generate_key_pair()
    verifier = Counting(pair.public)
    remembering = Remembering(verifier, limit=2)
    good = mint(pair.private, "p-1", lifetime=HOUR, now=NOW)
    remembering.person(good, NOW)
    for number in range(5):
        with pytest.raises(Problem, match="unauthorised"):
            remembering.person(mint(stranger.private, f"p-{number}", lifetime=HOUR, now=NOW), NOW)
    before = verifier.calls
    assert remembering.person(good, NOW) == "p-1"
    assert verifier.calls == before


def test_what_is_remembered_is_bounded() -> None:
    pair = generate_key_pair()
    verifier = Counting(pair.public)
    remembering = Remembering(verifier, limit=2)
    tokens = [mint(pair.private, f"p-{number}", lifetime=HOUR, now=NOW) for number in range(3)]
    for token in (*tokens, tokens[0]):
        remembering.person(token, NOW)
    assert verifier.calls == 4
