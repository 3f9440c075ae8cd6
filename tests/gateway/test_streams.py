"""An answer on its way through the whole server: what the client sees, when, and what becomes of the upstream."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.gateway import streams
from app.gateway.answers import TURN_BYTES
from app.gateway.streams import Client, Drains, relay
from tests.gateway.loops import on_each_loop
from tests.gateway.passing import DONE, ERROR, KEEP_ALIVE, Asking, Gateway, Passing, passing
from tests.gateway.raw_upstream import (
    CHUNKED,
    HEAD,
    LAST_CHUNK,
    RawUpstream,
    Step,
    chunk,
    fin,
    in_pieces,
    raw_upstream,
    rst,
    silence,
)
from tests.patience import patience, until

EVENT = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
BINARY = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\n"


def stand(gateway: Gateway) -> tuple[Any, ...]:
    """What became of the last answer."""
    (relayed,) = gateway.relayed
    assert relayed is not None
    return relayed.ending, relayed.drained, relayed.bytes


async def ended(upstream: RawUpstream) -> None:
    """Wait for the upstream's connection to end."""
    await asyncio.wait_for(upstream.left.wait(), patience(1))


@pytest.mark.parametrize("size", [1, 3, 50, 1_000, 5_000])
@on_each_loop
async def test_a_stream_arrives_byte_for_byte_in_whatever_pieces(size: int) -> None:
    stream = EVENT * 40 + b": ping\r\n\r\n" + b"data: a\ndata: b\r\r" + EVENT * 20 + DONE
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        upstream.answers(CHUNKED, *[chunk(piece) for piece in in_pieces(stream, size)], LAST_CHUNK)

        assert await (await gateway.ask()).whole() == (stream, True)

        await until(gateway.over.is_set)
    assert stand(gateway) == ("complete", False, len(stream))
    assert gateway.relayed[0]
    assert gateway.relayed[0].first_output_at


@on_each_loop
async def test_each_event_arrives_before_the_next_is_sent_and_the_end_only_when_the_call_is_recorded() -> None:
    step = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await step.wait()
        step.clear()

    async with raw_upstream() as upstream, passing(upstream) as gateway:
        gateway.recorded.clear()
        upstream.answers(CHUNKED, wait, chunk(EVENT[:9]), chunk(EVENT[9:]), wait, chunk(EVENT + DONE), LAST_CHUNK)
        client = await gateway.ask()
        await client.head()
        for _ in range(2):
            step.set()
            assert await client.chunk() == EVENT
        await until(lambda: len(gateway.relayed) == 1)

        end = asyncio.ensure_future(client.body())
        await asyncio.sleep(0.02)
        assert not end.done()
        gateway.recorded.set()
        assert await end == (DONE, True)


CUTS = {
    "closed between events": ((CHUNKED, chunk(EVENT), fin), EVENT),
    "closed in an event": ((CHUNKED, chunk(EVENT + EVENT[:20]), fin), EVENT),
    "closed before the first event": ((CHUNKED, fin), b""),
    "closed after the last event": ((CHUNKED, chunk(EVENT + DONE), fin), EVENT),
    "reset": ((CHUNKED, chunk(EVENT), rst), EVENT),
    "silent": ((CHUNKED, chunk(EVENT), silence), EVENT),
}


@pytest.mark.parametrize("name", CUTS)
@on_each_loop
async def test_a_cut_upstream_ends_in_an_error_event_and_in_no_proper_end(name: str) -> None:
    steps, expected = CUTS[name]
    async with (
        raw_upstream() as upstream,
        passing(upstream, silence_seconds=0.05 if silence in steps else 30) as gateway,
    ):
        upstream.answers(*steps)

        body, proper_end = await (await gateway.ask()).whole()

        await until(gateway.over.is_set)
        assert (body, proper_end) == (expected + ERROR, False)
    assert stand(gateway)[0] == ("timeout" if silence in steps else "cut")


@pytest.mark.parametrize("break_off", [fin, rst])
@on_each_loop
async def test_wherever_the_upstream_breaks_off_nothing_is_lost_and_nothing_looks_whole(break_off: Step) -> None:
    events = (b"data: 1\n\n", b": ping\n\n", b"data: 2\r\n\r\n", DONE)
    wire = CHUNKED + b"".join(map(chunk, events)) + LAST_CHUNK
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        for moment in range(len(CHUNKED), len(wire) + 1):
            upstream.answers(wire[:moment], break_off)
            client = await gateway.ask()
            if b" 200 " not in await client.head():
                assert break_off is rst  # which may throw away what the system has not handed over
                continue

            body, proper_end = await client.body()

            come = sum(wire.index(event, len(CHUNKED)) + len(event) <= moment for event in events)
            passed = b"".join(events[: min(come, 3)])
            if moment == len(wire) and break_off is fin:
                assert (body, proper_end) == (b"".join(events), True)
            elif break_off is rst:
                assert proper_end <= (moment == len(wire))
                assert b"".join(events).startswith(body.removesuffix(ERROR))
            else:
                assert (body, proper_end) == (passed + ERROR, False)


