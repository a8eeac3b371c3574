"""Passes as text: one form each, and nothing else is ever taken."""

import base64
import json
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

import cbor2
import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.checkpoint import pass_text
from services.checkpoint.keys import ED25519, NO_KEYS, Keys, KeySet, new_key
from services.checkpoint.pass_text import LONGEST, Presented, Reader, qr_svg, read, text_of
from shared.kernel.clock import SystemClock
from tests.builders.gate import NOW, OTHER_AREA, claims, key_file, pass_fact, text

SECONDS_IN_10_000 = 20.0
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeySet:
    return Keys(key_file(tmp_path_factory.mktemp("keys") / "keys.json"), SystemClock()).current()


@pytest.fixture(scope="module")
def good(keys: KeySet) -> str:
    return text(keys, pass_id="01HXXXXXXXXXXXXXXXXXXXXXXX")


class Moved:
    """A clock that the test moves."""

    at = NOW

    def now(self) -> datetime:
        return self.at


def to_bytes(good: str) -> bytes:
    return base64.b32decode(good + "=" * (-len(good) % 8))


def to_text(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")


def signed(keys: KeySet, payload: object, **header: object) -> str:
    """Sign anything with our own key, whatever the header says."""
    key = keys.signer(NOW)
    assert key is not None
    protected = cbor2.dumps(header.get("protected", {1: ED25519, 4: key.kid}))
    body = cbor2.dumps(payload)
    signature = key.cose.sign(cbor2.dumps(["Signature1", protected, b"", body]))
    envelope = [protected, header.get("unprotected", {}), body, signature]
    return to_text(cbor2.dumps(cbor2.CBORTag(18, envelope)))


@pytest.mark.req("F-08")
def test_a_pass_comes_back_as_it_was_written(keys: KeySet, good: str) -> None:
    found = read(good, keys)
    wanted = claims(pass_id="01HXXXXXXXXXXXXXXXXXXXXXXX")
    assert found is not None
    assert (found.pass_id, found.kind, found.area) == (wanted.pass_id, wanted.kind, wanted.area)
    assert (found.since_ms, found.until_ms) == (wanted.since * 1000, wanted.until * 1000)


@pytest.mark.req("F-08")
def test_a_second_implementation_agrees_with_the_signature(keys: KeySet, good: str) -> None:
    envelope = cbor2.loads(to_bytes(good))
    protected, _, payload, signature = envelope.value
    public = base64.urlsafe_b64decode(keys.public[0]["x"] + "=")
    # RFC 9052 §4.4: what is signed.
    said = cbor2.dumps(["Signature1", protected, b"", payload])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, said)
    assert (envelope.tag, cbor2.loads(protected)[1]) == (18, -19)


@pytest.mark.req("F-08", "U-17")
def test_a_pass_fits_one_small_code(good: str) -> None:
    assert len(to_bytes(good)) <= 190
    assert int(segno.make(good, error="m", boost_error=False).version) <= 12
    assert qr_svg(good).startswith(b"<?xml")
    assert b"<svg" in qr_svg(good)


@pytest.mark.req("F-08")
def test_no_flipped_bit_is_taken(keys: KeySet, good: str) -> None:
    raw = to_bytes(good)
    mutants = [
        to_text(raw[:at] + bytes([raw[at] ^ (1 << bit)]) + raw[at + 1 :])
        for at in range(len(raw))
        for bit in range(8)
    ]
    assert [mutant for mutant in mutants if read(mutant, keys)] == []


@pytest.mark.req("F-08")
def test_no_other_character_is_taken(keys: KeySet, good: str) -> None:
    others = [
        good[:at] + letter + good[at + 1 :] for at in range(len(good)) for letter in BASE32 + "=0a \u0000é"
    ]
    assert [other for other in others if other != good and read(other, keys)] == []
    assert [
        form for form in (good.lower(), good + "A", good + "=", " " + good, good[:-1]) if read(form, keys)
    ] == []


@pytest.mark.req("F-08")
def test_ten_thousand_mutants_are_refused_and_none_crashes(keys: KeySet, good: str) -> None:
    chance = random.Random(8)
    raw = to_bytes(good)
    taken, began = [], time.monotonic()
    for _ in range(10_000):
        mutant = bytearray(raw)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(mutant))
            match chance.randrange(4):
                case 0:
                    mutant[at] = chance.randrange(256)
                case 1:
                    mutant.insert(at, chance.randrange(256))
                case 2:
                    del mutant[at]
                case _:
                    end = min(len(mutant), at + chance.randint(1, 40))
                    mutant[at:end] = mutant[at:end][::-1]
        if bytes(mutant) != raw and read(to_text(bytes(mutant)), keys):
            taken.append(bytes(mutant).hex())
    assert taken == []
    assert time.monotonic() - began < SECONDS_IN_10_000


@pytest.mark.req("F-08")
def test_what_is_no_pass_at_all_is_refused(keys: KeySet, good: str) -> None:
    deep = to_text(b"\x81" * 300 + b"\x00")
    huge = to_text(b"\xd2\x84\x5b" + b"\xff" * 8 + b"\x00" * 40)
    texts = ["", "A", "MZXW6", "é" * 20, good * 3, "A" * LONGEST, "A" * (LONGEST + 1), deep, huge, "\ud800"]
    assert [each for each in texts if read(each, keys)] == []


