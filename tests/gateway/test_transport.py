"""The way to upstreams, over sockets: what arrives, and when, and in which connections."""

import asyncio
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.gateway.answers import TURN_BYTES
from app.gateway.connections import PIECE_BYTES, Connections, trusted
from app.gateway.transport import UpstreamAnswer, UpstreamError, UpstreamRequest
from tests.certificates import self_signed
from tests.gateway.loops import on_each_loop
from tests.gateway.raw_upstream import (
    CHUNKED,
    HEAD,
    LAST_CHUNK,
    RawUpstream,
    Received,
    chunk,
    fin,
    in_pieces,
    raw_upstream,
    rst,
    silence,
    sized,
)
from tests.patience import patience, until

ANSWER = b'{"id": "chatcmpl-1"}'


def asking(upstream: RawUpstream | str, body: bytes = b"{}", **fields: Any) -> UpstreamRequest:
    url = upstream if isinstance(upstream, str) else upstream.url + "/v1/chat/completions"
    waits = {"connect_seconds": 30.0, "first_byte_seconds": 30.0, "silence_seconds": 30.0}
    return UpstreamRequest("POST", url, [("content-type", "application/json")], body, **waits)._replace(**fields)


@asynccontextmanager
async def connections(*, proxies: bool = False, ca_file: Path | None = None) -> AsyncIterator[Connections]:
    made = Connections(trusted(ca_file), proxies=proxies)
    try:
        yield made
    finally:
        await made.close()


async def read(answer: UpstreamAnswer) -> bytes:
    whole = b""
    while piece := await answer.chunk():
        whole += piece
    return whole


@on_each_loop
async def test_an_upstream_is_sent_what_was_given_and_nothing_of_our_own_but_what_http_needs() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(ANSWER, b"429 Too Many Requests", b"X-RateLimit-Reset: 1s", b"Retry-After: 3600"))
        url = upstream.url + "/v1beta/models/a%2Fb%20c:generateContent?alt=sse&k=%2B"

        answer = await transport.open(asking(url, b'{"a": 1}', headers=[("X-Api-Key", "k"), ("accept", "a/b")]))

        assert (answer.status, await read(answer)) == (429, ANSWER)
        assert list(answer.headers) == [
            (b"content-type", b"application/json"),
            (b"content-length", b"20"),
            (b"x-ratelimit-reset", b"1s"),
            (b"retry-after", b"3600"),
        ]
    host = upstream.url.removeprefix("http://").encode()
    assert upstream.received == [
        Received(
            b"POST /v1beta/models/a%2Fb%20c:generateContent?alt=sse&k=%2B HTTP/1.1\r\n"
            b"Host: " + host + b"\r\nX-Api-Key: k\r\naccept: a/b\r\naccept-encoding: identity\r\n"
            b"Content-Length: 8\r\n\r\n",
            b'{"a": 1}',
        )
    ]


@pytest.mark.parametrize("size", [1, 7, 1_000, 5_000])
@pytest.mark.parametrize("form", ["chunked", "sized", "until the end"])
@on_each_loop
async def test_every_byte_arrives_in_whatever_pieces_it_was_sent(form: str, size: int) -> None:
    body = b"".join(b"data: %d\n\n" % number for number in range(size)) + b"\r\n\0\xff" * 20
    pieces = list(in_pieces(body, size))
    async with raw_upstream() as upstream, connections() as transport:
        if form == "chunked":
            upstream.answers(CHUNKED, *map(chunk, pieces), LAST_CHUNK)
        elif form == "sized":
            upstream.answers(HEAD + b"content-length: %d\r\n\r\n" % len(body), *pieces)
        else:
            upstream.answers(HEAD + b"\r\n", *pieces, fin)

        assert await read(await transport.open(asking(upstream))) == body


@on_each_loop
async def test_a_piece_arrives_before_the_next_one_is_sent() -> None:
    arrived = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await arrived.wait()
        arrived.clear()

    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(
            CHUNKED, wait, chunk(b"data: 1\n\n"), wait, chunk(b"da"), wait, chunk(b"ta: 2\n\n"), LAST_CHUNK
        )

        answer = await transport.open(asking(upstream))
        for expected in (b"data: 1\n\n", b"da", b"ta: 2\n\n"):
            arrived.set()
            assert await answer.chunk() == expected
        assert await answer.chunk() == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@on_each_loop
async def test_what_an_upstream_packs_though_asked_not_to_is_unpacked_piece_by_piece(encoding: str) -> None:
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    first = packer.compress(ANSWER) + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(ANSWER) + packer.flush()
    arrived = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await arrived.wait()

    async with raw_upstream() as upstream, connections() as transport:
        head = HEAD + b"Content-Encoding: %b\r\ncontent-length: %d\r\n\r\n" % (encoding.encode(), len(first + rest))
        upstream.answers(head, first, wait, rest)

        answer = await transport.open(asking(upstream))

        assert list(answer.headers) == [(b"content-type", b"text/event-stream")]
        assert await answer.chunk() == ANSWER
        arrived.set()
        assert await read(answer) == ANSWER


