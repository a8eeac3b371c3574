"""Ids: ULIDs keep time and entropy, derived ids follow from their parts alone."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.clock import from_ms
from shared.kernel.ids import ENTROPY_BYTES, UlidFactory, derived_id, is_ulid, new_ulid

NOON = datetime(2022, 4, 20, 12, tzinfo=UTC)
ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (given its zone here)


class FixedClock:
    def now(self) -> datetime:
        return NOON


def test_a_known_ulid() -> None:
    # The specification's own example: 01ARZ3NDEKTSV4RRFFQ69G5FAV.
    entropy = bytes.fromhex("d676 4c61 efb9 9302 bd5b".replace(" ", ""))
    assert new_ulid(from_ms(1469922850259), entropy) == "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@given(INSTANTS, ENTROPY)
def test_a_ulid_is_one(now: datetime, entropy: bytes) -> None:
    assert is_ulid(new_ulid(now, entropy))


@given(INSTANTS, ENTROPY, ENTROPY)
def test_later_ulids_sort_later(now: datetime, one: bytes, other: bytes) -> None:
    assert new_ulid(now, one) < new_ulid(now + timedelta(milliseconds=1), other)


@pytest.mark.parametrize("entropy", [b"", b"123456789", b"12345678901"])
def test_entropy_of_another_size_is_refused(entropy: bytes) -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        new_ulid(NOON, entropy)


@pytest.mark.parametrize(
    "text", ["", "01ARZ3NDEKTSV4RRFFQ69G5FA", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAI"]
)
def test_other_texts_are_no_ulids(text: str) -> None:
    assert not is_ulid(text)


def test_the_factory_takes_time_and_entropy_from_outside() -> None:
    factory = UlidFactory(FixedClock(), lambda size: b"\x07" * size)
    assert factory.new() == new_ulid(NOON, b"\x07" * ENTROPY_BYTES)
    assert UlidFactory(FixedClock()).new() != UlidFactory(FixedClock()).new()


PARTS = st.lists(st.text(max_size=8), max_size=4)


@given(PARTS, PARTS)
def test_derived_ids_are_equal_exactly_when_the_parts_are(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


def test_parts_do_not_run_into_each_other() -> None:
    ids = {
        derived_id(*parts)
        for parts in [("a", "bc"), ("ab", "c"), ("abc",), ("abc", ""), ("1:a",), ("", "abc")]
    }
    assert len(ids) == 6


def test_a_number_counts_as_its_text() -> None:
    assert derived_id("sheet", 3) == derived_id("sheet", "3")


def test_another_process_derives_the_same_id() -> None:
    code = "from shared.kernel.ids import derived_id; print(derived_id('directive', 2, 'desk'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == derived_id("directive", 2, "desk")
