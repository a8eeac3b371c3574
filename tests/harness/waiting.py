"""Waiting for what another process does: a condition and a deadline, never a pause and a hope."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

LOOK_S = 0.05
WITHIN_S = 60.0


async def until(look: Callable[[], Any | Awaitable[Any]], *, what: str, within_s: float = WITHIN_S) -> Any:
    """Return the first true thing `look` gives; fails with the last it gave when the time is over."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s} s, last seen: {found!r}")
        await asyncio.sleep(LOOK_S)
