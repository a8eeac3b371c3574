"""The key pair of a development stack: services verify with its public half, `gridloop token` signs."""

from datetime import timedelta
from pathlib import Path

from shared.kernel.clock import SystemClock
from shared.runtime.tokens import generate_key_pair, mint, read_key

OPERATOR = "operator"
"""The handle that may change any desk of a development stack, for the first import."""


def public_key(keys: Path) -> Path:
    """Return the file services verify with; the pair is made where there is none."""
    _ensure(keys)
    return keys / "token.public.jwk"


def token_for(person: str, keys: Path, lifetime: timedelta) -> str:
    """Return a bearer token for a person."""
    _ensure(keys)
    key = read_key(keys / "token.private.jwk")
    return mint(key, person, lifetime=lifetime, now=SystemClock().now())


def _ensure(keys: Path) -> None:
    if not (keys / "token.public.jwk").exists():
        keys.mkdir(parents=True, exist_ok=True)
        generate_key_pair().write(keys)
