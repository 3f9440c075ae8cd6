"""Throughput of reporting calls, against what a plain program would reach on the same server in the same run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from statistics import median
from typing import Any, TypeVar

from pymongo.read_concern import ReadConcern

from app.database import DURABLE, Database
from app.ledger.twins import Pair
from app.observability.metrics import Counters
from app.process import tune_garbage_collector
from app.settings import Settings
from app.tracking import ReceiptStatus, Tracker, open_tracker
from models.rollups import DELTAS
from scripts.bench.load import calls
from scripts.bench.pairs import built_pairs
from scripts.bench.setup import Figures, bench_database
from scripts.toolkit.command import Advance
from scripts.toolkit.track_all import patient

CALLERS = 512
BATCH = 1_000
SINGLES = 300
NAIVE_SHARE = 10
"""The naive version takes about this many times as long, so it reports this many times fewer calls."""
ROUNDS = 3

Job = TypeVar("Job")


async def measure(settings: Settings, uri: str, count: int, advance: Advance) -> dict[str, float]:
    """Calls per second and ms, each the median of three rounds in which the versions take turns."""
    results: dict[str, list[float]] = {}
    for seed in range(ROUNDS):
        for name, figure in [*await _tracker(settings, uri, count, seed), *await _plain(settings, uri, count, seed)]:
            results.setdefault(name, []).append(figure)
        advance(1)
    return {name: round(median(figures), 3) for name, figures in results.items()}


async def _tracker(settings: Settings, uri: str, count: int, seed: int) -> Figures:
    async with bench_database(settings, uri) as database, open_tracker(patient(settings), database, Counters()) as it:
        tune_garbage_collector()
        rate = await _rate(list(calls(count, seed=seed)), lambda call: _track(it, call))
        await until_merged(database)
        single = await _p50(calls(SINGLES, seed=seed), lambda call: _track(it, call))
    return [("track_per_s", rate), ("single_p50_ms", single)]


async def track_rate(settings: Settings, database: Database, count: int, seed: int) -> float:
    """Calls per second of `await track` by 512 concurrent callers in this process."""
    async with open_tracker(patient(settings), database, Counters()) as tracker:
        tune_garbage_collector()
        return await _rate(list(calls(count, seed=seed)), lambda call: _track(tracker, call))


async def until_merged(database: Database) -> None:
    """Wait until everything else is idle, including the compactor."""
    while await database.writes[DELTAS].find_one({}, {"_id": 1}) is not None:  # noqa: ASYNC110 - another task's work
        await asyncio.sleep(0.2)


async def _plain(settings: Settings, uri: str, count: int, seed: int) -> Figures:
    async with bench_database(settings, uri) as database:
        naive = await _rate(
            built_pairs(database, calls(count // NAIVE_SHARE, seed=seed)), lambda pair: _insert_loosely(database, pair)
        )
    async with bench_database(settings, uri) as database:
        driver = await _driver_rate(database, built_pairs(database, calls(count, seed=seed)))
        single = await _p50(built_pairs(database, calls(SINGLES, seed=seed)), lambda pair: _transact(database, [pair]))
    return [("naive_per_s", naive), ("driver_per_s", driver), ("single_driver_p50_ms", single)]


async def _track(tracker: Tracker, call: dict[str, Any]) -> None:
    receipt = await tracker.track(**call)
    if receipt.status is not ReceiptStatus.COMMITTED:
        raise RuntimeError(f"a call was not committed: {receipt}")


async def _insert_loosely(database: Database, pair: Pair) -> None:
    await database.ledger.insert_one(pair.entry)
    await database.events.insert_one(pair.event)


async def _transact(database: Database, pairs: list[Pair]) -> None:
    client = database.writes.client
    async with await client.start_session() as session, session.start_transaction(ReadConcern("snapshot"), DURABLE):
        await database.ledger.insert_many([pair.entry for pair in pairs], session=session)
        await database.events.insert_many([pair.event for pair in pairs], session=session)


async def _driver_rate(database: Database, pairs: list[Pair]) -> float:
    started = time.perf_counter()
    for first in range(0, len(pairs), BATCH):
        await _transact(database, pairs[first : first + BATCH])
    return len(pairs) / (time.perf_counter() - started)


async def _rate(jobs: list[Job], do: Callable[[Job], Awaitable[None]]) -> float:
    """Jobs per second by 512 concurrent callers, each of which starts the next one when its own is done."""
    remaining = iter(jobs)

    async def caller() -> None:
        for job in remaining:
            await do(job)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return len(jobs) / (time.perf_counter() - started)


async def _p50(jobs: Iterable[Job], do: Callable[[Job], Awaitable[None]]) -> float:
    """Median ms of one job, one at a time."""
    times = []
    for job in jobs:
        started = time.perf_counter()
        await do(job)
        times.append((time.perf_counter() - started) * 1000)
    return median(times)
