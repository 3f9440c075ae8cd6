"""HTTP/1.1 with full control over each byte and over how a connection ends, which no server of applications gives."""

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

from scripts.provider.answers import Answer, End
from scripts.provider.routing import answered, asked_for

CONTROL = "/_provider/"
KEPT_REQUESTS = 1_000
KEPT_BYTES = 1 << 20
"""Of a body in the log; what is larger is known by its length alone."""
REMEMBERED_BYTES = 1 << 16
"""Bodies whose answers are remembered."""
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass
class Received:
    """One request that came, and how its answer ended."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    """As they came, their names in small letters."""
    body: bytes
    length: int
    fault: str = ""
    events: int = 0
    """How many events of a stream were sent."""
    ended: str = ""
    """`sent`, `cut` by a fault, `gone` where the client left; empty while it lasts."""

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name), None)

    @property
    def fields(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class State:
    """What the connections of one stand-in share."""

    keeps_log: bool = True
    requests: deque[Received] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    faults: deque[str] = field(default_factory=deque)
    """What the next requests get, one each."""
    opened: int = 0
    """Connections that were ever accepted."""
    connections: set["Connection"] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """One connection, which is kept between requests."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._sending: asyncio.Task[None] | None = None
        self._received: Received | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._state.opened += 1
        self._state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's name
        self._state.connections.discard(self)
        self._ended("gone")
        if self._sending:
            self._sending.cancel()

    def drop(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if ("expect", "100-continue") in self._headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        url = urlsplit(self._url.decode("latin-1"))
        method, body = self._parser.get_method().decode(), b"".join(self._body)
        if url.path.startswith(CONTROL):
            self._transport.write(_whole(_controlled(self._state, method, url.path, body)))
            return
        fault = self._state.faults.popleft() if self._state.faults else ""
        if self._state.keeps_log:
            kept = body if len(body) <= KEPT_BYTES else b""
            self._received = Received(method, url.path, url.query, self._headers, kept, len(body), fault)
            self._state.requests.append(self._received)
        asked = asked_for(method, url.path, url.query, self._headers, body)
        make = answered if len(body) <= REMEMBERED_BYTES else answered.__wrapped__
        self._send(make(asked, fault))

    def _send(self, found: Answer) -> None:
        last = not self._parser.should_keep_alive()
        if not found.events and not found.late_ms and found.end is End.PROPER:
            self._transport.write(_whole(found))
            self._ended("sent")
            if last:
                self._transport.close()
            return
        self._sending = asyncio.get_running_loop().create_task(self._send_slowly(found, last=last))

    async def _send_slowly(self, found: Answer, *, last: bool) -> None:
        await asyncio.sleep(found.late_ms / 1_000)
        if found.sends == -1:
            await self._end(found.end)
        elif found.events:
            await self._send_events(found, last=last)
        else:
            head = _head(found)
            self._transport.write(head + found.body[: found.sends])
            await self._end(found.end, last=last)

    async def _send_events(self, found: Answer, *, last: bool) -> None:
        self._transport.write(_head(found))
        for number, event in enumerate(_repeated(found)):
            if found.slow_ms and number:
                await asyncio.sleep(found.slow_ms / 1_000)
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            if self._received:
                self._received.events = number + 1
            await self._writable.wait()
        if found.end is End.PROPER:
            self._transport.write(b"0\r\n\r\n")
        await self._end(found.end, last=last)

    async def _end(self, end: End, *, last: bool = False) -> None:
        self._sending = None
        if end is End.SILENCE:
            return
        self._ended("sent" if end is End.PROPER else "cut")
        if end is End.RESET:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self._transport.abort()
        elif end is End.CUT or last:
            self._transport.close()

    def _ended(self, how: str) -> None:
        if self._received and not self._received.ended:
            self._received.ended = how


def _repeated(found: Answer) -> Iterator[bytes]:
    events = found.events if found.sends is None else found.events[: found.sends]
    middle = len(events) // 2
    for number, event in enumerate(events):
        for _ in range(found.repeats if number == middle else 1):
            yield event


@lru_cache(512)
def _head_of(status: int, headers: tuple[tuple[str, str], ...], content_type: str, length: int | None) -> bytes:
    body = ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
    lines = [f"{name}: {value}\r\n" for name, value in (("content-type", content_type), body, *headers)]
    with suppress(ValueError):
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{''.join(lines)}\r\n".encode("latin-1")
    return f"HTTP/1.1 {status} Unknown\r\n{''.join(lines)}\r\n".encode("latin-1")


def _head(found: Answer) -> bytes:
    length = None if found.events else len(found.body) + found.extra_length
    return _head_of(found.status, found.headers, found.content_type, length)


def _whole(found: Answer) -> bytes:
    return _head(found) + found.body


def _controlled(state: State, method: str, path: str, body: bytes) -> Answer:
    """For who has the stand-in in another process: GET and DELETE `requests`, POST `fail`."""
    if (method, path) == ("POST", f"{CONTROL}fail"):
        wanted = json.loads(body)
        state.faults.extend([wanted["fault"]] * wanted.get("times", 1))
    elif (method, path) == ("DELETE", f"{CONTROL}requests"):
        state.requests.clear()
    rows = [{**asdict(each), "body": each.body.decode("utf-8", "replace")} for each in state.requests]
    return Answer(body=json.dumps(rows).encode())