@on_each_loop
async def test_an_encoding_that_nobody_knows_passes_as_it_is() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(b"packed", b"200 OK", b"content-encoding: aes128gcm"))

        answer = await transport.open(asking(upstream))

        assert await read(answer) == b"packed"
        assert (b"content-encoding", b"aes128gcm") in answer.headers


@on_each_loop
async def test_what_unpacks_to_very_much_stays_small() -> None:
    bomb = zlib.compress(bytes(60_000_000), wbits=31)
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(bomb, b"200 OK", b"content-encoding: gzip"))
        answer = await transport.open(asking(upstream))

        size = 0
        while piece := await answer.chunk():
            assert len(piece) <= TURN_BYTES
            size += len(piece)

    assert size == 60_000_000


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"])
@on_each_loop
async def test_no_key_follows_a_redirect_and_it_is_no_answer(status: bytes) -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(ANSWER, status, b"location: " + upstream.url.encode() + b"/elsewhere"))

        with pytest.raises(UpstreamError, match="redirects") as raised:
            await transport.open(asking(upstream))

        assert (raised.value.kind, raised.value.reached) == ("protocol", True)
    assert len(upstream.received) == 1


@pytest.mark.parametrize("status", [b"000 None", b"600 Beyond", b"999 Request denied"])
@on_each_loop
async def test_a_status_that_http_does_not_have_is_no_answer(status: bytes) -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(ANSWER, status))

        with pytest.raises(UpstreamError) as raised:
            await transport.open(asking(upstream))

        assert raised.value.kind == "protocol"


@on_each_loop
async def test_early_hints_are_not_the_answer() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        upstream.answers(b"HTTP/1.1 100 Continue\r\n\r\n", hints, hints, sized(ANSWER))

        answer = await transport.open(asking(upstream))

        assert (answer.status, await read(answer)) == (200, ANSWER)


@on_each_loop
async def test_connections_are_kept_and_shared_and_one_that_was_left_is_not() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        for _ in range(10):
            upstream.answers(CHUNKED, chunk(ANSWER), LAST_CHUNK)
            assert await read(await transport.open(asking(upstream))) == ANSWER
        assert upstream.connections == 1

        upstream.answers(CHUNKED, chunk(ANSWER), silence)
        left = await transport.open(asking(upstream))
        await left.chunk()
        left.close()
        await asyncio.wait_for(upstream.left.wait(), patience(1))
        upstream.answers(sized(ANSWER))
        assert await read(await transport.open(asking(upstream))) == ANSWER
        assert (upstream.connections, upstream.open) == (2, 1)


@on_each_loop
async def test_a_kept_connection_that_its_upstream_has_closed_is_no_failure() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        for _ in range(3):
            upstream.answers(sized(ANSWER), fin)
            assert await read(await transport.open(asking(upstream))) == ANSWER
            await asyncio.wait_for(upstream.left.wait(), patience(1))
            upstream.left.clear()
    assert (upstream.connections, len(upstream.received)) == (3, 3)


@on_each_loop
async def test_a_request_is_not_sent_into_a_connection_that_ended_while_nobody_listened() -> None:
    """Its end is in the system's buffers, where the event loop has not looked: it was busy, or stopped."""
    ends, ended = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        received = []

        def serve() -> None:
            for number in range(2):
                connection, _ = server.accept()
                received.append(connection.recv(65_536))
                connection.sendall(sized(ANSWER))
                if number == 0:
                    ends.wait()
                connection.close()
                ended.set()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        async with connections() as transport:
            assert await read(await transport.open(asking(url))) == ANSWER
            ends.set()
            ended.wait()  # in the loop's own thread, so that it hears of nothing

            assert await read(await transport.open(asking(url))) == ANSWER
        thread.join()
    assert len(received) == 2


@pytest.mark.parametrize("steps", [(fin,), (silence,), (b"HTTP/1.1 200", fin)])
@on_each_loop
async def test_what_may_have_been_received_is_never_sent_again(steps: Any) -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(ANSWER))
        await read(await transport.open(asking(upstream)))
        upstream.answers(*steps)

        with pytest.raises(UpstreamError) as caught:
            await transport.open(asking(upstream, first_byte_seconds=0.05))

    assert caught.value.reached
    assert len(upstream.received) == 2


@pytest.mark.parametrize("step", [fin, rst])
@on_each_loop
async def test_half_of_a_body_that_was_sent_is_not_sent_again(step: Any) -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.reads_bodies = False
        for _ in range(3):
            upstream.answers(step)

        with pytest.raises(UpstreamError) as caught:
            await transport.open(asking(upstream, bytes(20_000_000)))

    assert (caught.value.kind, caught.value.reached) == ("cut", True)
    assert upstream.connections == 1


