"""Playing an act: its steps in the foreground, the people, the observers and the view beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.1
NOT_CLOSED = "time is up and it is not closed"


async def play(steps: Coroutine[Any, Any, T], *beside: Coroutine[Any, Any, None], seconds: float) -> T | None:
    """Return what the steps return, None when their time is over; whatever else ends first ends all.

    What runs beside is cancelled in the end; an error of it is raised as it is.
    """
    others = [asyncio.ensure_future(each) for each in beside]
    main = asyncio.ensure_future(steps)
    try:
        done, _ = await asyncio.wait({main, *others}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {main}:
            task.result()
        return main.result() if main in done else None
    finally:
        for task in (main, *others):
            task.cancel()
        await asyncio.gather(main, *others, return_exceptions=True)


async def until(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for a condition; False when the time is over."""

    async def ask() -> bool:
        return holds()

    return await until_told(ask, seconds=seconds)


async def until_told(ask: Callable[[], Awaitable[bool]], *, seconds: float) -> bool:
    """Wait until somebody who is asked says yes; False when the time is over."""
    ends = asyncio.get_running_loop().time() + seconds
    while True:
        if await ask():
            return True
        if asyncio.get_running_loop().time() > ends:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
