"""Ids: ULIDs, minted at the edge only, and UUIDv5 ids derived from the cause of what they name.

Whatever a consumer emits takes a derived id, so that a redelivered record names its outputs as before.
"""

import re
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime

from shared.kernel.clock import Clock, utc_ms

ENTROPY_BYTES = 10
ENTROPY_AHEAD = 64
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26
# Two characters at a time: every request mints an id.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(10 * (_LENGTH // 2 - 1), -1, -10)
# 26 characters hold 130 bits and a ULID has 128: the first character stops at 7.
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
# Fixed for ever: another namespace would rename every event derived so far.
_NAMESPACE = uuid.UUID("6f1d3c2e-5a0b-5c61-9f7e-9b2d4e8a1c07")


def new_ulid(now: datetime, entropy: bytes) -> str:
    """Make a ULID of an instant and ten random bytes; ids of one millisecond come in no order."""
    if len(entropy) != ENTROPY_BYTES:
        message = f"a ULID takes {ENTROPY_BYTES} bytes of entropy, not {len(entropy)}"
        raise ValueError(message)
    number = utc_ms(now) << 80 | int.from_bytes(entropy)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def is_ulid(text: str) -> bool:
    return _ULID.fullmatch(text) is not None


def derived_id(*parts: str | int) -> str:
    """Name an effect by its cause: equal parts, equal id, in every process and after every restart."""
    # Each part stands behind its length, so that ("a", "bc") and ("ab", "c") stay apart.
    name = "".join(f"{len(text)}:{text}" for text in map(str, parts))
    return str(uuid.uuid5(_NAMESPACE, name))


class UlidFactory:
    """Mints ULIDs where a request enters the system; tests inject the clock and the entropy."""

    def __init__(self, clock: Clock, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._clock = clock
        self._entropy = entropy
        self._left = b""

    def new(self) -> str:
        # Asking the system for ten bytes costs as much as for hundreds.
        if not self._left:
            self._left = self._entropy(ENTROPY_BYTES * ENTROPY_AHEAD)
        entropy, self._left = self._left[:ENTROPY_BYTES], self._left[ENTROPY_BYTES:]
        return new_ulid(self._clock.now(), entropy)
