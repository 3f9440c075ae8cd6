"""What a connection may cost before anyone has asked who the client is. Raw sockets against a real server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvicorn

from app.http.protocol import KEEP_ALIVE_SECONDS, MAX_HEAD_BYTES, MAX_HEADERS, Answers, LimitedProtocol
from tests.patience import patience, until

REQUEST = b"GET /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"\r\n\r\n"
LARGE = 10_000_000


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of the body, `/early` before it is there; `/headers` names them, `/large` has a lot."""
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b" ".join(name for name, _ in scope["headers"]) if scope["path"] == "/headers" else b"%d" % size
    body = bytes(LARGE) if scope["path"] == "/large" else body
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Peer:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            try:
                self._writer.write(part)
                await self._writer.drain()
            except ConnectionError:
                return

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body of the next answer."""
        async with asyncio.timeout(patience(10)):
            head = await self._reader.readuntil(END)
            (length,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
            return int(head.split()[1]), await self._reader.readexactly(int(length.split(b":")[1]))

    async def taken(self, every: float, size: int) -> int:
        """How much comes to one that takes so much at a time."""
        total = 0
        with contextlib.suppress(ConnectionError):
            while total < LARGE and (piece := await self._reader.read(size)):
                total += len(piece)
                await asyncio.sleep(every)
        return total

    async def is_closed(self) -> bool:
        """Waits for the end, which must come without another answer."""
        async with asyncio.timeout(patience(10)):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


Connect = Callable[[], Awaitable[Peer]]


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Connect]:
    # as in the application: uvicorn's own five seconds would end connections that nothing of ours does
    options["timeout_keep_alive"] = KEEP_ALIVE_SECONDS
    config = uvicorn.Config(echo, http=LimitedProtocol, loop="none", lifespan="off", log_config=None, **options)
    server = uvicorn.Server(config)
    listener = await asyncio.get_running_loop().create_server(
        lambda: LimitedProtocol(config, server.server_state, {}), "127.0.0.1", 0
    )
    peers: list[Peer] = []

    async def connect() -> Peer:
        peers.append(Peer(*await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])))
        return peers[-1]

    yield connect
    listener.close()
    for peer in peers:
        await peer.close()
    await until(lambda: not server.server_state.connections)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with serving() as connect:
        yield await connect()


async def test_requests_one_after_another_and_at_once_are_answered(peer: Peer) -> None:
    for _ in range(3):
        await peer.send(REQUEST + END[2:])
        assert await peer.answer() == (200, b"0")
    await peer.send((REQUEST + END[2:]) * 5 + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + REQUEST[:9])
    assert [await peer.answer() for _ in range(6)] == [(200, b"0")] * 5 + [(200, b"3")]
    await peer.send(REQUEST[9:] + END[2:])
    assert await peer.answer() == (200, b"0")


async def test_a_body_in_parts_of_any_size_is_no_head(peer: Peer) -> None:
    await peer.send(CHUNKED, *[b"400\r\n" + b"x" * 1024 + b"\r\n"] * 300, b"8\r\nabcdefgh\r\n" * 1_000, b"0\r\n\r\n")
    assert await peer.answer() == (200, b"315200")


async def test_what_follows_a_body_is_no_header(peer: Peer) -> None:
    request = CHUNKED.replace(b"/x", b"/headers") + b"2\r\nab\r\n0\r\nAuthorization: Bearer x\r\nHost: evil" + END

    await peer.send(request, request)

    assert [await peer.answer() for _ in range(2)] == [(200, b"host transfer-encoding")] * 2


@pytest.mark.parametrize("byte_by_byte", [False, True])
async def test_a_head_as_large_as_allowed_is_taken(peer: Peer, byte_by_byte: bool) -> None:
    fields = b"".join(b"x-%02d: %s\r\n" % (n, b"v" * 300) for n in range(MAX_HEADERS - 1))
    head = REQUEST + fields + END[2:]
    assert len(head) < MAX_HEAD_BYTES
    await peer.send(*([head[at : at + 7] for at in range(0, len(head), 7)] if byte_by_byte else [head]))
    assert await peer.answer() == (200, b"0")


@pytest.mark.parametrize(
    "head",
    [
        [REQUEST, b"".join(b"x: %d\r\n" % n for n in range(MAX_HEADERS + 1))],
        [REQUEST + b"x: " + b"v" * 2 * MAX_HEAD_BYTES + END],
        [REQUEST + b"x: ", *[b"v" * 1_000] * 400],
        [REQUEST, *[b"x" * 1_000] * 400],
        [b"GET /" + b"y" * 2 * MAX_HEAD_BYTES + b" HTTP/1.1\r\n"],
        [b"GET /", *[b"y" * 1_000] * 400],
        [CHUNKED, b"3\r\nabc\r\n0\r\n", b"".join(b"x%d: 1\r\n" % n for n in range(MAX_HEADERS + 1))],
        [CHUNKED, b"3\r\nabc\r\n0\r\nx: ", *[b"v" * 1_000] * 400],
        [CHUNKED, b"3;", *[b"e" * 1_000] * 400],
    ],
    ids=["fields", "value", "endless value", "endless name", "address", "endless address", "trailers",
         "endless trailer", "endless extension"],
)  # fmt: skip
async def test_a_larger_one_is_refused_while_it_comes(peer: Peer, head: list[bytes]) -> None:
    await peer.send(*head)
    try:
        status, body = await peer.answer()
    except (ConnectionError, asyncio.IncompleteReadError):
        # a request that the application has already has no other answer, and what is on its way can take one with it
        assert head[0] == CHUNKED or len(head) > 2
        return
    assert (status, json.loads(body)["title"]) == (431, "Request Header Fields Too Large")
    assert await peer.is_closed()


async def test_no_http_is_a_problem_too(peer: Peer) -> None:
    await peer.send(b"\x16\x03\x01 hello\r\n\r\n")
    status, body = await peer.answer()
    assert (status, json.loads(body)["status"]) == (400, 400)


async def test_who_says_nothing_or_half_of_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.protocol.HEAD_SECONDS", 0.05)
    async with serving() as connect:
        silent, half, slow, again, blank = [await connect() for _ in range(5)]
        await half.send(REQUEST)
        await slow.send(REQUEST + END[2:])
        assert await slow.answer() == (200, b"0")
        await slow.send(REQUEST)
        for _ in range(2):
            await again.send(REQUEST + END[2:])
            assert await again.answer() == (200, b"0")
        await again.send(END)
        await blank.send(END)

        assert await silent.is_closed()
        assert (await half.answer())[0] == 408
        assert (await slow.answer())[0] == 408
        assert await again.is_closed()
        assert await blank.is_closed()


async def test_a_body_that_nobody_waits_for_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.protocol.LINGER_SECONDS", 0.05)
    async with serving() as connect:
        peer = await connect()
        await peer.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n", b"x" * 100)
        assert await peer.answer() == (200, b"0")
        assert await peer.is_closed()


async def test_more_connections_than_allowed_are_told_so() -> None:
    async with serving(limit_concurrency=11) as connect:
        held = [await connect() for _ in range(10)]
        await held[0].send(REQUEST + END[2:])
        assert await held[0].answer() == (200, b"0")
        late = [await connect() for _ in range(5)]
        answers = [await peer.answer() for peer in late[1:]]
        for gone in (held.pop(), *late):
            await gone.close()

        async def is_taken() -> bool:
            peer = await connect()
            await peer.send(REQUEST + END[2:])
            return (await peer.answer())[0] == 200

        assert [(status, json.loads(body)["detail"]) for status, body in answers] == [
            (503, "too many connections; send this again in a second")
        ] * 4
        await until(is_taken)


@pytest.mark.parametrize(("first", "arrives"), [(0.0, True), (0.4, False)])
async def test_who_takes_nothing_of_its_answer_loses_the_connection_and_who_is_slow_does_not(
    monkeypatch: pytest.MonkeyPatch, first: float, arrives: bool
) -> None:
    monkeypatch.setattr("app.http.protocol.STALLED_SECONDS", 0.1)
    async with serving() as connect:
        peer = await connect()
        await peer.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(first)

        whole = await peer.taken(0.002, 1 << 16) >= LARGE

    assert whole == arrives


class Written:
    """A transport that keeps what is written, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_the_head_of_an_answer_goes_out_with_the_beginning_of_its_body() -> None:
    written = Written()
    answers = Answers(cast("asyncio.Transport", written), asyncio.get_running_loop())
    for piece in (b"HTTP/1.1 200 OK\r\n\r\n", b"one", b"two", b"HTTP/1.1 204 No Content\r\n\r\n"):
        answers.write(piece)
    answers.close()
    answers.write(b"HTTP/1.1 200 OK\r\n\r\n")
    answers.flush()

    assert written.writes == [b"HTTP/1.1 200 OK\r\n\r\none", b"two", b"HTTP/1.1 204 No Content\r\n\r\n"]
    assert written.closed


async def test_a_head_does_not_wait_for_a_body_that_takes_its_time() -> None:
    written = Written()
    answers = Answers(cast("asyncio.Transport", written), asyncio.get_running_loop())
    answers.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.sleep(0)
    answers.write(b"late")

    assert written.writes == [b"HTTP/1.1 200 OK\r\n\r\n", b"late"]
