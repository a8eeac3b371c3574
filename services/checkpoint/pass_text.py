"""A pass as text: a CBOR Web Token (RFC 8392) signed with Ed25519, in Base32, short enough for one small QR.

One pass has one text: whatever decodes to the same claims but is written otherwise is refused, so that no
byte of it can be changed and still be taken.
"""

import base64
import hashlib
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, NamedTuple, get_args

import cbor2
import segno
from cwt import COSE
from cwt.exceptions import CWTError
from pydantic import ValidationError

from services.checkpoint.keys import ED25519, KeySet, SigningKey
from shared.contracts.base import Code, Handle, MessageId, Model
from shared.contracts.checkpoint import PassFact, PassKind

LONGEST: Final = 600
REMEMBERED: Final = 200_000
DIGEST_BYTES: Final = 16
_SIGN1: Final = 18
_HEADER_ALG, _HEADER_KID = 1, 4
# RFC 8392 names the first four; numbers below -65536 are for private use.
_SUBJECT, _EXPIRES, _BEGINS, _ID, _KIND, _AREA = 2, 4, 5, 7, -65_537, -65_538
_KINDS: Final[tuple[PassKind, ...]] = get_args(PassKind)
_CLAIMS: Final = {_SUBJECT, _EXPIRES, _BEGINS, _ID, _KIND, _AREA}
_LAST_SECOND: Final = 253_402_300_799

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE32: Final = frozenset(_ALPHABET)
_DIGITS: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_BITS: Final = 5

_COSE = COSE.new()


class Claims(Model):
    """What a pass says by itself: least disclosure, a pseudonym and a window (F-08)."""

    pass_id: MessageId
    kind: PassKind
    area: Code
    subject: Handle
    since: int
    until: int
    """Seconds since 1970."""


class Presented(NamedTuple):
    """A pass whose signature holds."""

    pass_id: str
    kind: PassKind
    area: str
    subject: str
    since_ms: int
    until_ms: int
    until: datetime


def text_of(issued: PassFact, key: SigningKey) -> str:
    """Return the text of a pass; the same key always writes the same."""
    return _signed(_payload_of(issued), key)


def _payload_of(issued: PassFact) -> bytes:
    return _payload(
        Claims(
            pass_id=issued.pass_id,
            kind=issued.kind,
            area=issued.area,
            subject=issued.subject,
            since=int(issued.since.timestamp()),
            until=int(issued.until.timestamp()),
        )
    )


def _payload(claims: Claims) -> bytes:
    return cbor2.dumps(
        {
            _SUBJECT: claims.subject,
            _EXPIRES: claims.until,
            _BEGINS: claims.since,
            _ID: claims.pass_id.encode(),
            _KIND: _KINDS.index(claims.kind),
            _AREA: claims.area,
        },
        canonical=True,
    )


def _signed(payload: bytes, key: SigningKey) -> str:
    # Both headers are signed: an unprotected one could be exchanged by anybody.
    protected = {_HEADER_ALG: ED25519, _HEADER_KID: key.kid}
    signed = _COSE.encode_and_sign(payload, key.cose, protected=protected, unprotected={})
    assert isinstance(signed, bytes)  # noqa: S101 - tells mypy which of its two forms this is
    return base64.b32encode(signed).decode().rstrip("=")


def read(text: str, keys: KeySet) -> Presented | None:
    """Return a pass whose signature and form hold; None for everything else, and never an exception."""
    if not 0 < len(text) <= LONGEST:
        return None
    try:
        return _verified(_from_base32(text), keys)
    except (CWTError, ValueError, TypeError, KeyError, IndexError, RecursionError, ArithmeticError, EOFError,
            cbor2.CBORError):  # fmt: skip
        # Arithmetic too: CBOR writes decimal fractions, and one of them may be no number at all.
        return None


def _from_base32(text: str) -> bytes:
    """Return the bytes of a Base32 text; ten times as fast as the standard library's, and of one form only.

    Raises ValueError. The last character may hold bits that stand for nothing: they must be 0.
    """
    size, spare = divmod(len(text) * 5, 8)
    if not set(text) <= _BASE32 or spare >= _BITS:
        raise ValueError("no base32")
    number = int(text.translate(_DIGITS), 32)
    if number & ((1 << spare) - 1):
        raise ValueError("bits that stand for nothing")
    return (number >> spare).to_bytes(size, "big")


