"""HTTP/1.1 within limits: how large the head of a request may be, how long a connection may stay without a request, and
how long a client may leave its answer where it is.

uvicorn's parser has none of its own: it keeps what a client sends as headers for as long as that goes on, before anyone
asks who the client is. What is said here holds for every connection; limits of bodies are those of the routes.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 32 * 1024
"""The address and the headers of a request. The largest token that an identity provider issues is a third of it."""
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
"""How long a client may take from its connection, or from the first byte, to the end of the headers."""
STALLED_SECONDS = 60.0
"""How long a client may take nothing of what waits for it. What is sent on to it keeps its source waiting, too."""
LINGER_SECONDS = 5.0
"""How long the rest of a body may take that nobody waits for, because the request has been answered already."""
KEEP_ALIVE_SECONDS = 65
"""How long a connection may wait for its next request: longer than the minute for which proxies and clients keep it."""

_HEAD_TOO_LARGE = f"the address and the headers may have {MAX_HEAD_BYTES // 1024} kB and {MAX_HEADERS} fields in all"


_HEAD = b"HTTP/1.1 "


class _HeadTooLargeError(Exception):
    """Ends the parsing of a request."""


class Answers:
    """What answers are written to: a head goes out together with what follows it at once, as one packet.

    To write takes a system call, which is more than all else that is done to send an answer.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that nothing has followed yet."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class LimitedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answers: Answers
        self._timer: asyncio.TimerHandle | None = None
        self._message = 0
        """The number of the request that is being received."""
        self._in_head = False
        self._in_body = False
        self._fields = 0
        self._head_bytes = 0
        """Of the fields that are complete."""
        self._raw_bytes = 0
        """Of whole reads within a head or between chunks, where a single field may be without end."""
        self._body_bytes = 0
        self._too_large = False
        self._stalled: asyncio.TimerHandle | None = None
        self._unsent = 0
        """Bytes that waited for the client when it was last looked at."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = Answers(transport, self.loop)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; send this again in a second")
        else:
            self._close_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._cancel_stalled()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_whether_it_takes()

    def resume_writing(self) -> None:
        self._cancel_stalled()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        message, in_head, in_body, body = self._message, self._in_head, self._in_body, self._body_bytes
        super().data_received(data)
        if self.transport.is_closing():
            return
        if message == self._message and ((in_head and self._in_head) or (in_body and self._in_body)):
            self._raw_bytes += len(data) - (self._body_bytes - body)
            # of a body in chunks their sizes count too: those of a byte each are no client's
            if self._raw_bytes > MAX_HEAD_BYTES + self._body_bytes:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _HEAD_TOO_LARGE)
                return
        if self._timer is None and not self._in_body and (self._in_head or self._is_idle()):
            self._close_after(HEAD_SECONDS)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._message += 1
        self._in_head = True
        self._fields = self._head_bytes = self._raw_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._count(len(name) + len(value))
        # what follows a body in chunks is no header (RFC 9110, 6.5.1): proxies check and replace headers alone
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._raw_bytes = 0
        self._cancel_timer()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = self._answers  # type: ignore[assignment] # it writes and closes

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._cancel_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answers.flush()
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._close_after(LINGER_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where a request cannot be parsed, which is also how one of ours ends."""
        if self._too_large:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _HEAD_TOO_LARGE)
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _look_whether_it_takes(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._abort_if_it_does_not)

    def _abort_if_it_does_not(self) -> None:
        if self.transport.get_write_buffer_size() < self._unsent:
            self._look_whether_it_takes()
        else:
            self.transport.abort()

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES or self._fields > MAX_HEADERS:
            self._too_large = True
            raise _HeadTooLargeError

    def _is_idle(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    def _close_after(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the headers did not arrive within {HEAD_SECONDS:.0f} seconds")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer where no request has reached the application, and end the connection."""
        self._cancel_timer()
        if self.transport.is_closing():
            return
        if self._is_idle():  # else it would be read as a part of the answer that is being sent
            problem = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
            content = msgspec.json.encode(problem)
            head = (
                f"content-type: application/problem+json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[status] + head.encode() + content)
        self.transport.close()
