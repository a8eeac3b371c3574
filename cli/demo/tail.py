"""Reading topics without a group: an observer leaves no trace and takes no work away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from cli.demo.asking import AGAIN_AFTER_S
from shared.contracts.topics import Topic
from shared.flow.records import Record
from shared.messaging.reading import read

POLL_MS = 100
Records = AsyncIterator[Record]


@asynccontextmanager
async def tail(servers: str, *topics: Topic, from_now: bool = False) -> AsyncIterator[Records]:
    """Open topics; the records come in the order of each partition and do not end by themselves.

    They begin with the first there is, or `from_now` with the first appended after this has opened.
    """
    consumer = await _connected(servers, topics)
    try:
        if from_now:
            await consumer.seek_to_end()
            for place in consumer.assignment():
                # Asked for once, the position is fixed: what comes from here on is not missed.
                await consumer.position(place)
        yield _records(consumer)
    finally:
        await consumer.stop()


async def _connected(servers: str, topics: Sequence[Topic]) -> AIOKafkaConsumer:
    """Return a consumer that the broker has answered: one that was killed at this moment comes back."""
    while True:
        consumer = AIOKafkaConsumer(
            *(topic.name for topic in topics),
            bootstrap_servers=servers,
            client_id="gridloop-demo",
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
        except KafkaError:
            await consumer.stop()
            await asyncio.sleep(AGAIN_AFTER_S)
        except BaseException:
            await consumer.stop()
            raise
        else:
            return consumer


async def _records(consumer: AIOKafkaConsumer) -> Records:
    while True:
        polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=500)
        for raws in polled.values():
            for raw in raws:
                arrival = read(raw)
                if not isinstance(arrival, Record):
                    raise TypeError(f"{raw.topic}/{raw.partition}/{raw.offset}: {arrival.code}")
                yield arrival
        # A full poll answers without waiting: let the others of this process have their turn.
        await asyncio.sleep(0)
