"""Taking Kafka away for a while, by the stack's own means, while everybody else goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from cli.stack.local import LocalStack

KAFKA = "kafka"
# A broker that was killed needs some seconds to read its logs again; they are part of the outage.
STARTS_WITHIN_S = 5.0


async def without_kafka(stack: LocalStack, seconds: float, meanwhile: Callable[[], Awaitable[None]]) -> float:
    """Kill Kafka, keep it down for so long, start it again; return how long nobody could reach it.

    What is played `meanwhile` is part of that time, unless it takes much longer: a gate whose process was
    killed as well has nothing to answer from until Kafka is back.
    """
    began = time.monotonic()
    await asyncio.to_thread(stack.cut, KAFKA)
    played = asyncio.ensure_future(meanwhile())
    try:
        await asyncio.wait({played}, timeout=seconds + STARTS_WITHIN_S)
        await asyncio.sleep(max(seconds - STARTS_WITHIN_S - (time.monotonic() - began), 0))
        await asyncio.to_thread(stack.resume, KAFKA)
        away = time.monotonic() - began
        await played
    finally:
        played.cancel()
    return away
