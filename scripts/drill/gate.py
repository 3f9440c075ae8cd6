"""A way to a server that keeps its address whatever becomes of the server behind it, and that may cut answers."""

import asyncio
import contextlib
from typing import Self

from scripts.drill.server import Server

LOOPBACK = "127.0.0.1"
CHUNK = 65_536


class Gate:
    """`async with Gate(server) as gate`: clients report to `gate.address`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.address = ""
        self.cuts_each = 0
        """Of so many pieces of answers, one is cut in the middle, and its connection with it. None where it is 0."""
        self.cut = 0
        """How many were."""
        self._pieces = 0

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._pass, LOOPBACK)
        self.address = f"http://{LOOPBACK}:{self._listening.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()

    async def _pass(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        host, _, port = self._server.address.rpartition("//")[2].rpartition(":")
        try:
            from_server, to_server = await asyncio.open_connection(host, int(port))
        except OSError:  # it is away
            to_client.close()
            return
        await asyncio.gather(_copy(from_client, to_server), self._answer(from_server, to_client))

    async def _answer(self, from_server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await from_server.read(CHUNK):
                self._pieces += 1
                if self.cuts_each and self._pieces % self.cuts_each == 0:
                    self.cut += 1
                    to_client.write(piece[: len(piece) // 2])
                    break
                to_client.write(piece)
                await to_client.drain()
        to_client.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(CHUNK):
            writer.write(piece)
            await writer.drain()
    writer.close()
