"""Latency of administrators' reports beside a live writer, against raw aggregation, for any size of ledger."""

import asyncio
import itertools
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

import httpx

from app.alerts.spending.watch import Watch
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
from models.rollups import DAYS as DAY_CELLS
from models.rollups import EVERYONE, ROLLUPS, TRAILING_DAYS, USER_DAYS
from models.user_sheets import build_of
from scripts.bench.history import fill
from scripts.bench.load import RARE, calls
from scripts.bench.serving import serving
from scripts.bench.setup import bench_database
from scripts.toolkit.command import progress

DAYS = 30
REQUESTS = 200
FEW_REQUESTS = 40
CALLS_PER_SECOND = 1_000
"""What live writers report meanwhile, over HTTP, in batches."""
WRITERS = 4
BATCH = 50
WARM_UP_SECONDS = 5.0
ADMIN = "/api/admin/ai"
PANEL = "/api/me/usage"
PANELS = {"panel_of_a_user": "?userId=user-01000", "panel_of_the_busiest_user": "?userId=user-00000"}
LIMITED = [("requests", "day"), ("tokens", "hour"), ("usd", "month"), ("usd", "lifetime")]
"""What is limited of the users whose panels are asked for."""

Figures = dict[str, float]


async def measure(
    settings: Settings, uri: str, count: int, *, zipf: bool, keep: str | None, raw: bool = True
) -> Figures:
    """Ms over HTTP, ms of the same reports from the raw ledger, and bytes stored per call.

    `keep` names a database that is filled once, used as it is when it has a ledger, and not dropped at the end.
    Without `raw`, the reports are not made from the ledger, which takes minutes.
    """
    async with history(settings, uri, count, zipf=zipf, keep=keep) as database:
        async with serving(settings, uri, database.writes.name) as address, client_of(settings, address) as client:
            await settled(database)
            async with live_writers(client) as written:
                started, before = time.monotonic(), written["calls"]
                figures = await _asked(client, REQUESTS, {"overview": "/overview", "usage": f"/usage?days={DAYS}"})
                figures |= await _asked(client, FEW_REQUESTS, _others(settings))
                async with _limited(client):
                    figures |= await _asked(client, REQUESTS, PANELS, PANEL)
                figures |= await _view(database)
                figures["live_calls_per_s"] = (written["calls"] - before) / (time.monotonic() - started)
        figures |= await _spending(database, settings)
        figures |= {
            "events": await database.ledger.estimated_document_count(),
            **(await _raw(database, settings) if raw else {}),
            **await _storage(database),
        }
    return {name: round(value, 1) for name, value in figures.items()}


