"""An upstream of bytes: it says what a test tells it to, whole or not, and keeps what it was sent."""

import asyncio
import re
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

Step = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is sent in one go, or something that is done and waited for."""

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def sized(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    """A whole answer that says how long it is."""
    lines = [b"HTTP/1.1 " + status, b"content-type: application/json", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


async def fin(writer: asyncio.StreamWriter) -> None:
    """Close the connection, after all that was sent."""
    writer.close()


async def rst(writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER of no time at all
    writer.transport.abort()


async def silence(_: asyncio.StreamWriter) -> None:
    """Say nothing more."""
    await asyncio.Event().wait()


class Received(NamedTuple):
    head: bytes
    body: bytes


class RawUpstream:
    """Answers request after request, each by the next of the scripts that it was given."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.open = 0
        """How many connections there are just now."""
        self.received: list[Received] = []
        self.sent = 0
        """Bytes that the other end had room for."""
        self.reads_bodies = True
        self._scripts: list[tuple[Step, ...]] = []
        self.left = asyncio.Event()
        """Set whenever a connection has ended."""

    def answers(self, *steps: Step) -> None:
        """The next request is answered so."""
        self._scripts.append(steps)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while not writer.is_closing():
                await self._answer_one(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()
            self.open -= 1
            self.left.set()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length and self.reads_bodies else b""
        self.received.append(Received(head, body))
        follows = asyncio.ensure_future(self._follow(self._scripts.pop(0), writer))
        ends = asyncio.ensure_future(reader.read(1) if self.reads_bodies else silence(writer))
        await asyncio.wait([follows, ends], return_when=asyncio.FIRST_COMPLETED)
        follows.cancel()
        ends.cancel()
        await asyncio.gather(ends, follows, return_exceptions=True)
        if not follows.cancelled() and (error := follows.exception()):
            raise error
        if not ends.cancelled():
            raise asyncio.IncompleteReadError(b"", 1)

    async def _follow(self, script: tuple[Step, ...], writer: asyncio.StreamWriter) -> None:
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                self.sent += len(step)
            else:
                await step(writer)


@asynccontextmanager
async def raw_upstream(context: ssl.SSLContext | None = None) -> AsyncIterator[RawUpstream]:
    """One that listens on a port of its own."""
    upstream = RawUpstream()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(upstream.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context, limit=1 << 16)
    upstream.url = f"{'http' if context is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def in_pieces(content: bytes, size: int) -> Iterable[bytes]:
    """The same bytes, so many at once."""
    return (content[begin : begin + size] for begin in range(0, len(content), size))
