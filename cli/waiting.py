"""Waiting with an end: what does not come in time is told in a sentence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.errors import UserError


@asynccontextmanager
async def within(seconds: float, otherwise: str) -> AsyncIterator[None]:
    """End the block when its time is over; raises `UserError` that says `otherwise`, and after how long."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        # A time limit of what is called has a meaning of its own.
        if not limit.expired():
            raise
        raise UserError(f"{otherwise} within {seconds:g} s.") from error
