"""The dead letters of a running system: read whole, and taken up again. No group, so nothing is committed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.flow.dead_letters import Letter, is_letter, mark_of, marked, taken_up
from shared.kernel.clock import Clock
from shared.kernel.errors import Transient
from shared.messaging.producer import Producer
from shared.messaging.security import PLAINTEXT, Security

POLL_MS: Final = 500
ANSWER_S: Final = 10.0
MAX_RECORDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter, and whether the record it was made of has been taken up again."""

    letter: Letter
    replayed: bool


class Letters:
    """Reads dead-letter topics; one connection for as long as one question takes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def read(self, topics: Sequence[str]) -> list[Kept]:
        """Return each letter once, oldest first in its topic; a topic that is not there has none."""
        known: set[str] = await self._client.topics()
        places = [TopicPartition(topic, 0) for topic in topics if topic in known]
        if not places:
            return []
        # Assigned first: the client would look for topics it has not been given one by one.
        self._client.assign(places)
        ends = await self._client.end_offsets(places)
        first = await self._client.beginning_offsets(places)
        return await self._between({place: (first[place], ends[place]) for place in places})

    async def body(self, letter: Letter) -> bytes | None:
        """Return the body of a letter; raises `Transient` where it is no longer kept."""
        place = TopicPartition(letter.topic, 0)
        self._client.assign([place])
        self._client.seek(place, letter.offset)
        try:
            async with asyncio.timeout(ANSWER_S):
                record = await self._client.getone(place)
        except TimeoutError:
            record = None
        if record is None or record.offset != letter.offset:
            raise Transient("letter-gone", f"{letter.topic}/0/{letter.offset}")
        value: bytes | None = record.value
        return value

    async def _between(self, ranges: Mapping[Any, tuple[int, int]]) -> list[Kept]:
        filled = [place for place, (first, end) in ranges.items() if first < end]
        if not filled:
            return []
        self._client.assign(filled)
        for place in filled:
            self._client.seek(place, ranges[place][0])
        letters: dict[tuple[str, str], Letter] = {}
        replayed: set[tuple[str, str]] = set()
        while await self._is_before(filled, ranges):
            batches = await self._client.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            for record in (record for batch in batches.values() for record in batch):
                headers = tuple((name, value or b"") for name, value in record.headers)
                if is_letter(headers):
                    # A redelivered batch leaves the same letter again.
                    key, size = record.key or b"", len(record.value or b"")
                    letter = Letter(record.topic, record.offset, key, headers, size)
                    letters.setdefault((letter.topic, letter.place), letter)
                elif about := marked(headers):
                    replayed.add((record.topic, about))
        in_order = sorted(letters.values(), key=lambda letter: (letter.topic, letter.offset))
        return [Kept(letter, (letter.topic, letter.place) in replayed) for letter in in_order]

    async def _is_before(self, places: Sequence[Any], ranges: Mapping[Any, tuple[int, int]]) -> bool:
        return any([await self._client.position(place) < ranges[place][1] for place in places])


@asynccontextmanager
async def opened(servers: str, security: Security = PLAINTEXT) -> AsyncIterator[Letters]:
    """Read letters for the length of the block; raises `Transient` while the broker is away."""
    client = AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **security.of_clients(),
    )
    try:
        await client.start()
        yield Letters(client)
    except KafkaError as error:
        raise Transient("kafka", type(error).__name__) from error
    finally:
        await client.stop()


async def replay(letters: Letters, producer: Producer, chosen: Sequence[Letter], clock: Clock) -> list[str]:
    """Append the records of these letters to their topics again, and mark the letters; return the places.

    The record first, then the mark: an end between the two leaves a letter that may be taken up once more,
    and its record, which has the id it always had, has no second effect.
    """
    by_place: dict[str, list[Letter]] = {}
    for letter in chosen:
        by_place.setdefault(letter.place, []).append(letter)
    for same in by_place.values():
        await producer.append([taken_up(same[0], await letters.body(same[0]))])
        await producer.append([mark_of(letter, clock.now()) for letter in same])
    return list(by_place)
