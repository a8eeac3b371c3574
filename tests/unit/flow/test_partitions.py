"""Partitions: Kafka's own hash, over the routing part of a key."""

import pytest

from shared.flow.partitions import partition_of

MANY = 2**31
# The vectors of Kafka's own UtilsTest (murmur2 as a signed 32-bit number).
VECTORS = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), VECTORS.items())
def test_a_key_hashes_as_it_does_in_java(key: str, hashed: int) -> None:
    assert partition_of(key.encode(), MANY) == hashed & 0x7FFF_FFFF


@pytest.mark.parametrize("partitions", [1, 12, 24])
def test_the_part_before_the_first_slash_decides(partitions: int) -> None:
    for key, hashed in VECTORS.items():
        expected = (hashed & 0x7FFF_FFFF) % partitions
        assert partition_of(f"{key}/01JGXA/2".encode(), partitions) == expected


def test_a_key_that_is_empty_or_starts_with_a_slash_still_has_a_partition() -> None:
    assert partition_of(b"", 12) == partition_of(b"/x", 12)
    assert 0 <= partition_of(b"", 12) < 12
