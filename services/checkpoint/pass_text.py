"""A pass as text: a CBOR Web Token (RFC 8392) signed with Ed25519, in Base32, short enough for one small QR.

One pass has one text: whatever decodes to the same claims but is written otherwise is refused, so that no
byte of it can be changed and still be taken.
"""

import base64
import sys
from collections import OrderedDict
from collections.abc import Mapping
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
from shared.contracts.checkpoint import IssuePass, PassFact, PassKind

LONGEST: Final = 600
REMEMBERED: Final = 65_536
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
    """A pass whose signature holds; tens of thousands are remembered, so it is small."""

    pass_id: str
    kind: PassKind
    area: str
    subject: str
    since_ms: int
    until_ms: int
    until: datetime


def text_of(issued: IssuePass | PassFact, key: SigningKey) -> str:
    """Return the text of a pass; the same key always writes the same."""
    claims = Claims(
        pass_id=issued.pass_id,
        kind=issued.kind,
        area=issued.area,
        subject=issued.subject,
        since=int(issued.since.timestamp()),
        until=int(issued.until.timestamp()),
    )
    return written(claims, key)


def written(claims: Claims, key: SigningKey) -> str:
    """Return the text of a pass."""
    payload = cbor2.dumps(
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
    except (CWTError, ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, EOFError,
            cbor2.CBORError):  # fmt: skip
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
    return _presented(_COSE.decode(envelope, key))


def _is_sign1(parts: Any) -> bool:
    return (
        isinstance(parts, list)
        and [type(part) for part in parts] == [bytes, dict, bytes, bytes]
        and parts[1] == {}
    )


def _presented(payload: Any) -> Presented | None:
    said = cbor2.loads(payload) if isinstance(payload, bytes) else payload
    if not isinstance(said, Mapping) or said.keys() != _CLAIMS or said[_KIND] not in range(len(_KINDS)):
        return None
    try:
        claims = Claims(
            pass_id=said[_ID].decode(),
            kind=_KINDS[said[_KIND]],
            area=said[_AREA],
            subject=said[_SUBJECT],
            since=said[_BEGINS],
            until=said[_EXPIRES],
        )
    except (ValidationError, AttributeError):
        return None
    if not 0 <= claims.since < claims.until <= _LAST_SECOND:
        return None
    until = datetime.fromtimestamp(claims.until, UTC)
    return Presented(
        claims.pass_id,
        claims.kind,
        sys.intern(claims.area),
        claims.subject,
        claims.since * 1000,
        claims.until * 1000,
        until,
    )


class Reader:
    """Reads each text once while the same keys are in force: most who cross come again."""

    def __init__(self, *, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._generation = -1
        self._known: OrderedDict[str, Presented | None] = OrderedDict()

    def read(self, text: str, keys: KeySet) -> Presented | None:
        """Return what `read` returns."""
        if keys.generation != self._generation:
            self._known.clear()
            self._generation = keys.generation
        if text in self._known:
            self._known.move_to_end(text)
            return self._known[text]
        presented = read(text, keys)
        if presented is not None:
            self._known[text] = presented
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return presented


def qr_svg(text: str) -> bytes:
    """Return a pass's QR code as SVG; Base32 is in QR's alphanumeric set, so it stays small."""
    out = BytesIO()
    segno.make(text, error="m", boost_error=False).save(out, kind="svg", scale=4, border=4)
    return out.getvalue()