@pytest.mark.parametrize("form", ["chunked", "sized", "until the end"])
@on_each_loop
async def test_a_large_binary_body_passes_as_it_comes(form: str) -> None:
    body = bytes(range(256)) * 8_000
    pieces = list(in_pieces(body, 40_000))
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        gateway.recorded.clear()
        if form == "chunked":
            upstream.answers(BINARY + b"transfer-encoding: chunked\r\n\r\n", *map(chunk, pieces), LAST_CHUNK)
        elif form == "sized":
            upstream.answers(BINARY + b"content-length: %d\r\n\r\n" % len(body), *pieces)
        else:
            upstream.answers(BINARY + b"\r\n", *pieces, fin)
        client = await gateway.ask()
        await client.head()

        if form == "sized":
            assert await client.reader.readexactly(len(body) - 1) == body[:-1]
            gateway.recorded.set()
            assert await client.reader.readexactly(1) == body[-1:]
        else:
            begun = b""
            while len(begun) < len(body) - 1:
                begun += await client.chunk()
            assert begun == body[:-1]
            gateway.recorded.set()
            assert await client.body() == (body[-1:], True)


@on_each_loop
async def test_a_binary_body_that_breaks_off_is_too_short_and_has_nothing_behind_it() -> None:
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        upstream.answers(BINARY + b"content-length: 100\r\n\r\n", b"a" * 50, fin)
        client = await gateway.ask()

        await client.head()

        assert await client.reader.read() == b"a" * 49


@on_each_loop
async def test_silence_is_filled_between_events_and_never_within_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.02)
    step = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await step.wait()

    async with raw_upstream() as upstream, passing(upstream) as gateway:
        large = b"data: " + b"x" * 300_000
        upstream.answers(CHUNKED, chunk(EVENT + EVENT[:7]), wait, chunk(EVENT[7:] + large), silence)
        client = await gateway.ask()
        await client.head()

        assert await client.chunk() == EVENT
        for _ in range(3):
            assert await client.chunk() == KEEP_ALIVE
        step.set()
        rest = b""
        while not rest.endswith(large):  # in one piece, though it takes longer than the silence that is filled
            rest += await client.chunk()
        assert rest.replace(KEEP_ALIVE, b"") == EVENT + large
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.chunk(), 0.1)


@pytest.mark.parametrize("moment", ["before the headers", "after the headers", "between events", "within an event"])
@on_each_loop
async def test_a_client_that_leaves_frees_the_upstream_at_once(moment: str) -> None:
    steps = {
        "before the headers": (),
        "after the headers": (CHUNKED,),
        "between events": (CHUNKED, chunk(EVENT)),
        "within an event": (CHUNKED, chunk(EVENT + EVENT[:9])),
    }[moment]
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        upstream.answers(*steps, silence)
        client = await gateway.ask()
        await until(lambda: len(upstream.received) == 1)
        if steps:
            await client.head()
        if len(steps) > 1:
            await client.chunk()

        await client.leave()

        await ended(upstream)
        await until(gateway.over.is_set)
        if steps:
            assert stand(gateway)[:2] == ("gone", False)
        else:
            assert gateway.relayed == [None]


@pytest.mark.parametrize("moment", ["before the headers", "between events"])
@on_each_loop
async def test_an_answer_is_read_to_its_end_for_who_left_where_that_is_its_policy(moment: str) -> None:
    step = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await step.wait()

    async with raw_upstream() as upstream, passing(upstream) as gateway:
        gateway.drains = Drains()
        begun = [CHUNKED, chunk(EVENT)] if moment == "between events" else []
        rest = [chunk(EVENT), chunk(DONE), LAST_CHUNK] if begun else [CHUNKED, chunk(EVENT), chunk(DONE), LAST_CHUNK]
        upstream.answers(*begun, wait, *rest)
        client = await gateway.ask()
        await until(lambda: len(upstream.received) == 1)
        if begun:
            await client.head()
            await client.chunk()
        await client.leave()
        await until(gateway.clients[0].gone.is_set)
        step.set()

        await until(gateway.over.is_set)

        assert stand(gateway) == ("gone", True, len(EVENT) * (2 if begun else 1) + len(DONE))
        assert upstream.open == 1  # kept for the next one


BOUNDS = {
    "time": Drains(seconds=0.02),
    "bytes": Drains(most_bytes=len(EVENT)),
    "number": Drains(most=0),
}


@pytest.mark.parametrize("bound", BOUNDS)
@on_each_loop
async def test_reading_on_has_bounds(bound: str) -> None:
    async def more(writer: asyncio.StreamWriter) -> None:
        while bound == "bytes":
            writer.write(chunk(EVENT))
            await writer.drain()
            await asyncio.sleep(0.001)

    async with raw_upstream() as upstream, passing(upstream) as gateway:
        gateway.drains = BOUNDS[bound]
        upstream.answers(CHUNKED, chunk(EVENT), more, silence)
        client = await gateway.ask()
        await client.head()
        await client.leave()

        await ended(upstream)
        await until(gateway.over.is_set)
        assert stand(gateway)[:2] == ("gone", False)


