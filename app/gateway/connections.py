"""Connections to upstreams, by aiohttp: kept for the next request, each request sent once.

aiohttp is asked for bytes alone. It follows no redirect, keeps no cookie, looks for no proxy and no `.netrc` by itself,
and adds no header but `host` and `content-length`. What an upstream packs, though asked not to, it unpacks.
"""

import asyncio
import re
import select
import ssl
from pathlib import Path
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from app.errors import ConfigurationError
from app.gateway.answers import Answer
from app.gateway.failures import BREAKS, failure_of
from app.gateway.transport import UpstreamAnswer, UpstreamError, UpstreamRequest

CONNECTIONS_PER_UPSTREAM = 1_000
"""How many calls of one upstream may be open at once; later ones wait as they would for a connection."""
IDLE_SECONDS = 30.0
"""How long a connection is kept for the next request: shorter than the minute for which most servers keep theirs."""
NAME_SECONDS = 30
"""How long the addresses of a name are remembered."""
PIECE_BYTES = 64 * 1024
"""What is read, and sent of a body, at once; twice as much of an answer waits in memory for a slow client."""
MAX_FIELD_BYTES = 64 * 1024
MAX_FIELDS = 256
ATTEMPTS = 3
"""For a request that was not sent: each of so many kept connections may have been closed by its upstream."""
_AS_SENT = re.compile(r"https?://[!-~]+")


class Connections:
    """The transport of a process. Made on the event loop that uses it."""

    def __init__(self, context: ssl.SSLContext, *, proxies: bool) -> None:
        self._proxies = getproxies_environment() if proxies else {}
        self._used: WeakSet[Any] = WeakSet()
        """Connections that have carried a request."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=context,
                limit=0,
                limit_per_host=CONNECTIONS_PER_UPSTREAM,
                keepalive_timeout=IDLE_SECONDS,
                ttl_dns_cache=NAME_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            read_bufsize=PIECE_BYTES,
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
        )

    async def open(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Send it, and wait for the head of the answer. Raises UpstreamError.

        It is sent a second time where nothing of it was sent: the upstream had closed the connection that was kept.
        """
        if not _AS_SENT.fullmatch(request.url):
            raise UpstreamError("protocol", "the upstream's address is none", reached=False)
        for attempt in range(1, ATTEMPTS + 1):
            body = _Body(request.body, request.first_byte_seconds, self._used)
            try:
                return await self._open(request, body)
            except BREAKS as error:
                failure = failure_of(error, sent=body.sent or not request.body)
                if failure.kind != "cut" or failure.reached or attempt == ATTEMPTS:
                    raise failure from None
        raise AssertionError

    async def _open(self, request: UpstreamRequest, body: "_Body") -> UpstreamAnswer:
        url = URL(request.url, encoded=True)
        async with asyncio.timeout(request.connect_seconds + request.first_byte_seconds) as body.limit:
            response = await self._session.request(
                request.method,
                url,
                headers=[*request.headers, ("accept-encoding", "identity")],
                data=body if request.body else None,
                allow_redirects=False,
                proxy=self._proxy_of(url) if self._proxies else None,
                timeout=aiohttp.ClientTimeout(total=None, connect=request.connect_seconds),
            )
        if (fault := _fault_of(response.status)) is not None:
            response.close()
            raise UpstreamError("protocol", fault)
        return Answer(response, request.silence_seconds, body.ended)

    def _proxy_of(self, url: URL) -> str | None:
        if url.host is None or proxy_bypass(url.host, self._proxies):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class _Body(Payload):
    """The body of one attempt, which knows what has become of it."""

    _autoclose = True

    def __init__(self, content: bytes, seconds: float, used: WeakSet[Any]) -> None:
        super().__init__(content)
        self._size = len(content)
        self._seconds = seconds
        self._used = used
        self.limit = asyncio.timeout(None)
        self.ended: asyncio.Future[None] | None = None
        """Done when its connection has ended, with the reason why."""
        self.sent = False
        """Whether anything has been sent, even of the head: aiohttp sends that together with the first piece."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Of no use here, and asked for by nobody."""
        raise NotImplementedError

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it, and begin to wait for the answer whenever the upstream has taken a piece."""
        protocol = writer.protocol  # type: ignore[attr-defined]
        if _has_ended(writer.transport, kept=protocol in self._used):
            raise ConnectionResetError
        self.sent = True
        self._used.add(protocol)
        self.ended = protocol.closed
        if self.ended is not None:
            self.ended.remove_done_callback(_heard)
            self.ended.add_done_callback(_heard)
        view = memoryview(self._value)
        for begin in range(0, len(view), PIECE_BYTES):
            await writer.write(view[begin : begin + PIECE_BYTES])
            self.limit.reschedule(asyncio.get_running_loop().time() + self._seconds)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """The same: the length is that of the body."""
        del content_length
        await self.write(writer)


def _fault_of(status: int) -> str | None:
    """What is wrong with a status that is neither a success nor an error: nobody can use such an answer."""
    match status // 100:
        case 2 | 4 | 5:
            return None
        case 3:
            return "the upstream redirects, which is not followed; its base_url may be mistaken"
        case _:
            return "the upstream answered with another protocol than HTTP"


def _heard(ended: asyncio.Future[None]) -> None:
    """Nobody may be there to ask why a connection has ended; asyncio would log that."""
    ended.exception()


def _has_ended(transport: asyncio.BaseTransport | None, *, kept: bool) -> bool:
    """Whether its upstream has closed a connection, if only so that the event loop has not come to hear of it yet.

    Nothing is due on one that was kept, so whatever can be read there is its end.
    """
    if transport is None or transport.is_closing():
        return True
    if not kept:
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


def trusted(ca_file: Path | None = None) -> ssl.SSLContext:
    """Whose certificates are believed: those of the system's authorities, and of one's own.

    Raises ConfigurationError where the file of these cannot be used.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except ssl.SSLError as error:
            raise ConfigurationError(f"TWINMETER_GATEWAY_CA_FILE: {ca_file} has no certificates (PEM)") from error
        except OSError as error:
            raise ConfigurationError(f"TWINMETER_GATEWAY_CA_FILE: {ca_file}: {error.strerror}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context
