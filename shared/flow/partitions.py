"""Which partition a key belongs to: murmur2 of its routing part, as Kafka's own clients hash (design §5)."""

from functools import lru_cache

from aiokafka.partitioner import murmur2  # pure arithmetic: the hash only, no client

_POSITIVE = 0x7FFF_FFFF


@lru_cache(maxsize=65_536)  # keys are desks: they come again and again, and the hash is pure Python
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key: the bytes before its first `/` decide."""
    return int(murmur2(key.partition(b"/")[0]) & _POSITIVE) % partitions
