"""The cost of `wait=False` to its caller, with MongoDB up and away; and a check that nothing is lost meanwhile."""

import asyncio
import time
from statistics import quantiles

from app.database import Database, connected
from app.database.mongod import EmbeddedMongod
from app.observability.metrics import Counters
from app.process import tune_garbage_collector
from app.settings import Settings
from app.tracking import ReceiptStatus, Tracker, open_tracker, track_ai_request
from scripts.bench.load import calls
from scripts.bench.setup import Figures

CALLS = 5_000
BURST = 50
"""Calls one right after the other, as in a busy application. Alone, each is the first thing after a pause."""
PAUSE = 0.001
"""Seconds of sleep before each call alone, or between bursts for each call of one."""
PATIENCE = 60.0


async def measure(settings: Settings) -> dict[str, float]:
    """µs per call, with the benchmark's own MongoDB, stopped half-way. Raises RuntimeError if a call is lost."""
    mongod = EmbeddedMongod(settings.data_dir / "posting")
    uri = await asyncio.to_thread(mongod.start)
    try:
        async with connected(uri, settings.database) as database, open_tracker(settings, database, Counters()) as it:
            tune_garbage_collector()
            await _post(it, burst=BURST)  # a first time, to warm up
            up = [await _post(it, burst=BURST), await _post(it, burst=1)]
            await asyncio.to_thread(mongod.stop)
            away = [await _post(it, burst=BURST), await _post(it, burst=1)]
            spooled = (await it.writer.spooler.look()).calls
            await asyncio.to_thread(mongod.start)
            await _delivered(it)
            stored = await _twins(database)
    finally:
        await asyncio.to_thread(mongod.stop)
    if (spooled, *stored) != (2 * CALLS, 5 * CALLS, 5 * CALLS):
        raise RuntimeError(f"of {5 * CALLS} calls {stored} are stored; {spooled} of {2 * CALLS} were spooled")
    named = zip(("posted", "posted_alone", "posted_away", "posted_away_alone"), [*up, *away], strict=True)
    return {name: figure for prefix, times in named for name, figure in _figures(prefix, times)}


async def _post(tracker: Tracker, *, burst: int) -> list[float]:
    """µs of each of 5,000 calls. Returns when none of them is in memory any longer."""
    times = []
    for number, call in enumerate(calls(CALLS)):
        if number % burst == 0:
            await asyncio.sleep(PAUSE * burst)
        started = time.perf_counter()
        receipt = await track_ai_request(**call, wait=False)
        times.append((time.perf_counter() - started) * 1e6)
        if receipt.status is not ReceiptStatus.QUEUED:
            raise RuntimeError(f"a call was not taken: {receipt}")
    async with asyncio.timeout(PATIENCE):
        while tracker.background.queued or tracker.writer.queued:  # noqa: ASYNC110 - tasks of the tracker's
            await asyncio.sleep(0.05)
    return times


async def _delivered(tracker: Tracker) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await tracker.writer.spooler.look()).calls:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def _twins(database: Database) -> tuple[int, int]:
    return await database.ledger.count_documents({}), await database.events.count_documents({})


def _figures(name: str, times: list[float]) -> Figures:
    percentiles = quantiles(times, n=100)
    return [(f"{name}_p50_us", round(percentiles[49], 1)), (f"{name}_p99_us", round(percentiles[98], 1))]
