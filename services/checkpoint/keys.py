"""The file with the keys of passes and of pseudonyms: read again when it changes (rotation, withdrawal).

    {"pseudonym": base64url, "keys": [{"kid", "public", "private"?, "since"}, …]}

The newest key that has begun and has a private part signs; every key listed verifies; taking one out of the
file withdraws it, with every pass it signed. Keys are Ed25519, 32 bytes each.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cwt import COSEKey
from cwt.cose_key_interface import COSEKeyInterface
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError

from shared.kernel.clock import Clock
from shared.kernel.errors import ConfigurationError

KEY_BYTES: Final = 32
KID_BYTES: Final = 8
LOOK: Final = timedelta(seconds=1)
SUBJECT_CHARACTERS: Final = 20

# COSE: key type OKP, curve Ed25519, and RFC 9864's name of the algorithm (the older "EdDSA" is ambiguous).
_KTY, _OKP, _KID, _ALG, _CRV, _X, _D = 1, 1, 2, 3, -1, -2, -4
_ED25519_CURVE: Final = 6
ED25519: Final = -19

_log = structlog.stdlib.get_logger(__name__)


def _bytes(text: object) -> object:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_") if isinstance(text, str) else text


Secret = Annotated[bytes, BeforeValidator(_bytes), Field(min_length=KEY_BYTES, max_length=64)]
Part = Annotated[bytes, BeforeValidator(_bytes), Field(min_length=KEY_BYTES, max_length=KEY_BYTES)]


class _Key(BaseModel):
    kid: str
    public: Part
    private: Part | None = Field(default=None)
    since: AwareDatetime


class _File(BaseModel):
    pseudonym: Secret = Field(repr=False)
    keys: list[_Key] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that can sign, and from when."""

    kid: bytes
    since: datetime
    cose: COSEKeyInterface


@dataclass(frozen=True, slots=True)
class KeySet:
    """What one reading of the file gave; `generation` counts readings, so that caches know."""

    generation: int
    verifying: Mapping[bytes, COSEKeyInterface]
    signing: tuple[SigningKey, ...]
    public: tuple[Mapping[str, str], ...]
    pseudonym_key: bytes

    def signer(self, now: datetime) -> SigningKey | None:
        """Return the newest signing key that has begun."""
        begun = [key for key in self.signing if key.since <= now]
        return max(begun, key=lambda key: key.since, default=None)

    def pseudonym(self, household: str, person: str) -> str:
        """Return the name a person has on passes: it means nothing outside the household (F-08)."""
        digest = hmac.digest(self.pseudonym_key, f"{household}|{person}".encode(), hashlib.sha256)
        return base64.b32encode(digest).decode()[:SUBJECT_CHARACTERS].lower()


NO_KEYS: Final = KeySet(0, {}, (), (), b"")


class Keys:
    """The key set in force: looked for again at most once a second."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """Read the file; raises `ConfigurationError` naming it when it is no key file."""
        self._path = path
        self._clock = clock
        self._looked = clock.now()
        self._stamp = _stamp(path)
        self._set = NO_KEYS if path is None else read_keys(path, generation=1)

    def current(self) -> KeySet:
        """Return the key set; a file that cannot be read meanwhile leaves the last one in force."""
        now = self._clock.now()
        # A clock that was set back looks again as well: either way the last look is not a moment ago.
        if not timedelta() <= now - self._looked < LOOK:
            self._looked = now
            self._look()
        return self._set

    def _look(self) -> None:
        stamp = _stamp(self._path)
        if self._path is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._set = read_keys(self._path, generation=self._set.generation + 1)
            _log.info("pass keys read again", keys=len(self._set.verifying))
        except ConfigurationError as error:
            _log.error("pass keys not read, the last ones stay", code=error.code)


def read_keys(path: Path, *, generation: int) -> KeySet:
    """Read a key file; raises `ConfigurationError` naming the file, never what stands in it."""
    try:
        read = _File.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigurationError("unreadable-pass-keys", path.name) from error
    for key in read.keys:
        if key.kid != kid_of(key.public).hex():
            raise ConfigurationError("wrong-kid", f"{path.name}: {key.kid}")
        if key.private is not None and _public_of(key.private) != key.public:
            raise ConfigurationError("parts-of-two-keys", f"{path.name}: {key.kid}")
    if len({key.kid for key in read.keys}) < len(read.keys):
        raise ConfigurationError("kid-named-twice", path.name)
    return KeySet(
        generation,
        {kid_of(key.public): _cose(key.public, None) for key in read.keys},
        tuple(
            SigningKey(kid_of(key.public), key.since, _cose(key.public, key.private))
            for key in read.keys
            if key.private is not None
        ),
        tuple(_shown(key) for key in read.keys),
        read.pseudonym,
    )


def kid_of(public: bytes) -> bytes:
    """Return the id of a key: the first eight bytes of its public part's SHA-256."""
    return hashlib.sha256(public).digest()[:KID_BYTES]


def new_key(since: datetime) -> dict[str, str]:
    """Return a fresh key as it stands in a key file."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return {
        "kid": kid_of(public).hex(),
        "public": _text(public),
        "private": _text(private.private_bytes_raw()),
        "since": since.isoformat(),
    }


def new_file(since: datetime) -> dict[str, object]:
    """Return a fresh key file: one signing key and a pseudonym key."""
    return {"pseudonym": _text(os.urandom(KEY_BYTES)), "keys": [new_key(since)]}


def _shown(key: _Key) -> Mapping[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "Ed25519",
        "use": "sig",
        "kid": key.kid,
        "x": _text(key.public),
        "since": key.since.isoformat(),
    }


def _cose(public: bytes, private: bytes | None) -> COSEKeyInterface:
    parts = {_KTY: _OKP, _KID: kid_of(public), _ALG: ED25519, _CRV: _ED25519_CURVE, _X: public}
    return COSEKey.new(parts if private is None else parts | {_D: private})


def _public_of(private: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def _text(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
