"""A server that does nothing but pass an upstream's answer on, as the gateway does; and a client of bytes to ask it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from litestar import Litestar
from litestar import asgi as raw_asgi
from litestar.types import Receive, Scope, Send

from app.gateway.connections import Connections, trusted
from app.gateway.streams import Client, ClientGoneError, Drains, Relayed, relay
from app.http.middleware import OPEN_ENDED, RequestLimits, add_headers
from app.http.protocol import KEEP_ALIVE_SECONDS, LimitedProtocol
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.test_transport import asking

REQUEST = b"POST /pass HTTP/1.1\r\nhost: gateway\r\ncontent-length: 2\r\n\r\n{}"
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
ERROR = b'data: {"error":{"code":"upstream_cut"}}\n\n'


class Passing:
    """A reading that holds the proper end of OpenAI's streams back, and knows nothing else."""

    def __init__(self) -> None:
        self.complete = self.output_begun = False
        self.failure: str | None = None

    def feed(self, chunk: bytes) -> bytes:
        self.output_begun = True
        if chunk.endswith(DONE):
            self.complete = True
            return chunk.removesuffix(DONE)
        return chunk

    def end(self) -> bytes:
        return DONE if self.complete else b""

    def reported(self, _provider: str | None = None, _model: str | None = None) -> dict[str, Any]:
        return {}


class Gateway:
    """What it has seen."""

    def __init__(self) -> None:
        self.port = 0
        self.relayed: list[Relayed | None] = []
        """What became of each answer; None where its client left before it began."""
        self.recorded = asyncio.Event()
        """The end of an answer waits for this."""
        self.recorded.set()
        self.drains: Drains | None = None
        self.clients: list[Client] = []
        self.over = asyncio.Event()
        self._asking: list[Asking] = []

    async def ask(self, request: bytes = REQUEST, **options: Any) -> "Asking":
        asking_it = Asking(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        self._asking.append(asking_it)
        await asking_it.send(request)
        return asking_it

    async def close(self) -> None:
        for asking_it in self._asking:
            await asking_it.leave()


class Asking:
    """A client of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def chunk(self) -> bytes:
        """The next chunk; empty for the last one. Raises IncompleteReadError where the answer was cut."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def body(self) -> tuple[bytes, bool]:
        """The rest of the body, and whether it has a proper end."""
        body = b""
        try:
            while piece := await self.chunk():
                body += piece
        except (asyncio.IncompleteReadError, ConnectionError):
            return body, False
        return body, True

    async def whole(self) -> tuple[bytes, bool]:
        await self.head()
        return await self.body()

    async def leave(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def passing(upstream: RawUpstream, **waits: Any) -> AsyncIterator[Gateway]:
    """Such a server, as ours is put together: the limited protocol, Litestar, and what wraps every answer."""
    gateway = Gateway()
    transport = Connections(trusted(), proxies=False)

    @raw_asgi("/pass", opt=OPEN_ENDED, copy_scope=False)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"] == "/pass"
        while (await receive()).get("more_body"):
            pass
        client = Client(receive, send, gateway.drains)
        gateway.clients.append(client)
        try:
            await _pass_on(client)
        finally:
            client.close()
            gateway.over.set()

    async def _pass_on(client: Client) -> None:
        try:
            answer = await client.unless_gone(transport.open(asking(upstream, **waits)))
        except ClientGoneError:
            gateway.relayed.append(None)
            return
        reading = Passing()
        length = [header for header in answer.headers if header[0] == b"content-length"]
        await client.send_start(answer.status, [(b"content-type", b"text/event-stream"), *length])
        relayed = await relay(answer, reading, client, keep_alive=KEEP_ALIVE)
        gateway.relayed.append(relayed)
        await gateway.recorded.wait()
        if relayed.error is None:
            await client.finish(reading.end())
        else:
            await client.cut(ERROR if not length else b"")

    app = Litestar(
        [handler], middleware=[RequestLimits()], before_send=[add_headers], openapi_config=None, logging_config=None
    )
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        loop="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: LimitedProtocol(config, server.server_state, {}), "127.0.0.1", 0)
    gateway.port = listener.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        listener.close()
        await gateway.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
        await transport.close()
