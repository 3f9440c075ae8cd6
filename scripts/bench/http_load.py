"""HTTP/1.1 load from a separate process: senders that wait for each answer, and come again when they are told to.

The requests are rendered beforehand and the responses hardly read, so that only the server is measured.
"""

import asyncio
import itertools
import multiprocessing
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

import uvloop

SENDERS = 32
PATIENCE = 60.0
"""Seconds for which a sender goes on with one request."""
LONGEST_BACKOFF = 32.0
BUSY = frozenset({429, 503})
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"
_Planned = TypeVar("_Planned")
_Done = TypeVar("_Done")


@dataclass(frozen=True)
class Plan:
    """What to send, each once and in this order, and how."""

    host: str
    port: int
    requests: Sequence[bytes]
    senders: int = SENDERS
    """Connections, of which each waits for its answer before it sends again."""
    per_s: float | None = None
    """Requests per second of all senders, resent ones included; None for as many as are answered."""
    rude: bool = False
    """Whether a refused request is sent again at once, whatever the answer says."""
    seconds: float | None = None
    """When to stop, though requests are left."""


@dataclass
class Load:
    """The result of a plan."""

    seconds: float = 0
    times: list[float] = field(default_factory=list)
    """Seconds from when a request was to be sent to the answer that took it."""
    answers: int = 0
    refused: int = 0
    """Answers that told to come again, and connections that were closed instead of one."""
    given_up: int = 0
    """Requests that were never taken, for a minute."""


class Fires(Protocol):
    """Whatever carries out plans."""

    async def fire(self, plan: Plan) -> Load: ...


class Client:
    """A process that carries out plans, one after the other."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    async def fire(self, plan: Plan) -> Load:
        """Raises RuntimeError where the server answered with anything but success or "come again"."""
        return await self.have(_carry_out, plan)

    async def have(self, carry_out: Callable[[_Planned], _Done], plan: _Planned) -> _Done:
        """Have another kind of plan carried out."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, carry_out, plan)


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    """A client for the length of a block."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield Client(pool)


def request(path: str, body: bytes, bearer: str | None, *headers: str) -> bytes:
    """A POST as sent over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", *headers]
    lines += [] if bearer is None else [f"Authorization: Bearer {bearer}"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def answer_size(received: bytes) -> int | None:
    """The size of the first response in `received`; None while its head is not complete."""
    end = received.find(_END_OF_HEAD)
    if end < 0:
        return None
    found = _LENGTH.search(received, 0, end)
    return end + len(_END_OF_HEAD) + (int(found[1]) if found else 0)


def wait_of(answer: bytes, attempt: int) -> float:
    """Seconds until a refused request is sent again: what the answer says, else as OpenTelemetry's exporters wait."""
    found = _RETRY_AFTER.search(answer, 0, answer.find(_END_OF_HEAD))
    return float(found[1]) if found else min(2.0**attempt, LONGEST_BACKOFF) * random.uniform(0.8, 1.2)


def _carry_out(plan: Plan) -> Load:
    return uvloop.run(carried_out(plan))


async def carried_out(plan: Plan) -> Load:
    """Send from this process."""
    load, connections = Load(), [await _Connection.to(plan) for _ in range(plan.senders)]
    started = time.perf_counter()
    senders = _Senders(plan, load, started)
    try:
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(senders.send(connection))
    except ExceptionGroup as group:
        raise RuntimeError(str(group.exceptions[0])) from None
    finally:
        for connection in connections:
            connection.close()
    load.seconds = time.perf_counter() - started
    return load


class _Senders:
    """All that a plan's senders share."""

    def __init__(self, plan: Plan, load: Load, started: float) -> None:
        self._plan = plan
        self._load = load
        self._requests = iter(plan.requests)
        self._until = None if plan.seconds is None else started + plan.seconds
        self._turns = _turns(started, plan.per_s)

    async def send(self, connection: "_Connection") -> None:
        """Send what is left, one request at a time."""
        for each in self._requests:
            if self._until is not None and time.perf_counter() >= self._until:
                break
            await self._send(connection, each)

    async def _send(self, connection: "_Connection", each: bytes) -> None:
        began = None
        for attempt in itertools.count():
            turn = await self._turn()
            began = began or turn
            answer = await connection.ask(each)
            self._load.answers += 1
            now = time.perf_counter()
            if answer is not None and (status := int(answer[9:12])) not in BUSY:
                if status not in {200, 201, 202}:
                    raise RuntimeError(f"an unexpected answer: {answer[:1_000]!r}")
                self._load.times.append(now - began)
                return
            self._load.refused += 1
            if now - began > PATIENCE or (self._until is not None and now >= self._until):
                self._load.given_up += 1
                return
            if not self._plan.rude:
                await asyncio.sleep(wait_of(answer or b"", attempt))

    async def _turn(self) -> float:
        """Wait until the next request is due, and say when that was: who is late has waited, too."""
        due = next(self._turns)
        if due is None:
            return time.perf_counter()
        await asyncio.sleep(max(0, due - time.perf_counter()))
        return due


def _turns(started: float, per_s: float | None) -> Iterator[float | None]:
    return itertools.repeat(None) if per_s is None else (started + number / per_s for number in itertools.count())


class _Connection(asyncio.Protocol):
    """One request at a time. Opens anew where the server has closed it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._answer: asyncio.Future[bytes | None] | None = None
        self._received = b""

    @classmethod
    async def to(cls, plan: Plan) -> "_Connection":
        connection = cls(plan)
        await connection._open()
        return connection

    async def _open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, self._plan.host, self._plan.port)

    async def ask(self, request: bytes) -> bytes | None:
        """The whole answer; None where the connection was closed instead."""
        if self._transport.is_closing():
            await self._open()
        self._answer, self._received = asyncio.get_running_loop().create_future(), b""
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not one of asyncio's

    def data_received(self, data: bytes) -> None:
        self._received += data
        size = answer_size(self._received)
        if size is not None and len(self._received) >= size:
            self._told(self._received)

    def connection_lost(self, _: Exception | None) -> None:
        self._told(None)

    def _told(self, answer: bytes | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