@on_each_loop
async def test_a_stopping_server_reads_on_for_nobody() -> None:
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        gateway.drains = Drains(seconds=600)
        upstream.answers(CHUNKED, chunk(EVENT), silence)
        client = await gateway.ask()
        await client.head()
        await client.leave()
        await until(gateway.clients[0].gone.is_set)

        gateway.drains.end()

        await ended(upstream)


@on_each_loop
async def test_an_upstream_that_breaks_off_for_who_left_is_said_to_have() -> None:
    step = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await step.wait()

    async with raw_upstream() as upstream, passing(upstream) as gateway:
        gateway.drains = Drains()
        upstream.answers(CHUNKED, chunk(EVENT), wait, fin)
        client = await gateway.ask()
        await client.head()
        await client.leave()
        await until(gateway.clients[0].gone.is_set)
        step.set()

        await until(gateway.over.is_set)

        assert stand(gateway)[:2] == ("gone", False)
        assert gateway.relayed[0]
        assert gateway.relayed[0].error
        assert gateway.relayed[0].error.kind == "cut"


class Fast:
    """An upstream that is always faster than whoever reads it."""

    def __init__(self, pieces: int) -> None:
        self.status = 200
        self.headers: Sequence[tuple[bytes, bytes]] = [(b"content-type", b"text/event-stream")]
        self._pieces = pieces

    async def chunk(self) -> bytes:
        self._pieces -= 1
        return b"data: " + b"x" * (TURN_BYTES - 8) + b"\n\n" if self._pieces >= 0 else b""

    def close(self) -> None:
        self._pieces = 0


@on_each_loop
async def test_a_fast_upstream_leaves_others_their_turns() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(_: Any) -> None:
        """Takes everything at once."""

    asyncio.ensure_future(others())  # noqa: RUF006 - it ends with the test
    await relay(Fast(100), Passing(), Client(receive, send))

    assert turns >= 100


@on_each_loop
async def test_a_slow_client_slows_the_upstream_and_all_arrives() -> None:
    event = b"data: " + b"x" * 65_528 + b"\n\n"
    events = 800
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        upstream.answers(CHUNKED, *[chunk(event)] * events, LAST_CHUNK)
        client = await gateway.ask(limit=1 << 16)
        await client.head()

        sent = -1
        while sent != upstream.sent:
            sent = upstream.sent
            await asyncio.sleep(0.1)
        assert sent < 24_000_000  # of 52 MB: what four sockets hold

        received = 0
        while piece := await client.chunk():
            received += len(piece)
        assert received == len(event) * events
        await until(gateway.over.is_set)
    assert stand(gateway) == ("complete", False, len(event) * events)


@on_each_loop
async def test_a_client_that_takes_nothing_at_all_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.protocol.STALLED_SECONDS", 0.1)
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        upstream.answers(CHUNKED, *[chunk(b"data: " + b"x" * 65_528 + b"\n\n")] * 1_000, LAST_CHUNK)
        client = await gateway.ask(limit=1 << 16)
        await client.head()

        await ended(upstream)

        await until(gateway.over.is_set)
        assert stand(gateway)[:2] == ("gone", False)


@on_each_loop
async def test_the_connection_of_a_whole_answer_is_kept_on_both_sides() -> None:
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        client: Asking | None = None
        for _ in range(3):
            upstream.answers(CHUNKED, chunk(EVENT + DONE), LAST_CHUNK)
            if client is None:
                client = await gateway.ask()
            else:
                await client.send(b"POST /pass HTTP/1.1\r\nhost: gateway\r\ncontent-length: 2\r\n\r\n{}")
            assert await client.whole() == (EVENT + DONE, True)
        assert upstream.connections == 1
        assert not any(each.gone.is_set() for each in gateway.clients)


@on_each_loop
async def test_a_stream_in_an_encoding_that_nobody_knows_passes_at_once_and_is_not_spoken_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.02)
    packed = b"\x1f\x8b\x08\0 no event in it"
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        head = HEAD + b"content-encoding: aes128gcm\r\ntransfer-encoding: chunked\r\n\r\n"
        upstream.answers(head, chunk(packed), silence)
        client = await gateway.ask()
        await client.head()

        assert await client.chunk() == packed[:-1]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.chunk(), 0.1)


@on_each_loop
async def test_an_answer_in_http_1_0_that_is_reset_is_no_whole_one() -> None:
    async with raw_upstream() as upstream, passing(upstream) as gateway:
        upstream.answers(HEAD + b"\r\n", EVENT, rst)

        body, proper_end = await (await gateway.ask()).whole()

        assert (body.removesuffix(ERROR), proper_end) == (EVENT, False)
