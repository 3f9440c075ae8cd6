"""How long the event loop makes others wait while each route is sent the worst that a client can send."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

import httpx

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.settings import Settings
from scripts.bench import worst
from scripts.bench.lag_server import LAG
from scripts.bench.serving import serving
from scripts.bench.setup import bench_database, bench_settings
from scripts.bench.worst import Worst
from scripts.bench.worst_bodies import JSON
from scripts.toolkit.command import Advance
from scripts.toolkit.track_all import patient

LIMIT_MS = 50.0
TIMEOUT_SECONDS = 120.0
MOST_TIMES = 5
"""For which a request is sent that is refused, because what was sent before is not committed yet."""
BATCH = "/api/ai/track/batch"


class Lag(NamedTuple):
    """What one request did to the loop. All in ms."""

    status: int
    answered: float
    wall_p99: float
    wall_max: float
    busy_p99: float
    busy_max: float
    """What counts: see `lag_server.Meter`."""
    held_max: float
    cpu: float
    """What all threads of the server worked."""


class Prober:
    """Sends requests to a metered server, one at a time."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}

    async def seed(self, batches: int) -> None:
        """Report calls, so that reports have something to tell. Raises RuntimeError where that fails."""
        for body in worst.seed(batches):
            response = await self._client.post(BATCH, content=body, headers=JSON)
            if response.status_code != httpx.codes.OK:
                raise RuntimeError(f"not seeded: {response.status_code} {response.text[:500]}")
        calls = (await self._client.get("/api/admin/ai/calls", params={"days": 90})).json()["calls"]
        page = (await self._client.get("/admin")).text
        self._names = {
            "{call}": calls[0]["id"],
            "{asset}": f"{page.partition('/admin/static/')[1]}{page.partition('/admin/static/')[2][:16]}/vega.js",
        }

    async def probe(self, method: str, request: Worst) -> Lag:
        """Send one request and say what it did; again, like any sender, where it is told to come later."""
        path = request.path
        for name, value in self._names.items():
            path = path.replace(name, value)
        for _ in range(MOST_TIMES):
            await self._client.get(LAG)
            began = time.perf_counter()
            async with self._client.stream(method, path, content=request.body, headers=request.headers) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    await response.aread()
            answered = 1000 * (time.perf_counter() - began)
            if (later := response.headers.get("retry-after")) is None:
                break
            await asyncio.sleep(float(later))
        found = (await self._client.get(LAG)).json()
        return Lag(response.status_code, answered, **found)


@asynccontextmanager
async def prober(settings: Settings, uri: str, database: str) -> AsyncIterator[Prober]:
    """A prober of a server on this database, for the length of a block."""
    token = Tokens(settings.signing_secret).issue("bench", Role.ADMIN, timedelta(hours=1))
    async with (
        serving(patient(settings), uri, database, module="scripts.bench.lag_server") as address,
        httpx.AsyncClient(
            base_url=address, timeout=TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {token}"}
        ) as client,
    ):
        yield Prober(client)


async def measure(settings: Settings, uri: str, batches: int, advance: Advance) -> dict[str, float]:
    """In ms, by route and over all of them: the most and p99 of what its worst case took of the loop at once, and the
    most by the clock, in which what the machine did for others counts too.
    """
    figures: dict[str, float] = {}
    every: list[Lag] = []
    with bench_settings(settings) as own:
        async with bench_database(own, uri) as database, prober(own, uri, database.writes.name) as probe:
            await probe.seed(batches)
            for (method, route), requests in worst.of_routes().items():
                found = [await probe.probe(method, request) for request in requests()]
                figures |= _figures(f"{method} {route}", found)
                every += found
                advance(1)
    return figures | _figures("every route", every)


def _figures(name: str, found: list[Lag]) -> dict[str, float]:
    return {
        f"{name} max_ms": round(max(lag.busy_max for lag in found), 1),
        f"{name} p99_ms": round(max(lag.busy_p99 for lag in found), 1),
        f"{name} wall_max_ms": round(max(lag.wall_max for lag in found), 1),
    }
