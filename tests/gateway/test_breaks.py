"""What every break of an upstream is called, and that all that came before it arrives."""

import asyncio
import socket
from typing import Any

import pytest

from app.gateway.transport import UpstreamAnswer, UpstreamError
from tests.gateway.loops import on_each_loop
from tests.gateway.raw_upstream import CHUNKED, HEAD, LAST_CHUNK, Step, chunk, fin, raw_upstream, rst, silence, sized
from tests.gateway.test_transport import ANSWER, asking, connections

SECRET = "sk-canary"
CUT = "the upstream closed the connection before its answer was complete"
NO_HTTP = "the upstream's answer is no HTTP"
EVENT = b"data: 1\n\n"


async def _pause(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.01)  # until what was sent has been read


BEFORE_THE_HEAD: dict[str, tuple[tuple[Step, ...], str, str]] = {
    "closed": ((fin,), "cut", CUT),
    "reset": ((rst,), "cut", CUT),
    "closed in the status": ((b"HTTP/1.1 20", fin), "cut", CUT),
    "closed in the headers": ((b"HTTP/1.1 200 OK\r\ncontent-type: a", fin), "cut", CUT),
    "reset in the headers": ((b"HTTP/1.1 200 OK\r\ncontent-type: a", rst), "cut", CUT),
    "closed after hints": ((b"HTTP/1.1 103 Early Hints\r\n\r\n", fin), "cut", CUT),
    "silent": ((silence,), "timeout", "the upstream did not begin to answer in time"),
    "silent in the headers": ((HEAD, silence), "timeout", "the upstream did not begin to answer in time"),
    "no HTTP": ((b"SSH-2.0-OpenSSH_9.2\r\n", silence), "protocol", NO_HTTP),
    "HTML without a head": ((b"<html>502</html>", fin), "protocol", NO_HTTP),
    "a header that breaks its line": ((b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",), "protocol", NO_HTTP),
    "two lengths": ((HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",), "protocol", NO_HTTP),
    "another protocol": (
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", silence),
        "protocol",
        "the upstream answered with another protocol than HTTP",
    ),
    "a header without end": (
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000, silence),
        "too_large",
        "the headers of the upstream's answer are too large",
    ),
    "headers without number": (
        (b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 2_000 + b"\r\n", silence),
        "protocol",
        NO_HTTP,
    ),
}


@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
@on_each_loop
async def test_a_break_before_the_head_is_told_and_may_have_been_a_call(name: str) -> None:
    steps, kind, message = BEFORE_THE_HEAD[name]
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(*steps)

        waits = 0.05 if kind == "timeout" else 30.0
        with pytest.raises(UpstreamError) as caught:
            await transport.open(asking(f"{upstream.url}/?key={SECRET}", first_byte_seconds=waits))

        await asyncio.wait_for(upstream.left.wait(), 30)
    assert (caught.value.kind, caught.value.message, caught.value.reached) == (kind, message, True)
    assert len(upstream.received) == 1


IN_THE_BODY: dict[str, tuple[tuple[Step, ...], bytes, str]] = {
    "closed before the first chunk": ((CHUNKED, fin), b"", "cut"),
    "closed after a chunk": ((CHUNKED, chunk(EVENT), fin), EVENT, "cut"),
    "closed with a chunk": ((CHUNKED + chunk(EVENT) * 3, fin), EVENT * 3, "cut"),
    "closed in a chunk": ((CHUNKED, chunk(EVENT), b"9\r\ndata", fin), EVENT + b"data", "cut"),
    "closed in a size": ((CHUNKED, chunk(EVENT), b"9", fin), EVENT, "cut"),
    "closed before the end of the last chunk": ((CHUNKED, chunk(EVENT), b"0\r\n", fin), EVENT, "cut"),
    "reset after a chunk": ((CHUNKED, chunk(EVENT), rst), EVENT, "cut"),
    "closed too early": ((HEAD + b"content-length: 20\r\n\r\n", EVENT, fin), EVENT, "cut"),
    "closed with all but a byte": ((HEAD + b"content-length: 10\r\n\r\n" + EVENT, fin), EVENT, "cut"),
    "closed after much": ((CHUNKED + chunk(EVENT * 90_000), fin), EVENT * 90_000, "cut"),
    "silent": ((CHUNKED, chunk(EVENT), silence), EVENT, "timeout"),
    "a size that is none": ((CHUNKED, chunk(EVENT), _pause, b"zz\r\n", silence), EVENT, "cut"),
    "packed, and not as it says": (
        (HEAD + b"content-encoding: gzip\r\ncontent-length: 9\r\n\r\n", _pause, EVENT),
        b"",
        "cut",
    ),
    "reset where only the end says that it is the end": ((HEAD + b"\r\n", EVENT, rst), EVENT, "cut"),
}


@pytest.mark.parametrize("name", IN_THE_BODY)
@pytest.mark.parametrize("late", [False, True])
@on_each_loop
async def test_all_that_came_before_a_break_arrives_and_then_the_break(name: str, late: bool) -> None:
    steps, expected, kind = IN_THE_BODY[name]
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(*steps)
        answer = await transport.open(asking(upstream, silence_seconds=0.05 if kind == "timeout" else 30.0))
        if late:  # whoever reads was busy when it broke off
            await asyncio.sleep(0.02)

        arrived, error = await _until_it_breaks(answer)

    if rst not in steps or not late:  # a reset throws away what the system has not handed over
        assert arrived == expected
    assert (error.kind, error.reached) == (kind, True)
    with pytest.raises(UpstreamError):  # it stays so
        await answer.chunk()


async def _until_it_breaks(answer: UpstreamAnswer) -> tuple[bytes, UpstreamError]:
    arrived = b""
    try:
        while piece := await answer.chunk():
            arrived += piece
    except UpstreamError as error:
        return arrived, error
    raise AssertionError("it looked like an end")


def _unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@on_each_loop
async def test_where_nobody_listens_the_upstream_has_certainly_not_been_asked() -> None:
    async with connections() as transport:
        with pytest.raises(UpstreamError) as caught:
            await transport.open(asking(f"http://127.0.0.1:{_unused()}/?key={SECRET}"))

    assert (caught.value.kind, caught.value.reached) == ("connect", False)
    assert caught.value.message == "the upstream cannot be reached: Connection refused"


@on_each_loop
async def test_a_name_without_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nothing, raising=False)
    async with connections() as transport:
        with pytest.raises(UpstreamError) as caught:
            await transport.open(asking(f"https://nowhere.invalid/?key={SECRET}"))

    assert (caught.value.kind, caught.value.reached) == ("dns", False)
    assert caught.value.message == "the upstream's name has no address"


@on_each_loop
async def test_a_server_that_speaks_no_tls_is_told() -> None:
    async with raw_upstream() as upstream, connections() as transport:

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(sized(ANSWER))
            writer.close()

        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            with pytest.raises(UpstreamError) as caught:
                await transport.open(asking(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))

    assert (caught.value.kind, caught.value.reached) == ("tls", False)
    assert upstream.received == []


@on_each_loop
async def test_a_connection_that_does_not_come_about_in_time_is_given_up() -> None:
    """A server that accepts, and then says nothing that TLS could begin with."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with connections() as transport:
            url = f"https://127.0.0.1:{server.getsockname()[1]}/"
            with pytest.raises(UpstreamError) as caught:
                await transport.open(asking(url, connect_seconds=0.05))

    assert (caught.value.kind, caught.value.reached) == ("connect", False)
    assert caught.value.message == "there was no connection to the upstream in time"


@on_each_loop
async def test_an_upstream_that_stops_reading_a_large_body_is_given_up() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.reads_bodies = False
        upstream.answers(silence)

        with pytest.raises(UpstreamError) as caught:
            await transport.open(asking(upstream, bytes(20_000_000), first_byte_seconds=0.2))

    assert (caught.value.kind, caught.value.reached) == ("timeout", True)


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://127.0.0.1:1/a b"},
        {"url": "http://127.0.0.1:1/a\r\nx: y"},
        {"url": "http://127.0.0.1:1/é"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http://user:secret@[::1/"},
        {"headers": [("x-a", "b\r\nc: d")]},
        {"headers": [("x-a\r\nb", "c")]},
        {"headers": [("authorization", "Bearer a")], "url": "http://user:secret@127.0.0.1:1/"},
    ],
)
@on_each_loop
async def test_what_could_become_another_request_is_not_sent(fields: dict[str, Any]) -> None:
    async with raw_upstream() as upstream, connections() as transport:
        request = asking(upstream)
        if "url" in fields:
            fields = {**fields, "url": fields["url"].replace("127.0.0.1:1", upstream.url.removeprefix("http://"))}
        with pytest.raises(UpstreamError) as caught:
            await transport.open(request._replace(**fields))

    assert (caught.value.kind, caught.value.reached) == ("protocol", False)
    assert "secret" not in caught.value.message
    assert upstream.received == []


@on_each_loop
async def test_a_whole_answer_stays_whole_whatever_follows_it() -> None:
    async with raw_upstream() as upstream, connections() as transport:
        upstream.answers(CHUNKED + chunk(EVENT) + LAST_CHUNK + b"HTTP/1.1 200 OK\r\n\r\njunk", fin)
        answer = await transport.open(asking(upstream))
        assert (await answer.chunk(), await answer.chunk()) == (EVENT, b"")

        upstream.answers(sized(ANSWER))
        again = await transport.open(asking(upstream))
        assert await again.chunk() == ANSWER
    assert upstream.connections == 2
