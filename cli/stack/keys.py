"""The keys of a development stack: of who speaks (`gridloop token`), and of passes (`gridloop pass-keys`)."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from cli.errors import UserError
from cli.stack.files import read_json
from services.checkpoint.keys import new_file, new_key
from shared.kernel.clock import SystemClock
from shared.runtime.tokens import generate_key_pair, mint, read_key

OPERATOR = "operator"
"""The handle that may change any desk of a development stack, for the first import."""
GATE_DEVICE = "gate-device"
"""The handle whose token may ask at any gate of a development stack."""


def public_key(keys: Path) -> Path:
    """Return the file services verify with; the pair is made where there is none."""
    _ensure(keys)
    return keys / "token.public.jwk"


def token_for(person: str, keys: Path, lifetime: timedelta) -> str:
    """Return a bearer token for a person."""
    _ensure(keys)
    key = read_key(keys / "token.private.jwk")
    return mint(key, person, lifetime=lifetime, now=SystemClock().now())


def pass_keys(file: Path) -> Path:
    """Return the file a gate signs and verifies passes with; it is made where there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, new_file(SystemClock().now()))
    return file


def rotate_pass_keys(file: Path) -> str:
    """Add a key, which signs from now on while those before it still verify; return its id."""
    known = _read(file)
    fresh = new_key(SystemClock().now())
    _write(file, {**known, "keys": [*known["keys"], fresh]})
    return fresh["kid"]


def withdraw_pass_key(file: Path, kid: str) -> None:
    """Drop a key: no pass signed with it is believed any more. The last that signs stays."""
    known = _read(file)
    kept = [key for key in known["keys"] if key["kid"] != kid]
    if len(kept) == len(known["keys"]):
        raise UserError(f"there is no pass key {kid!r}.")
    if not any("private" in key for key in kept):
        raise UserError(f"{kid} is the last key that signs: rotate first.")
    _write(file, {**known, "keys": kept})


def pass_key_ids(file: Path) -> list[str]:
    """Return the ids of the keys that are believed, the oldest first."""
    return [str(key["kid"]) for key in _read(file)["keys"]]


def _ensure(keys: Path) -> None:
    if not (keys / "token.public.jwk").exists():
        keys.mkdir(parents=True, exist_ok=True)
        generate_key_pair().write(keys)


def _read(file: Path) -> dict[str, Any]:
    known = read_json(file)
    if known is None:
        raise UserError(f"{file} holds no pass keys.")
    return known


def _write(file: Path, keys: Mapping[str, Any]) -> None:
    # For its owner's eyes from the first byte on; and a reader sees the old keys or the new, never half.
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(keys, indent=1) + "\n", encoding="utf-8")
    fresh.replace(file)
