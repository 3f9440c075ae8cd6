"""Callers in this process, each of which reports its next call when the one before is answered."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from app.database import Database
from app.tracking import ReceiptStatus, Tracker
from models.rollups import DELTAS
from scripts.bench.results import Measured

CALLERS = 512
PATIENCE = 120.0
"""Seconds until calls of the spool are in the ledger."""

Job = TypeVar("Job")


async def tracked(tracker: Tracker, database: Database, reported: list[dict[str, Any]], callers: int) -> Measured:
    """What became of calls that so many callers reported at once. Raises RuntimeError where one is lost."""
    before = await database.ledger.count_documents({})
    statuses: Counter[str] = Counter()

    async def track(call: dict[str, Any]) -> None:
        statuses[(await tracker.track(**call)).status] += 1

    started = time.perf_counter()
    seconds, times = await at_once(reported, track, callers)
    stored = await database.ledger.count_documents({}) - before
    refused = statuses[ReceiptStatus.DROPPED]
    until = seconds
    if stored < len(reported) - refused:
        await delivered(database, before + len(reported) - refused)
        until = time.perf_counter() - started
    return Measured(len(reported), seconds, times, statuses, refused, stored, until)


async def at_once(
    jobs: list[Job], do: Callable[[Job], Awaitable[object]], callers: int = CALLERS
) -> tuple[float, list[float]]:
    """Do all jobs, so many at once. Returns the seconds of all and of each."""
    remaining, times, clock = iter(jobs), list[float](), time.perf_counter

    async def caller() -> None:
        for job in remaining:
            started = clock()
            await do(job)
            times.append(clock() - started)

    started = clock()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return clock() - started, times


async def in_turn(jobs: Iterable[Job], *ways: Callable[[Job], Awaitable[object]]) -> list[list[float]]:
    """Do each job in each way, one after the other. Returns the seconds of each, by way."""
    times: list[list[float]] = [[] for _ in ways]
    for job in jobs:
        for do, taken in zip(ways, times, strict=True):
            started = time.perf_counter()
            await do(job)
            taken.append(time.perf_counter() - started)
    return times


async def delivered(database: Database, calls: int, query: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Wait until so many are in the ledger, or of those that `query` finds. Raises RuntimeError after two minutes."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await database.ledger.count_documents(query) < calls:  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.2)
    except TimeoutError:
        found = await database.ledger.count_documents(query)
        raise RuntimeError(f"of {calls:,} calls in the ledger or the spool only {found:,} came to the ledger") from None


async def until_merged(database: Database) -> None:
    """Wait until everything else is idle, including the compactor."""
    while await database.writes[DELTAS].find_one({}, {"_id": 1}) is not None:  # noqa: ASYNC110 - another task's work
        await asyncio.sleep(0.2)
