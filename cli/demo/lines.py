"""HTTP connections that many people share, one caller on each at a time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx


class Lines:
    """A client a line: one pool of sixteen costs twice as much, for it looks at all of them each time."""

    def __init__(self, clients: Sequence[httpx.AsyncClient]) -> None:
        self._clients = clients
        self._free: asyncio.Queue[httpx.AsyncClient] = asyncio.Queue()
        for client in clients:
            self._free.put_nowait(client)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncClient]:
        """Wait for a free line and hold it."""
        line = await self._free.get()
        try:
            yield line
        finally:
            self._free.put_nowait(line)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()