def _verified(raw: bytes, keys: KeySet) -> Presented | None:
    envelope = cbor2.loads(raw)
    if not isinstance(envelope, cbor2.CBORTag) or envelope.tag != _SIGN1 or not _is_sign1(envelope.value):
        return None
    if cbor2.dumps(envelope, canonical=True) != raw:
        return None
    header = cbor2.loads(envelope.value[0])
    if not isinstance(header, dict) or header.keys() != {_HEADER_ALG, _HEADER_KID}:
        return None
    kid = header[_HEADER_KID]
    key = keys.verifying.get(kid) if isinstance(kid, bytes) else None
    # The algorithm is ours to choose, never the pass's.
    if key is None or header[_HEADER_ALG] != ED25519:
        return None
    said = cbor2.loads(_COSE.decode(envelope, key))
    return _presented(said) if _is_well_formed(said) else None


def _is_sign1(parts: Any) -> bool:
    return (
        isinstance(parts, list)
        and [type(part) for part in parts] == [bytes, dict, bytes, bytes]
        and parts[1] == {}
    )


def _is_well_formed(said: Any) -> bool:
    if not isinstance(said, Mapping) or said.keys() != _CLAIMS or said[_KIND] not in range(len(_KINDS)):
        return False
    try:
        claims = {
            "pass_id": said[_ID].decode(),
            "kind": _KINDS[said[_KIND]],
            "area": said[_AREA],
            "subject": said[_SUBJECT],
            "since": said[_BEGINS],
            "until": said[_EXPIRES],
        }
        Claims.model_validate(claims, strict=True)
    except (ValidationError, AttributeError):
        return False
    return bool(0 <= said[_BEGINS] < said[_EXPIRES] <= _LAST_SECOND)


def _presented(said: Mapping[int, Any]) -> Presented:
    return Presented(
        said[_ID].decode(),
        _KINDS[said[_KIND]],
        sys.intern(said[_AREA]),
        said[_SUBJECT],
        said[_BEGINS] * 1000,
        said[_EXPIRES] * 1000,
        datetime.fromtimestamp(said[_EXPIRES], UTC),
    )


class Reader:
    """Verifies a text once: a signature costs ten times what the rest of an answer does.

    A good text is remembered by its digest and the key it was signed with, and forgotten with the key. What
    this process could have signed itself it learns beforehand, so that a morning's first comers are as quick.
    """

    def __init__(self, *, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._generation = -1
        self._good: dict[bytes, bytes] = {}
        self._expected: deque[bytes] = deque()

    def read(self, text: str, keys: KeySet) -> Presented | None:
        """Return what `read` returns."""
        self._forget_withdrawn(keys)
        digest = _digest(text)
        if digest in self._good:
            return _presented(cbor2.loads(_sign1(text)[2]))
        presented = read(text, keys)
        if presented is not None:
            self._remember(digest, cbor2.loads(_sign1(text)[0])[_HEADER_KID])
        return presented

    def expect(self, issued: PassFact) -> None:
        """Put a pass into the row of those to learn."""
        self._expected.append(_payload_of(issued))

    def learn(self, most: int, signers: Iterable[SigningKey]) -> int:
        """Learn the texts of at most so many passes of the row, as these keys write them; return how many."""
        keys, learnt = tuple(signers), min(most, len(self._expected))
        for payload in (self._expected.popleft() for _ in range(learnt)):
            for key in keys:
                self._remember(_digest(_signed(payload, key)), key.kid)
        return learnt

    def _remember(self, digest: bytes, kid: bytes) -> None:
        self._good[digest] = kid
        if len(self._good) > self._limit:
            del self._good[next(iter(self._good))]

    def _forget_withdrawn(self, keys: KeySet) -> None:
        if keys.generation != self._generation:
            self._good = {digest: kid for digest, kid in self._good.items() if kid in keys.verifying}
            self._generation = keys.generation


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _sign1(text: str) -> list[Any]:
    """Return the parts of a text that is known to be good."""
    parts: list[Any] = cbor2.loads(_from_base32(text)).value
    return parts


def qr_svg(text: str) -> bytes:
    """Return a pass's QR code as SVG; Base32 is in QR's alphanumeric set, so it stays small."""
    out = BytesIO()
    segno.make(text, error="m", boost_error=False).save(out, kind="svg", scale=4, border=4)
    return out.getvalue()
