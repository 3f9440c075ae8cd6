"""Where the alerts of the drill are delivered to: a web server that remembers what came, and now and then fails."""

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self

LOOPBACK = "127.0.0.1"
FAILS_EACH = 5
"""Of so many messages it answers one with 500 the first time, after it has taken it, so that it comes again."""


class Receiver:
    """`async with Receiver() as receiver`: messages go to `receiver.url`."""

    def __init__(self) -> None:
        self.url = ""
        self.came: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The bodies, by the message's id."""

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._talk, LOOPBACK)
        self.url = f"http://{LOOPBACK}:{self._listening.sockets[0].getsockname()[1]}/alerts"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")[1:]
                fields = {
                    name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
                }
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                status = self._taken(fields.get("webhook-id", ""), body)
                writer.write(f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    def _taken(self, id_: str, body: bytes) -> HTTPStatus:
        fails = id_ not in self.came and len(self.came) % FAILS_EACH == 0
        self.came[id_].append(json.loads(body))
        return HTTPStatus.INTERNAL_SERVER_ERROR if fails else HTTPStatus.NO_CONTENT