@pytest.mark.req("F-08")
@pytest.mark.parametrize("odd", ["YWBBW7777777777774AQ", "YSBBW7777777777774AQ"])
def test_a_decimal_fraction_that_is_no_number_is_no_pass(keys: KeySet, odd: str) -> None:
    assert read(odd, keys) is None


@pytest.mark.req("F-08")
def test_the_algorithm_is_not_the_passes_to_choose(keys: KeySet) -> None:
    key = keys.signer(NOW)
    assert key is not None
    good = {
        2: "s" * 20,
        4: 2_000_000_000,
        5: 1_000_000_000,
        7: b"pass-0001",
        -65_537: 0,
        -65_538: "610802006003",
    }
    assert read(signed(keys, good), keys) is not None
    swapped = [
        signed(keys, good, protected={1: -8, 4: key.kid}),
        signed(keys, good, protected={4: key.kid}),
        signed(keys, good, protected={1: ED25519}, unprotected={4: key.kid}),
        signed(keys, good, unprotected={1: -7}),
        signed(keys, good, protected={1: ED25519, 4: key.kid, 99: 1}),
    ]
    assert [each for each in swapped if read(each, keys)] == []
    envelope = cbor2.loads(to_bytes(signed(keys, good)))
    for tag in (16, 17, 61, 96, 97, 98):
        assert read(to_text(cbor2.dumps(cbor2.CBORTag(tag, envelope.value))), keys) is None


@pytest.mark.req("F-08")
@pytest.mark.parametrize(
    "odd",
    [
        {2: 1},
        {2: "no handle!"},
        {4: 1},
        {4: 10**15},
        {5: -5},
        {5: 1.5},
        {7: "text"},
        {7: b"\xff" * 9},
        {-65_537: 3},
        {-65_537: -1},
        {-65_537: "home"},
        {-65_538: "nowhere"},
        {1: "someone"},
    ],
    ids=str,
)
def test_signed_claims_of_another_form_are_refused(keys: KeySet, odd: dict[int, object]) -> None:
    good: dict[int, object] = {
        2: "s" * 20, 4: 2_000_000_000, 5: 1_000_000_000, 7: b"pass-0001", -65_537: 0, -65_538: "610802006003",
    }  # fmt: skip
    assert read(signed(keys, good | odd), keys) is None
    assert read(signed(keys, "text"), keys) is None


@pytest.mark.req("F-08")
def test_a_key_of_somebody_else_signs_nothing(keys: KeySet, tmp_path: Path) -> None:
    stranger = Keys(key_file(tmp_path / "other.json"), SystemClock()).current()
    assert read(text(stranger), keys) is None
    assert read(text(stranger), NO_KEYS) is None


class Counting:
    """Verifies as ever and counts how often."""

    def __init__(self) -> None:
        self.verified = 0

    def __call__(self, text_: str, keys: KeySet) -> Presented | None:
        self.verified += 1
        return read(text_, keys)


class TestTheReader:
    @pytest.fixture
    def counting(self, monkeypatch: pytest.MonkeyPatch) -> Counting:
        counting = Counting()
        monkeypatch.setattr(pass_text, "read", counting)
        return counting

    def test_a_good_text_is_verified_once_and_read_the_same_again(
        self, counting: Counting, keys: KeySet, good: str
    ) -> None:
        reader = Reader()
        assert reader.read(good, keys) == reader.read(good, keys) == read(good, keys) is not None
        assert counting.verified == 1

    def test_a_bad_text_is_never_remembered(self, counting: Counting, keys: KeySet, good: str) -> None:
        reader, bad = Reader(), ("A" if good[-1] != "A" else "B").join([good[:-1], ""])
        assert [reader.read(bad, keys) for _ in range(2)] == [None, None]
        assert counting.verified == 2

    def test_no_more_are_remembered_than_fit(self, counting: Counting, keys: KeySet) -> None:
        reader = Reader(limit=2)
        texts = [text(keys, pass_id=f"pass-100{number}") for number in range(3)]
        assert all(reader.read(each, keys) for each in [*texts, *texts[1:], texts[0]])
        assert counting.verified == 4

    @pytest.mark.req("F-08")
    def test_it_forgets_with_a_withdrawn_key_and_not_with_a_new_one(
        self, tmp_path: Path, counting: Counting
    ) -> None:
        path, clock = key_file(tmp_path / "keys.json"), Moved()
        held, reader = Keys(path, clock), Reader()
        one = text(held.current())
        assert reader.read(one, held.current())
        listed = json.loads(path.read_text())
        for keys in ([new_key(NOW), *listed["keys"]], [new_key(NOW)]):
            path.write_text(json.dumps({**listed, "keys": keys}))
            clock.at += timedelta(seconds=5)
            still = reader.read(one, held.current())
            assert (still is not None, counting.verified) == ((True, 1) if len(keys) > 1 else (False, 2))

    def test_what_it_learnt_is_not_verified_and_anything_else_is(
        self, counting: Counting, keys: KeySet
    ) -> None:
        reader, issued = Reader(), [pass_fact(pass_id=f"pass-100{number}") for number in range(3)]
        for each in issued:
            reader.expect(each)
        assert [reader.learn(2, keys.signing) for _ in range(3)] == [2, 1, 0]
        for each in issued:
            one = text_of(each, keys.signing[0])
            presented = reader.read(one, keys)
            assert presented is not None
            assert (presented.pass_id, presented.area) == (each.pass_id, each.area)
        assert counting.verified == 0
        assert reader.read(text(keys, pass_id="pass-1000", area=OTHER_AREA), keys) is not None
        assert counting.verified == 1
