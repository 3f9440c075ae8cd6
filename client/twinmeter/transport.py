"""Requests to the server, over one connection that is kept."""

from __future__ import annotations

# looked up by getaddrinfo: in a forked child the thread that was importing it would be missing
import encodings.idna  # noqa: F401
import io
import socket
import sys
import time
import zlib
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from twinmeter.clock import Clock
from twinmeter.proxies import proxy_for
from twinmeter.version import __version__

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""Of a whole answer, also of one that comes byte by byte. The server takes 10 s at most, unless it is set otherwise."""
QUIET_SECONDS = 30.0
"""A connection that was quiet for longer is not used again: what stands in between, or a process that was frozen
meanwhile, may have lost it, and a request would wait for an answer in vain."""
MOST_ANSWER_BYTES = 10_000_000
GZIP_FROM_BYTES = 1_000
GZIP = 31
"""zlib's word for the form of gzip."""
_PIECE = 65_536


class UnreachableError(Exception):
    """No answer. Whether the server has read the request is not known."""


class Answer(NamedTuple):
    """What a server has answered."""

    status: int
    content: bytes
    retry_after: float | None
    """Seconds."""
    location: str | None


class Transport:
    """One connection to one server. Its methods are called by one thread at a time, and raise UnreachableError."""

    def __init__(self, url: str, key: str, clock: Clock) -> None:
        parts = urlsplit(url)
        self._is_secure = parts.scheme == "https"
        self._host, self._address, self._path = parts.hostname or "", f"http://{parts.netloc}", parts.path
        # without a port, http.client would take the end of an IPv6 address for one
        self._port = parts.port or (443 if self._is_secure else 80)
        agent = f"twinmeter-client/{__version__} python/{sys.version_info[0]}.{sys.version_info[1]}"
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": agent, "Accept": "application/json"}
        self._clock = clock
        self._connection: HTTPConnection | None = None
        self._used_at = 0.0
        self._until = 0.0
        self._base = self._path
        self._to_proxy: dict[str, str] = {}
        self.answer_seconds = ANSWER_SECONDS
        """How long an answer may take."""

    def post(self, path: str, body: bytes) -> Answer:
        """Send lines of NDJSON."""
        headers = {**self._headers, "Content-Type": "application/x-ndjson"}
        if len(body) >= GZIP_FROM_BYTES:
            packer = zlib.compressobj(1, zlib.DEFLATED, GZIP)
            body = packer.compress(body) + packer.flush()
            headers["Content-Encoding"] = "gzip"
        return self._asked("POST", path, body, headers)

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        """Send a question, whose body is JSON."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        return self._asked(method, path, body, headers)

    def learn_time(self) -> None:
        """Ask for nothing but the time, so that no call is dated before the clock is known to be right."""
        self._asked("HEAD", "/livez", None, self._headers)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        self._until = time.monotonic() + self.answer_seconds
        if abs(time.time() - self._used_at) > QUIET_SECONDS:  # the monotonic clock may have been frozen, too
            self.close()
        while True:
            is_kept = self._connection is not None and self._connection.sock is not None
            try:
                return self._answer(self._connected(), method, path, body, headers)
            except (OSError, HTTPException, ValueError) as error:
                self.close()
                # a server closes a connection that was quiet for long without a word: then there is another
                if not is_kept or not isinstance(error, ConnectionError):
                    raise UnreachableError(_words(error)) from error

    def _connected(self) -> HTTPConnection:
        if self._connection is None:
            self._connection = self._new_connection()
        if self._connection.sock is None:
            self._connection.connect()
        self._connection.sock.settimeout(self.answer_seconds)
        return self._connection

    def _new_connection(self) -> HTTPConnection:
        kind = HTTPSConnection if self._is_secure else HTTPConnection
        seconds = min(CONNECT_SECONDS, self.answer_seconds)
        proxy = proxy_for("https" if self._is_secure else "http", self._host, self._port)
        if proxy is None:
            connection = kind(self._host, self._port, timeout=seconds)
        elif proxy.scheme != "http":
            raise OSError(f"only proxies of http:// can be used, and the environment names one of {proxy.scheme}://")
        else:
            connection = kind(proxy.host, proxy.port, timeout=seconds)
        if proxy is not None and self._is_secure:
            connection.set_tunnel(self._host, self._port, proxy.headers)
        self._base, self._to_proxy = self._path, {}
        if proxy is not None and not self._is_secure:
            self._base, self._to_proxy = self._address + self._path, proxy.headers
        connection.response_class = self._response  # type: ignore[assignment]
        return connection

    def _response(self, sock: socket.socket, *arguments: Any, **named: Any) -> HTTPResponse:
        return HTTPResponse(_Hurried(sock, self._until), *arguments, **named)  # type: ignore[arg-type]

    def _answer(
        self, connection: HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection.request(method, self._base + path, body, {**headers, **self._to_proxy})
        response = connection.getresponse()
        self._used_at = time.time()
        self._clock.heard(response.getheader("Date"), self._used_at)
        content = _content(response)
        if response.will_close:
            self.close()
        retry_after = _seconds(response.getheader("Retry-After"))
        return Answer(response.status, content, retry_after, response.getheader("Location"))


class _Hurried:
    """A socket as a response sees it: what is read of it ends by one moment, however it comes."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self._sock, self._until))


class _Reads(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer does not end")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _content(response: HTTPResponse) -> bytes:
    pieces, size = [], 0
    while piece := response.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_ANSWER_BYTES:
            raise HTTPException("the answer does not end")
    if response.length:
        raise HTTPException("the answer was cut off")
    return b"".join(pieces)


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After`: seconds, or a date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after)) if retry_after.strip().isdigit() else _until(retry_after)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _until(date: str) -> float:
    return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
