"""Latency of administrators' reports beside a live writer, against raw aggregation, for any size of ledger."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles

import httpx

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database, connected
from app.reports import overview, usage
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Reader
from app.reports.windows import requested_window
from app.rollups.rebuild import Rebuild
from app.rollups.state import RollupState, stored_state
from app.settings import Settings
from models.base import camel
from models.rollups import ROLLUPS, TRAILING_DAYS
from scripts.bench.history import fill
from scripts.bench.load import calls
from scripts.bench.serving import serving
from scripts.bench.setup import bench_database
from scripts.toolkit.command import progress

DAYS = 30
REQUESTS = 200
CALLS_PER_SECOND = 200
"""What the live writer reports meanwhile, over HTTP."""
WRITERS = 4
WARM_UP_SECONDS = 5.0

Figures = dict[str, float]


async def measure(settings: Settings, uri: str, count: int, *, zipf: bool, keep: str | None) -> Figures:
    """Ms over HTTP, ms of the same reports from the raw ledger, and bytes stored per call.

    `keep` names a database that is filled once, used as it is when it has a ledger, and not dropped at the end.
    """
    async with _history(settings, uri, count, zipf=zipf, keep=keep) as database:
        async with serving(settings, uri, database.writes.name) as address, _client(settings, address) as client:
            await _settled(database)
            async with _live_writer(client):
                overview_p50, overview_p95 = await _p95(client, "/api/admin/ai/overview")
                usage_p50, usage_p95 = await _p95(client, f"/api/admin/ai/usage?days={DAYS}")
        figures = {
            "events": count,
            "overview_p50_ms": overview_p50,
            "overview_p95_ms": overview_p95,
            "usage_p50_ms": usage_p50,
            "usage_p95_ms": usage_p95,
            **await _raw(database, settings),
            **await _storage(database),
        }
    return {name: round(value, 1) for name, value in figures.items()}


@asynccontextmanager
async def _history(
    settings: Settings, uri: str, count: int, *, zipf: bool, keep: str | None
) -> AsyncIterator[Database]:
    """A database with `count` calls of thirty days, and its rollups."""
    async with connected(uri, keep) if keep else bench_database(settings, uri) as database:
        if await database.ledger.estimated_document_count() == 0:
            with progress("calls", count) as advance:
                await fill(database, settings.zone, count, days=DAYS, zipf=zipf, advance=advance)
        if not (await RollupState.open(database, settings.zone)).complete:
            rebuild = Rebuild(database, settings.zone, None, None)
            days = await rebuild.prepare()
            with progress("days of rollups", len(days)) as advance:
                await rebuild.run(days, advance)
        yield database


@asynccontextmanager
async def _client(settings: Settings, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Requests as an administrator."""
    headers = {"Authorization": f"Bearer {Tokens.of(settings).issue('bench', Role.ADMIN, timedelta(hours=6))}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=120) as client:
        yield client


async def _settled(database: Database) -> None:
    """Wait until the trailing totals of the usual windows have been built, as they are once per day."""
    while len((await stored_state(database))["trailing"]) < len(TRAILING_DAYS):  # noqa: ASYNC110 - another process's
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _live_writer(client: httpx.AsyncClient) -> AsyncIterator[None]:
    async def write() -> None:
        for call in itertools.cycle(calls(10_000, seed=7)):
            body = {camel(name): value for name, value in call.items()}
            (await client.post("/api/ai/track", json=body)).raise_for_status()
            await asyncio.sleep(WRITERS / CALLS_PER_SECOND)

    writers = [asyncio.create_task(write()) for _ in range(WRITERS)]
    try:
        await asyncio.sleep(WARM_UP_SECONDS)
        yield
        for writer in writers:
            if writer.done():
                await writer
    finally:
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)


async def _p95(client: httpx.AsyncClient, path: str) -> tuple[float, float]:
    """Median and 95th percentile of the ms of one request, one after the other."""
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        (await client.get(path)).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return median(times), quantiles(times, n=20)[-1]


async def _raw(database: Database, settings: Settings) -> Figures:
    """The same two reports from the ledger alone, without a time limit."""
    read, now = Reader(database, None, AsyncExitStack()), datetime.now(UTC)
    window = requested_window(days=DAYS, first=None, last=None, now=now, zone=settings.zone)
    started = time.perf_counter()
    await overview.from_ledger(read, now, settings.zone, Synthetic.EXCLUDE)
    between = time.perf_counter()
    await usage.from_ledger(read, ReportQuery(window))
    return {
        "raw_overview_ms": (between - started) * 1000,
        "raw_usage_ms": (time.perf_counter() - between) * 1000,
    }


async def _storage(database: Database) -> Figures:
    """Bytes on disk per call, including indexes: the twins, which the naive version has too, and the rollups."""
    count = await database.ledger.estimated_document_count()

    async def bytes_of(*collections: str) -> float:
        sizes = [await database.writes.command("collStats", collection) for collection in collections]
        total: int = sum(size["storageSize"] + size["totalIndexSize"] for size in sizes)
        return total / count

    return {
        "twins_bytes_per_call": await bytes_of(database.ledger.name, database.events.name),
        "rollup_bytes_per_call": await bytes_of(*ROLLUPS),
    }
