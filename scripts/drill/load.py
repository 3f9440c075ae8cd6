"""Clients under load: each retries a request until it is acknowledged, and records the receipts."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import httpx
import msgspec

from scripts.drill.calls import call, id_of
from scripts.drill.server import DrillError, Server

CLIENTS = 8
SIZES = (1, 1, 1, 1, 5, 20)
"""How many calls a request has; single ones go to the route for one call."""
ACKNOWLEDGED = frozenset({"committed", "spooled", "duplicate"})
BUSY = frozenset({429, 503})
RETRY_SECONDS = 0.02
ANSWER_SECONDS = 30.0
LIMIT_SECONDS = 120.0
"""How long to wait for what has to happen."""

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Told:
    """The receipts of the clients of one drill."""

    def __init__(self) -> None:
        self.acknowledged: set[int] = set()
        """Numbers of calls."""
        self.statuses: Counter[str] = Counter()
        """Receipts, by status."""
        self.faults: list[str] = []
        """Receipts that cannot be right."""
        self.slowest = 0.0
        """The longest response time of a single call, in seconds."""
        self.committed = asyncio.Event()
        self.committed_at = 0.0
        """When the first `committed` came since the event was cleared."""

    def note(self, number: int, receipt: dict[str, Any]) -> bool:
        """Remember a receipt. Returns whether it acknowledges the call."""
        status = receipt["status"]
        self.statuses[status] += 1
        if status not in ACKNOWLEDGED:
            return False
        if receipt["conflicting"] or receipt["id"] != str(id_of(number)) or receipt["cost"] != call(number)["cost"]:
            self.faults.append(f"the receipt of drill-{number} is wrong: {receipt}")
        if status == "committed" and not self.committed.is_set():
            self.committed_at = time.monotonic()
            self.committed.set()
        self.acknowledged.add(number)
        return True


class Client:
    """One keep-alive connection."""

    def __init__(self, server: Server, told: Told) -> None:
        self._server = server
        self._told = told
        self._http = httpx.AsyncClient(timeout=ANSWER_SECONDS, headers=server.headers, trust_env=False)

    async def report(self, numbers: Sequence[int]) -> None:
        """Send these calls until all of them are acknowledged, by whichever server process."""
        left = list(numbers)
        while left:
            await self._server.answering.wait()
            try:
                left = await self._send(left)
            except httpx.TransportError:  # killed: the outcome of the request is unknown
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        await self._http.aclose()

    async def _send(self, numbers: list[int]) -> list[int]:
        """Returns what was not acknowledged."""
        single = len(numbers) == 1
        path = "/api/ai/track" if single else "/api/ai/track/batch"
        body = _encode(call(numbers[0]) if single else [call(number) for number in numbers])
        started = time.monotonic()
        response = await self._http.post(self._server.address + path, content=body)
        if response.status_code in BUSY:
            await asyncio.sleep(RETRY_SECONDS)
            return numbers
        if not response.is_success:
            raise DrillError(f"{path} answered {response.status_code}: {response.text[:500]}")
        answer = _decode(response.content)
        if single:
            self._told.slowest = max(self._told.slowest, time.monotonic() - started)
        receipts = [answer] if single else answer["receipts"]
        return [n for n, receipt in zip(numbers, receipts, strict=True) if not self._told.note(n, receipt)]


class Load:
    """Clients, eight of one server, each of which reports one request after the other."""

    def __init__(self, *servers: Server, clients: int = CLIENTS) -> None:
        """The clients take turns at the servers."""
        self.told = Told()
        self._servers = servers
        self._many = clients
        self._numbers = count()
        self._stopping = False
        self._clients: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._clients = [asyncio.create_task(self._client(seed)) for seed in range(self._many)]

    async def stop(self) -> None:
        """Send nothing new, and wait until all that was sent is acknowledged. Raises DrillError."""
        self._stopping = True
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await asyncio.gather(*self._clients)
        except TimeoutError:
            raise DrillError("the clients could not get their last requests acknowledged") from None

    async def cancel(self) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def until_committed(self) -> float:
        """Wait for a commit from now on, and return its moment. Raises DrillError."""
        self.told.committed.clear()
        return await self.first_commit()

    async def first_commit(self) -> float:
        """The moment of the first commit since the event was cleared. Raises DrillError."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await self.told.committed.wait()
        except TimeoutError:
            raise DrillError(f"nothing was committed within {LIMIT_SECONDS:g} s") from None
        return self.told.committed_at

    async def _client(self, seed: int) -> None:
        rng, client = random.Random(seed), Client(self._servers[seed % len(self._servers)], self.told)
        try:
            while not self._stopping:
                await client.report([next(self._numbers) for _ in range(rng.choice(SIZES))])
        finally:
            await client.close()
