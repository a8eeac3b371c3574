"""What a gate says to one person, from values alone (B-02): allow, deny or refer, each with a code.

A rule never refuses entry to a resident or a medic at their own area: it refers them to people (S4-15).
Every code there is stands in `CODES`; the version of the rules is the date of `schemes/gate.yaml`'s version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.checkpoint.domain.rules import GateRules
from shared.contracts.checkpoint import Direction, PassKind, PassStatus, Verdict

CODES: Final = (
    "emergency", "gate-closed", "pass-invalid", "wrong-gate", "revoked", "not-yet", "expired", "late-return",
    "stale", "signature-only", "seen-elsewhere", "home", "medic", "movement", "claimed-address", "no-pass",
)  # fmt: skip
_STRICTEST: Final[dict[Verdict, int]] = {"allow": 0, "refer": 1, "deny": 2}


@dataclass(frozen=True, slots=True)
class GateNow:
    """A gate at the instant of the question. `known` is false while the process has no data of it."""

    areas: tuple[str, ...]
    open: bool
    emergency: bool
    known: bool = True


@dataclass(frozen=True, slots=True)
class PassNow:
    """A pass whose signature holds. `status` is what the data says of it; None: it does not know it yet."""

    kind: PassKind
    area: str
    since_ms: int
    until_ms: int
    status: PassStatus | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One person's question. `presented` with `shown` None: a text that is no pass of ours.

    `resident`: the household named by the pass or the claim lives inside the area, or where the pass's one
    lives cannot be known. `claimed`: an address inside the area, or one nothing is known of, was given.
    """

    direction: Direction
    now_ms: int
    shown: PassNow | None
    presented: bool
    resident: bool
    claimed: bool
    elsewhere: bool
    data_age: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: `code` says why, in one word that never changes its meaning."""

    verdict: Verdict
    code: str


def decide(asked: Asked, gate: GateNow, rules: GateRules) -> Decision:
    """Return the answer to one person."""
    found = _by_rule(asked, gate, rules)
    if found.verdict == "deny" and asked.direction == "in" and _own_home(asked, gate):
        return Decision("refer", found.code)
    return found


def strictest(decisions: Sequence[Decision]) -> Decision:
    """Return the answer to a vehicle: that of the person in it who may least (S3-21)."""
    return max(decisions, key=lambda decision: _STRICTEST[decision.verdict])


def _by_rule(asked: Asked, gate: GateNow, rules: GateRules) -> Decision:
    if gate.emergency:
        return Decision("allow", "emergency")
    if not gate.known:
        return Decision("refer", "stale")
    if not gate.open:
        return Decision("refer", "gate-closed")
    if asked.shown is None:
        return _without_pass(asked)
    return _with_pass(asked, asked.shown, gate, rules)


def _without_pass(asked: Asked) -> Decision:
    if asked.presented:
        return Decision("refer" if asked.claimed and asked.direction == "in" else "deny", "pass-invalid")
    if asked.claimed:
        return Decision("refer", "claimed-address" if asked.direction == "in" else "no-pass")
    return Decision("deny", "no-pass")


def _with_pass(asked: Asked, shown: PassNow, gate: GateNow, rules: GateRules) -> Decision:
    if shown.area not in gate.areas:
        return Decision("refer" if asked.claimed and asked.direction == "in" else "deny", "wrong-gate")
    if shown.status == "revoked":
        return Decision("deny", "revoked")
    if asked.now_ms < shown.since_ms:
        return Decision("refer" if asked.direction == "in" else "deny", "not-yet")
    over = asked.now_ms >= shown.until_ms or shown.status == "expired"
    if over and not (asked.direction == "in" and shown.kind == "movement"):
        return Decision("deny", "expired")
    return _inside_window(asked, shown, "late-return" if over else shown.kind, rules)


def _inside_window(asked: Asked, shown: PassNow, code: str, rules: GateRules) -> Decision:
    if asked.elsewhere:
        return Decision("refer", "seen-elsewhere")
    if shown.status is not None:
        return Decision("allow", code)
    # The fact of a new pass may still be on its way, and so may that of its revocation.
    if asked.data_age is None or asked.data_age > rules.stale_after[shown.kind]:
        return Decision("refer", "stale")
    return Decision("allow", "late-return" if code == "late-return" else "signature-only")


def _own_home(asked: Asked, gate: GateNow) -> bool:
    shown = asked.shown
    at_home = shown is not None and shown.kind in {"home", "medic"} and shown.area in gate.areas
    return asked.resident or at_home
