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
PATIENCE = 60.0
"""Seconds after which calls of the spool do not come to the ledger any more, where none has come meanwhile."""
POLL_SECONDS = 0.2

Job = TypeVar("Job")


async def tracked(tracker: Tracker, database: Database, reported: list[dict[str, Any]], callers: int) -> Measured:
    """What became of calls that so many callers reported at once."""
    before = await database.ledger.count_documents({})
    statuses: Counter[str] = Counter()

    async def track(call: dict[str, Any]) -> None:
        statuses[(await tracker.track(**call)).status] += 1

    started = time.perf_counter()
    seconds, times = await at_once(reported, track, callers)
    stored = await database.ledger.count_documents({}) - before
    refused = statuses[ReceiptStatus.DROPPED]
    until, lost = seconds, 0
    if stored < len(reported) - refused:
        lost = await undelivered(database, before + len(reported) - refused)
        until = time.perf_counter() - started
    return Measured(len(reported), seconds, times, statuses, refused, stored, until, lost)


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


async def undelivered(database: Database, calls: int, query: Mapping[str, Any] = MappingProxyType({})) -> int:
    """Wait until so many are in the ledger, or of those that `query` finds. How many are not, when for a minute none
    has come.
    """
    found = await database.ledger.count_documents(query)
    until = time.monotonic() + PATIENCE
    while found < calls and time.monotonic() < until:
        await asyncio.sleep(POLL_SECONDS)
        if (now := await database.ledger.count_documents(query)) > found:
            found, until = now, time.monotonic() + PATIENCE
    return max(0, calls - found)


async def until_merged(database: Database) -> None:
    """Wait until everything else is idle, including the compactor."""
    while await database.writes[DELTAS].find_one({}, {"_id": 1}) is not None:  # noqa: ASYNC110 - another task's work
        await asyncio.sleep(0.2)
