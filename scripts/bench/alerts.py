"""How long it takes from the call that passes a threshold to the message about it.

Users report eight calls at once each, of a limit of ten requests a day. The time is that from the answer, which says
that they are committed, to the arrival of the webhook about 80 % at a server of this process.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from app.auth.principals import Role
from app.auth.tokens import Tokens
from scripts.bench.results import Results, waits
from scripts.bench.serving import serving
from scripts.bench.setup import Run, bench_database, bench_settings

PER_S = 20
"""Users who pass their threshold."""
CALLS = 8
AMOUNT = 10
PATIENCE = 30.0
ALLOWED = {"TWINMETER_WEBHOOKS_TO_PRIVATE_ADDRESSES": "127.0.0.1"}


@dataclass
class Receiver:
    """A server for webhooks, and when the first message about each user came."""

    arrived: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        user = json.loads(await reader.readexactly(size))["data"].get("userId")
        self.repeated += user in self.arrived
        self.arrived.setdefault(user, time.perf_counter())
        self.came.set()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def until_all(self, users: list[str]) -> None:
        """Until there was a message about each."""
        while not self.arrived.keys() >= set(users):
            self.came.clear()
            await self.came.wait()


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        yield receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def measure(run: Run) -> Results:
    """`run.calls` are users in each round."""
    results = Results()
    with bench_settings(run.settings) as own:
        for number in range(run.rounds):
            async with (
                bench_database(own, run.uri) as database,
                serving(own, run.uri, database.writes.name, more=ALLOWED) as address,
                _receiving() as (receiver, url),
            ):
                token = Tokens(own.signing_secret).issue("bench", Role.ADMIN, timedelta(hours=1))
                headers = {"Authorization": f"Bearer {token}"}
                async with httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE) as admin:
                    await _round(admin, receiver, url, [f"user-{number}-{each}" for each in range(run.calls)], results)
            run.advance(1)
    return results


async def _round(admin: httpx.AsyncClient, receiver: Receiver, url: str, users: list[str], results: Results) -> None:
    await _post(admin, "/api/admin/endpoints", {"kind": "webhook", "name": "bench", "url": url})
    for user in users:
        limit = {"unit": "requests", "window": "day", "amount": AMOUNT, "kind": "hard"}
        await _post(admin, "/api/admin/limits", {"scope": {"userId": user}, **limit})
    began = time.perf_counter()
    answered: dict[str, float] = {}

    async def cross(place: int, user: str) -> None:
        await asyncio.sleep(began + place / PER_S - time.perf_counter())
        call = {"userId": user, "contentType": "chat", "model": "gpt-4o", "inputTokens": 10, "outputTokens": 10}
        await _post(admin, "/api/ai/track/batch", [call] * CALLS)
        answered[user] = time.perf_counter()

    await asyncio.gather(*(cross(place, user) for place, user in enumerate(users)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await receiver.until_all(users)
    # a message may be faster than the answer that the calls are committed
    times = [max(0.0, receiver.arrived[user] - answered[user]) for user in users if user in receiver.arrived]
    if len(times) < len(users):
        results.faults.append(f"{len(users) - len(times)} of {len(users)} messages did not arrive in {PATIENCE:.0f} s")
    row = waits(times or [PATIENCE])
    p95 = sorted(times or [PATIENCE])[int(0.95 * len(times or [PATIENCE]))]
    results.add_row(
        "crossing_to_arrival",
        {**row, "p95_ms": 1000 * p95, "longest_ms": 1000 * max(times, default=PATIENCE), "arrived": len(times)},
    )
    results.add_figure("repeated", receiver.repeated)


async def _post(admin: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await admin.post(path, json=body)
    response.raise_for_status()
