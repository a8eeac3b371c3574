"""A wire between a client and MongoDB that loses the answer to every commit, as a failing network does."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self


class LostCommits:
    """Passes everything on; a commit reaches the server, and the connection ends before its answer."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.lost = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.close()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, their_writer}
        back = asyncio.create_task(self._pass_on(their_reader, writer))
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if b"commitTransaction" in data:
                    back.cancel()
                    await asyncio.wait({back})
                    their_writer.write(data)
                    await their_writer.drain()
                    # Its answer has arrived here, so the server has committed: only the client does not know.
                    await their_reader.read(65536)
                    self.lost += 1
                    break
                their_writer.write(data)
                await their_writer.drain()
        back.cancel()
        for each in (writer, their_writer):
            each.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
