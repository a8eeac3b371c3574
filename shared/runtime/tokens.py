"""Bearer tokens: who asks. A token names a person; what they may do is asked of the roster each time.

Signed JWTs, Ed25519 only (RFC 9864's name for it: the older "EdDSA" leaves the curve open).
"""

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from starlette.datastructures import Headers

from shared.kernel.errors import ConfigurationError
from shared.runtime.problems import Problem

ISSUER = "gridloop"
AUDIENCE = "gridloop"
ALGORITHM = "Ed25519"
# Clocks of two of our own machines may differ by this much.
LEEWAY_S = 5
_MAX_CHARACTERS = 2_048
# jku, x5u, jwk and the like let a stranger bring the key along.
_HEADERS = frozenset({"alg", "typ", "kid"})
# The registry of one algorithm: a token that names another is refused before any key is looked at.
_REGISTRY = JWSRegistry(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class KeyPair:
    private: OKPKey
    public: OKPKey

    def write(self, folder: Path, name: str = "token") -> None:
        """Write `<name>.private.jwk` for its owner's eyes and `<name>.public.jwk` for the services."""
        private = folder / f"{name}.private.jwk"
        private.touch(mode=0o600)
        private.chmod(0o600)  # a file that was there before keeps its own mode
        private.write_text(_text(self.private, private=True), encoding="utf-8")
        (folder / f"{name}.public.jwk").write_text(_text(self.public, private=False), encoding="utf-8")


def generate_key_pair() -> KeyPair:
    private = OKPKey.generate_key("Ed25519")
    return KeyPair(private, OKPKey.import_key(private.as_dict(private=False)))


def read_key(path: Path) -> OKPKey:
    try:
        key = OKPKey.import_key(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, JoseError) as error:
        raise ConfigurationError("unreadable-key", str(path)) from error
    if key.as_dict(private=False).get("crv") != "Ed25519":
        raise ConfigurationError("wrong-curve", str(path))
    return key


def mint(key: OKPKey, person: str, *, lifetime: timedelta, now: datetime, issuer: str = ISSUER) -> str:
    """Sign a token for a person handle; lifetimes are the caller's configuration."""
    issued = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": person,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.thumbprint()}, claims, key, registry=_REGISTRY)


class Verifier:
    """Verifies with one public key, or with several while keys are exchanged."""

    def __init__(self, *keys: OKPKey, issuer: str = ISSUER) -> None:
        self._keys = {key.thumbprint(): key for key in keys}
        self._issuer = issuer

    @classmethod
    def from_files(cls, paths: Iterable[Path]) -> "Verifier":
        return cls(*map(read_key, paths))

    def person(self, token: str, now: datetime) -> str:
        """Give the person a token names, or raise `unauthorised`; why is not told to the caller."""
        return self.verified(token, now)[0]

    def verified(self, token: str, now: datetime) -> tuple[str, int]:
        """Give the person a token names and when it expires (seconds since 1970), or raise `unauthorised`."""
        # A size limit first: nothing is decoded that no key of ours can have signed.
        if len(token) > _MAX_CHARACTERS:
            raise Problem("unauthorised")
        try:
            decoded = jwt.decode(token, self._key_of, registry=_REGISTRY)
            self._claims_at(now).validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Problem("unauthorised") from error
        return str(decoded.claims["sub"]), int(decoded.claims["exp"])

    def _key_of(self, token: GuestProtocol) -> OKPKey:
        header = token.headers()
        if not header.keys() <= _HEADERS:
            raise Problem("unauthorised")
        key = self._keys.get(str(header.get("kid")))
        if key is None:
            raise Problem("unauthorised")
        return key

    def _claims_at(self, now: datetime) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
        )


class Remembering:
    """Verifies each token once: a device at a gate shows the same one hundreds of times a minute."""

    def __init__(self, verifier: Verifier, *, limit: int = 10_000) -> None:
        self._verifier = verifier
        self._limit = limit
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def person(self, token: str, now: datetime) -> str:
        """Give the person a token names, or raise `unauthorised`; a token is forgotten when it expires."""
        known = self._known.get(token)
        if known is None:
            # Only what verified is kept: strangers cannot push the devices' tokens out.
            known = self._known[token] = self._verifier.verified(token, now)
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        if now.timestamp() > known[1] + LEEWAY_S:
            del self._known[token]
            raise Problem("unauthorised")
        return known[0]


def bearer_token(headers: Headers) -> str:
    """Take the token from an Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("unauthorised")
    return token


def _text(key: OKPKey, *, private: bool) -> str:
    return json.dumps(key.as_dict(private=private))
