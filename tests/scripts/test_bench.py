"""What the benchmarks work out by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scripts.bench.http_load import Plan, answer_size, client, request
from scripts.bench.memory import figures


@pytest.mark.parametrize(
    ("received", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhel", 49),
        (b"HTTP/1.1 200 OK\r\nContent-Length:12\r\n\r\n", 50),
        (b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", 33),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n\r\ncontent-length: 9\r\n\r\n", 25),
    ],
)
def test_an_answer_is_as_long_as_its_head_says(received: bytes, size: int | None) -> None:
    assert answer_size(received) == size


@asynccontextmanager
async def _answering(body: bytes) -> AsyncIterator[int]:
    """The port of a server that gives one answer to each request of ten bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.read(10_000)).endswith(b"x" * 10):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_plan_ends_when_all_its_requests_are_answered_and_fails_at_another_answer() -> None:
    async with client() as load, _answering(b"taken") as port:
        requests = [request("/", b"x" * 10, "token")]
        found = await load.fire(Plan("127.0.0.1", port, requests, 200, b"taken", connections=4))
        assert found.per_s > 0
        assert 0 < found.p50_ms <= found.p99_ms
        with pytest.raises(RuntimeError, match="an unexpected answer"):
            await load.fire(Plan("127.0.0.1", port, requests, 200, b"committed", connections=4))


def test_growth_is_from_a_tenth_of_the_calls_to_all_of_them() -> None:
    samples = [50.0, 100.0, 100.5, 101.0, 101.0, 102.0, 101.0, 101.0, 103.0, 101.0, 102.0]

    assert figures(samples) == {
        "rss_start_mb": 50.0,
        "rss_10_percent_mb": 100.0,
        "rss_50_percent_mb": 102.0,
        "rss_100_percent_mb": 102.0,
        "rss_most_mb": 103.0,
        "growth_percent": 2.0,
    }
