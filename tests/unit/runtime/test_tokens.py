"""Bearer tokens: what is accepted, and every way to forge one that is refused."""

import base64
import hashlib
import hmac
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.datastructures import Headers

from shared.kernel.errors import ConfigurationError
from shared.runtime.problems import Problem
from shared.runtime.tokens import LEEWAY_S, Verifier, bearer_token, generate_key_pair, mint, read_key

NOW = datetime(2022, 4, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYS = generate_key_pair()
VERIFIER = Verifier(KEYS.public)
KID = KEYS.public.thumbprint()
CLAIMS: dict[str, Any] = {
    "iss": "gridloop",
    "aud": "gridloop",
    "sub": "p-1",
    "iat": int(NOW.timestamp()),
    "exp": int((NOW + HOUR).timestamp()),
}


def header_name(header: dict[str, object]) -> str:
    # By name only: the keys differ from run to run, and test ids must not.
    return next(iter(header))


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(header: dict[str, object], claims: dict[str, object]) -> str:
    registry = JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    return jwt.encode({"alg": "Ed25519", "kid": KID} | header, claims, KEYS.private, registry=registry)


def refuse(token: str, now: datetime = NOW) -> None:
    with pytest.raises(Problem) as caught:
        VERIFIER.person(token, now)
    assert (caught.value.status, caught.value.code, caught.value.detail) == (401, "unauthorised", "")


@pytest.mark.req("S02")
def test_a_token_names_its_person_until_it_expires() -> None:
    token = mint(KEYS.private, "p-1", lifetime=HOUR, now=NOW)
    assert VERIFIER.person(token, NOW) == "p-1"
    assert VERIFIER.person(token, NOW + HOUR) == "p-1"
    refuse(token, NOW + HOUR + timedelta(seconds=LEEWAY_S))


def test_helper_signs_what_is_accepted() -> None:
    # Guards the refusals below: each differs from this token in one thing.
    assert VERIFIER.person(signed({}, CLAIMS), NOW) == "p-1"


@pytest.mark.req("S02")
@pytest.mark.parametrize(
    "change",
    [
        {"iss": "stranger"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": None},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": CLAIMS["iat"] - 60},
        {"iat": None},
        {"iat": CLAIMS["iat"] + 3600},
        {"nbf": CLAIMS["iat"] + 3600},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(change: dict[str, object]) -> None:
    refuse(signed({}, {name: value for name, value in (CLAIMS | change).items() if value is not None}))


@pytest.mark.req("S02")
@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"kid": 1},
        {"jku": "https://keys.example/"},
        {"x5u": "https://keys.example/"},
        {"jwk": KEYS.public.as_dict(private=False)},
        {"crit": ["b64"], "b64": False},
        {"typ": "JWT", "zip": "DEF"},
    ],
    ids=header_name,
)
def test_headers_that_choose_a_key_or_more_are_refused(header: dict[str, object]) -> None:
    try:
        token = signed(header, CLAIMS)
    except Exception:  # noqa: BLE001 (the library itself may refuse to write such a header)
        body = f"{part({'alg': 'Ed25519', 'kid': KID} | header)}.{part(CLAIMS)}"
        token = f"{body}.{part(b'0' * 64)}"
    refuse(token)


@pytest.mark.req("S02")
@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "RS256", "EdDSA", "ES256", ""])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    body = f"{part({'alg': algorithm, 'kid': KID})}.{part(CLAIMS)}"
    refuse(f"{body}.")
    refuse(f"{body}.{part(b'0' * 64)}")


@pytest.mark.req("S02")
def test_the_public_key_is_no_shared_secret() -> None:
    public = KEYS.public.as_dict(private=False)["x"]
    assert isinstance(public, str)
    for secret in (public.encode(), base64.urlsafe_b64decode(public + "="), json.dumps(public).encode()):
        body = f"{part({'alg': 'HS256', 'kid': KID})}.{part(CLAIMS)}"
        refuse(f"{body}.{part(hmac.digest(secret, body.encode(), hashlib.sha256))}")


@pytest.mark.req("S02")
def test_another_signer_is_refused() -> None:
    stranger = generate_key_pair()
    refuse(mint(stranger.private, "p-1", lifetime=HOUR, now=NOW))
    registry = JWSRegistry(algorithms=["Ed25519"])
    refuse(jwt.encode({"alg": "Ed25519", "kid": KID}, CLAIMS, stranger.private, registry=registry))


@pytest.mark.req("S02")
def test_a_changed_token_is_refused() -> None:
    head, _, signature = mint(KEYS.private, "p-1", lifetime=HOUR, now=NOW).split(".")
    refuse(f"{head}.{part(CLAIMS | {'sub': 'p-2'})}.{signature}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "{}",
        "ü.ü.ü",
        "\x00",
        "a" * 100_000,
        part(b"[]") + "..",
        part(b"[" * 1200) + "..",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    refuse(token)


@pytest.mark.parametrize("payload", [[], "text", 7, None, b"\xff", b"[" * 1000])
def test_a_signed_payload_that_is_no_object_is_refused(payload: object) -> None:
    from joserfc import jws

    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    registry = JWSRegistry(algorithms=["Ed25519"])
    header = {"alg": "Ed25519", "kid": KID}
    refuse(jws.serialize_compact(header, raw, KEYS.private, registry=registry))


def test_keys_can_be_exchanged() -> None:
    new = generate_key_pair()
    both = Verifier(KEYS.public, new.public)
    for pair in (KEYS, new):
        assert both.person(mint(pair.private, "p-1", lifetime=HOUR, now=NOW), NOW) == "p-1"


def test_key_files(tmp_path: Path) -> None:
    KEYS.write(tmp_path)
    private, public = tmp_path / "token.private.jwk", tmp_path / "token.public.jwk"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "d" not in json.loads(public.read_text())
    token = mint(read_key(private), "p-1", lifetime=HOUR, now=NOW)
    assert Verifier.from_files([public]).person(token, NOW) == "p-1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "not json",
        json.dumps(OKPKey.generate_key("X25519").as_dict(private=True)),
        json.dumps(RSAKey.generate_key(2048).as_dict(private=False)),
    ],
    ids=["empty", "no-members", "list", "text", "x25519", "rsa"],
)
def test_other_key_files_stop_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.jwk"
    path.write_text(text)
    with pytest.raises(ConfigurationError):
        read_key(path)
    with pytest.raises(ConfigurationError):
        read_key(tmp_path / "missing.jwk")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_a_request_without_a_bearer_token(header: str | None) -> None:
    with pytest.raises(Problem):
        bearer_token(Headers({} if header is None else {"authorization": header}))


def test_the_scheme_is_read_in_any_case() -> None:
    assert bearer_token(Headers({"authorization": "bearer a.b.c"})) == "a.b.c"