@asynccontextmanager
async def history(settings: Settings, uri: str, count: int, *, zipf: bool, keep: str | None) -> AsyncIterator[Database]:
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
async def client_of(settings: Settings, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Requests as an administrator."""
    headers = {"Authorization": f"Bearer {Tokens.of(settings).issue('bench', Role.ADMIN, timedelta(hours=6))}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=120) as client:
        yield client


async def settled(database: Database) -> None:
    """Wait until what is made once per day has been made: trailing totals of the usual windows, sheets, busy users."""
    told = 0
    with progress("days of users", DAYS) as advance:  # of which one is made every few seconds
        while True:
            state = await stored_state(database)
            over = {"_id.scope": EVERYONE, "_id.day": {"$lt": state["today"]}}
            days = await database.writes[DAY_CELLS].distinct("_id.day", over)
            # busy users of a day are counted after its sheets have been made
            counted = {"_id.build": build_of(state), "_id.user": None}
            made = await database.writes[USER_DAYS].count_documents(counted)
            advance(made - told)
            if len(state["trailing"]) == len(TRAILING_DAYS) and made >= len(days):
                return
            told = made
            await asyncio.sleep(0.5)


@asynccontextmanager
async def live_writers(client: httpx.AsyncClient) -> AsyncIterator[Counter[str]]:
    """Writers at a fixed rate, as far as the server keeps up, and how many `calls` they have reported."""
    written: Counter[str] = Counter()

    async def write(number: int) -> None:
        told = itertools.cycle(calls(10_000, seed=number))
        due = time.monotonic()
        while True:
            batch = [{camel(name): value for name, value in next(told).items()} for _ in range(BATCH)]
            (await client.post("/api/ai/track/batch", json=batch)).raise_for_status()
            written["calls"] += BATCH
            due = max(due + WRITERS * BATCH / CALLS_PER_SECOND, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    writers = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    try:
        await asyncio.sleep(WARM_UP_SECONDS)
        yield written
        for writer in writers:
            if writer.done():
                await writer
    finally:
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)


def _others(settings: Settings) -> dict[str, str]:
    """Reports of any window and filter, and of what is rare."""
    today = datetime.now(settings.zone).date()
    yesterday = f"from={today - timedelta(days=1)}&to={today - timedelta(days=1)}"
    instants = "fromTime={:%Y-%m-%dT%H:%MZ}&toTime={:%Y-%m-%dT%H:%MZ}"
    half = datetime.now(UTC).replace(minute=30)
    odd = f"from={today - timedelta(days=DAYS - 4)}&to={today - timedelta(days=3)}"
    return {
        "users_by_cost": f"/users?days={DAYS}&sort=-cost",
        "users_of_a_model": f"/users?days={DAYS}&model=gpt-4o&sort=-tokens",
        "users_odd_window": f"/users?{odd}",
        "unique_users": f"/models?{odd}",
        "usage_of_a_model": f"/usage?days={DAYS}&model=gpt-4o",
        "usage_of_a_user": f"/usage?days={DAYS}&userId=user-01000",
        "usage_of_the_busiest_user": f"/usage?days={DAYS}&userId=user-00000",
        "timeline_days_by_model": f"/timeline?days={DAYS}&step=day&by=model",
        "timeline_hours": "/timeline?days=14&step=hour",
        "timeline_hours_by_model": "/timeline?days=14&step=hour&by=model",
        "timeline_hours_at_half_past": f"/timeline?step=hour&{instants.format(half - timedelta(days=14), half)}",
        "timeline_hours_of_a_user": "/timeline?days=14&step=hour&userId=user-01000",
        "timeline_minutes": f"/timeline?{yesterday}&step=minute",
        "timeline_minutes_by_model": f"/timeline?{yesterday}&step=minute&by=model",
        "timeline_minutes_of_a_model": f"/timeline?{yesterday}&step=minute&model=gpt-4o",
        "explain": f"/explain?days={DAYS // 2}",
        "calls_of_a_rare_model": f"/calls?days={DAYS}&model={RARE['model']}",
        "calls_of_a_rare_provider": f"/calls?days={DAYS}&provider={RARE['provider']}",
        "calls_of_a_rare_duration": f"/calls?days={DAYS}&minDuration={RARE['request_duration']}",
    }


async def _asked(client: httpx.AsyncClient, requests: int, paths: dict[str, str], base: str = ADMIN) -> Figures:
    """The first answer, the median and the 95th percentile in ms of requests one after the other."""
    found: Figures = {}
    for name, path in paths.items():
        times = []
        for _ in range(requests):
            started = time.perf_counter()
            (await client.get(f"{base}{path}")).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
        found |= _summed_up(name, times)
    return found


@asynccontextmanager
async def _limited(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Limits of the users of `PANELS` that stop nobody, for the length of a block."""
    limits = "/api/admin/limits"
    ids = []
    for path, (unit, window) in itertools.product(PANELS.values(), LIMITED):
        wish = {"scope": {"userId": path.partition("=")[2]}, "unit": unit, "window": window}
        made = await client.post(limits, json={**wish, "amount": 10**8, "kind": "soft"})
        ids.append(made.raise_for_status().json()["id"])
    try:
        yield
    finally:
        for each in ids:
            await client.post(f"{limits}/{each}/end")


async def _view(database: Database) -> Figures:
    times = []
    for _ in range(FEW_REQUESTS):
        started = time.perf_counter()
        await database.reads["mv_model_costs"].find().to_list(None)
        times.append((time.perf_counter() - started) * 1000)
    return _summed_up("mv_model_costs", times)


async def _spending(database: Database, settings: Settings) -> Figures:
    """Looks for unusual spending, as the server's own process takes them in its background."""

    async def untold(*_: Any) -> None:
        """Nobody is to be told of a benchmark."""

    watch, times = Watch(database, settings, untold), []
    for _ in range(FEW_REQUESTS):
        started = time.perf_counter()
        await watch.look()
        times.append((time.perf_counter() - started) * 1000)
    return _summed_up("look_at_spending", times)


def _summed_up(name: str, times: list[float]) -> Figures:
    middle, most = median(times), quantiles(times, n=20)[-1]
    sys.stderr.write(f"{name}: p50 {middle:,.0f} ms, p95 {most:,.0f} ms\n")
    return {f"{name}_first_ms": times[0], f"{name}_p50_ms": middle, f"{name}_p95_ms": most}


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
