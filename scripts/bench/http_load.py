"""HTTP/1.1 load from a separate process: connections that send a request as soon as the last one is answered.

The requests are rendered beforehand and the responses hardly read, so that only the server is measured.
"""

import asyncio
import itertools
import multiprocessing
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import cast

import uvloop

CONNECTIONS = 32
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Plan:
    """What to send, in a cycle, until `count` requests are answered."""

    host: str
    port: int
    requests: Sequence[bytes]
    count: int
    expected: bytes
    """What every successful response contains."""
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Load:
    """The result of a plan."""

    per_s: float
    p50_ms: float
    p99_ms: float


class Client:
    """A process that carries out plans."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    async def fire(self, plan: Plan) -> Load:
        """Raises RuntimeError where the server answered anything other than expected."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _carry_out, plan)


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    """A client for the length of a block."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield Client(pool)


def request(path: str, body: bytes, bearer: str, *headers: str) -> bytes:
    """A POST as sent over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {bearer}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def answer_size(received: bytes) -> int | None:
    """The size of the first response in `received`; None while its head is not complete."""
    end = received.find(_END_OF_HEAD)
    if end < 0:
        return None
    found = _LENGTH.search(received, 0, end)
    return end + len(_END_OF_HEAD) + (int(found[1]) if found else 0)


def _carry_out(plan: Plan) -> Load:
    return uvloop.run(_load(plan))


async def _load(plan: Plan) -> Load:
    loop, times = asyncio.get_running_loop(), list[float]()
    remaining = itertools.islice(itertools.cycle(plan.requests), plan.count)
    make = partial(_Connection, remaining, plan.expected, times)
    made = [await loop.create_connection(make, plan.host, plan.port) for _ in range(plan.connections)]
    connections = [connection for _, connection in made]
    started = time.perf_counter()
    for connection in connections:
        connection.send_next()
    await asyncio.gather(*(connection.done for connection in connections))
    seconds = time.perf_counter() - started
    percentiles = quantiles(times, n=100)
    return Load(plan.count / seconds, percentiles[49] * 1000, percentiles[98] * 1000)


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, requests: Iterator[bytes], expected: bytes, times: list[float]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._expected = expected
        self._times = times
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not one of asyncio's

    def send_next(self) -> None:
        if (following := next(self._requests, None)) is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._received += data
        size = answer_size(self._received)
        if size is None or len(self._received) < size:
            return
        self._times.append(time.perf_counter() - self._sent)
        if self._expected not in self._received:
            self._fail(f"an unexpected answer: {self._received[:1_000]!r}")
            return
        self._received = b""
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was lost: {exc}")

    def _fail(self, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(message))