@on_each_loop
async def test_a_large_body_is_sent_piece_by_piece_and_nobody_warns() -> None:
    body = bytes(range(256)) * 80_000
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(sized(ANSWER))

        assert await read(await transport.open(asking(upstream, body))) == ANSWER

    assert upstream.received[0].body == body


@on_each_loop
async def test_an_upstream_may_answer_before_it_has_read_the_body() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.reads_bodies = False
        upstream.answers(sized(ANSWER, b"413 Content Too Large"))

        answer = await transport.open(asking(upstream, bytes(20_000_000)))

        assert (answer.status, await read(answer)) == (413, ANSWER)
        upstream.reads_bodies = True
        upstream.answers(sized(ANSWER))
        assert await read(await transport.open(asking(upstream))) == ANSWER
    assert upstream.connections == 2  # half a request is on the first one


@on_each_loop
async def test_who_gives_up_before_the_answer_frees_the_connection() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(silence)
        asked = asyncio.ensure_future(transport.open(asking(upstream)))
        await until(lambda: len(upstream.received) == 1)

        asked.cancel()

        await asyncio.wait_for(upstream.left.wait(), patience(1))
        assert asked.cancelled()


@pytest.mark.parametrize("form", ["chunked", "sized"])
@on_each_loop
async def test_a_reader_that_reads_nothing_stops_the_upstream(form: str) -> None:
    piece, pieces = bytes(PIECE_BYTES), 800
    async with raw_upstream() as upstream, connections() as transport:
        if form == "chunked":
            upstream.answers(CHUNKED, *[chunk(piece)] * pieces, LAST_CHUNK)
        else:
            upstream.answers(HEAD + b"content-length: %d\r\n\r\n" % (PIECE_BYTES * pieces), *[piece] * pieces)
        answer = await transport.open(asking(upstream, silence_seconds=0.05))

        sent = -1
        while sent != upstream.sent:  # until it has no room for more; longer than it may be silent, which it is not
            sent = upstream.sent
            await asyncio.sleep(0.1)
        assert sent < 16_000_000  # the buffers of two sockets

        received = 0
        while got := await answer.chunk():
            assert len(got) <= TURN_BYTES
            received += len(got)
        assert received == PIECE_BYTES * pieces


@on_each_loop
async def test_proxies_of_the_environment_are_used_only_where_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_upstream() as proxy, raw_upstream() as upstream:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "other.example")
        async with connections() as transport:
            upstream.answers(sized(ANSWER))
            assert await read(await transport.open(asking(upstream))) == ANSWER
        async with connections(proxies=True) as transport:
            proxy.answers(sized(b"through"))
            assert await read(await transport.open(asking("http://api.example/v1/a%2Fb"))) == b"through"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with connections(proxies=True) as transport:
            upstream.answers(sized(ANSWER))
            assert await read(await transport.open(asking(upstream))) == ANSWER
    assert proxy.received[0].head.startswith(b"POST http://api.example/v1/a%2Fb HTTP/1.1\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "upstream.pem", "api.example", "127.0.0.1")


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@on_each_loop
async def test_an_authority_of_ones_own_is_believed_beside_those_of_the_system(certificate: Path) -> None:
    body = bytes(range(256)) * 2_000
    async with raw_upstream(serving(certificate)) as upstream, connections(ca_file=certificate) as transport:
        for _ in range(3):
            upstream.answers(CHUNKED, chunk(body), LAST_CHUNK)
            assert await read(await transport.open(asking(upstream, body))) == body

        upstream.answers(CHUNKED, chunk(ANSWER), silence)
        left = await transport.open(asking(upstream))
        assert await left.chunk() == ANSWER
        left.close()
        await asyncio.wait_for(upstream.left.wait(), patience(1))
    assert upstream.connections == 1


def test_authorities_that_cannot_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")

    with pytest.raises(
        ConfigurationError, match=r"^TWINMETER_GATEWAY_CA_FILE: .*empty.pem has no certificates \(PEM\)$"
    ):
        trusted(tmp_path / "empty.pem")
    with pytest.raises(ConfigurationError, match=r"^TWINMETER_GATEWAY_CA_FILE: .*: No such file or directory$"):
        trusted(tmp_path / "nowhere.pem")


@on_each_loop
async def test_a_certificate_that_nobody_knows_or_of_another_name_is_refused(certificate: Path) -> None:
    async with raw_upstream(serving(certificate)) as upstream:
        async with connections() as transport:
            with pytest.raises(UpstreamError, match="certificate is not valid: self-signed certificate") as unknown:
                await transport.open(asking(upstream))
        async with connections(ca_file=certificate) as transport:
            with pytest.raises(UpstreamError, match="certificate is not valid") as other:
                await transport.open(asking(upstream.url.replace("127.0.0.1", "localhost")))
    for caught in (unknown, other):
        assert (caught.value.kind, caught.value.reached) == ("tls", False)
    assert upstream.received == []
