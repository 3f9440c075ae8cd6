"""A client on a bare socket, which sees exactly what comes, reads as slowly as it likes, and leaves when it likes."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

import httptools

READ_BYTES = 65_536
KEPT_BYTES = 1 << 20
"""Of a body: of a larger one its end alone."""
ANSWER_SECONDS = 120.0


class Leave(StrEnum):
    """When a client goes away, without a word."""

    NEVER = "never"
    BEFORE_HEAD = "before the head"
    FIRST_BYTE = "after the first byte"
    IN_AN_EVENT = "in an event"
    BEFORE_LAST_BYTE = "before the last byte"


_AT_A_BYTE = frozenset({Leave.FIRST_BYTE, Leave.BEFORE_LAST_BYTE})


@dataclass
class Heard:
    """What has come of an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    """Of the body."""
    ended: bool = False
    """Whether it has its proper end: the last chunk, or as many bytes as were promised."""
    left: bool = False
    """Whether the client went, and not the answer."""


@dataclass(frozen=True)
class Manner:
    """How a client reads."""

    leaves: Leave = Leave.NEVER
    after: float = 0.0
    """Seconds, of who leaves before the head; bytes, of who does so in an event."""
    mark: bytes = b""
    """By which a stream says that it has ended; what follows is the end of the connection's."""
    pause: float = 0.0
    """Seconds for which nothing is read, once the answer has begun."""


class Asking:
    """One request, on a connection of its own."""

    def __init__(self, manner: Manner) -> None:
        self.heard = Heard()
        self.begun = asyncio.Event()
        """Set with the first byte of a body."""
        self._manner = manner
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, address: str, request: bytes) -> Heard:
        """What comes of it, until it ends or the client leaves. Never raises for a connection that breaks."""
        url = urlsplit(address)
        with suppress(OSError, TimeoutError, httptools.HttpParserError):
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=READ_BYTES)
                try:
                    writer.write(request)
                    await self._read(reader)
                finally:
                    writer.transport.abort()
        return self.heard

    def on_header(self, name: bytes, value: bytes) -> None:
        self.heard.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.heard.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.begun.set()
        heard = self.heard
        heard.size += len(body)
        heard.body += body
        if len(heard.body) > 2 * KEPT_BYTES:
            del heard.body[:-KEPT_BYTES]

    def on_message_complete(self) -> None:
        self.heard.ended = True

    async def _read(self, reader: asyncio.StreamReader) -> None:
        manner = self._manner
        if manner.leaves is Leave.BEFORE_HEAD:
            await asyncio.sleep(manner.after)
            self.heard.left = True
            return
        while not self.heard.ended:
            size = 1 if manner.leaves in _AT_A_BYTE else READ_BYTES
            if not (piece := await reader.read(size)):
                return
            self._parser.feed_data(piece)
            if not self.heard.ended and self._leaves_now():
                self.heard.left = True
                return
            if manner.pause and self.heard.size:
                await asyncio.sleep(manner.pause)

    def _leaves_now(self) -> bool:
        match self._manner.leaves:
            case Leave.FIRST_BYTE:
                return self.heard.size > 0
            case Leave.IN_AN_EVENT:
                return self.heard.size >= self._manner.after
            case Leave.BEFORE_LAST_BYTE:
                if mark := self._manner.mark:
                    return self.heard.body.endswith(mark)
                return self.heard.size == int(self.heard.headers.get("content-length", 0)) - 1
        return False
