"""Streams over HTTP/1.1 from a separate process, which does no more than see when each began and how it ended."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import uvloop

_END_OF_HEAD = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_DONE = b"data: [DONE]"
_TAIL = 256
"""Bytes in which the end of a stream is looked for."""


class Streams(NamedTuple):
    """What to ask for."""

    host: str
    port: int
    requests: Sequence[bytes]
    """Sent in this order."""
    connections: int
    """Each waits for the end of a stream before it asks for another."""
    over_seconds: float
    """The connections begin one after the other, evenly over this time: else it is their queue that is measured."""


@dataclass
class Streamed:
    """What became of them."""

    seconds: float = 0
    first: list[float] = field(default_factory=list)
    """Seconds from each request to the first byte of its body."""
    whole: list[float] = field(default_factory=list)
    """Seconds to the end."""
    cut: int = 0
    """Streams without a proper end."""


def carry_out(streams: Streams) -> Streamed:
    """Ask for all of them. Raises RuntimeError at an answer that is no stream."""
    return uvloop.run(streamed(streams))


async def streamed(streams: Streams) -> Streamed:
    """From this process."""
    found, requests = Streamed(), iter(streams.requests)
    began = time.perf_counter()

    async def ask(number: int) -> None:
        await asyncio.sleep(streams.over_seconds * number / streams.connections)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, streams.host, streams.port)
        for each in requests:
            await connection.ask(each, found)
        connection.close()

    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(streams.connections):
                tasks.create_task(ask(number))
    except ExceptionGroup as group:
        raise RuntimeError(str(group.exceptions[0])) from None
    found.seconds = time.perf_counter() - began
    return found


class _Connection(asyncio.Protocol):
    """One stream at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._head = b""
        self._tail = b""
        self._first: float | None = None
        self._ended: asyncio.Future[bool] | None = None

    async def ask(self, request: bytes, found: Streamed) -> None:
        self._head, self._tail, self._first = b"", b"", None
        self._ended = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self._transport.write(request)
        proper = await self._ended
        if self._first is None:
            raise RuntimeError(f"no stream: {self._head[:1_000]!r}")
        found.first.append(self._first - sent)
        found.whole.append(time.perf_counter() - sent)
        found.cut += not proper

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not one of asyncio's

    def connection_lost(self, _: Exception | None) -> None:
        self._end(proper=False)

    def data_received(self, data: bytes) -> None:
        if self._first is None:
            self._head += data
            head, end, data = self._head.partition(_END_OF_HEAD)
            if end and b"chunked" not in head.lower():
                self._end(proper=False)
                return
            if not data:
                return
            self._first = time.perf_counter()
        self._tail = (self._tail + data)[-_TAIL:]
        if self._tail.endswith(_LAST_CHUNK):
            self._end(proper=_DONE in self._tail)

    def _end(self, *, proper: bool) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(proper)
