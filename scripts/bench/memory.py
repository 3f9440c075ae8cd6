"""Memory growth of a process that reports calls: its resident memory over a million of them."""

import asyncio
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.observability.metrics import Counters
from app.process import tune_garbage_collector
from app.settings import Settings
from app.tracking import ReceiptStatus, Tracker, open_tracker
from scripts.bench.load import calls
from scripts.bench.setup import bench_database, bench_settings
from scripts.toolkit.command import Advance
from scripts.toolkit.track_all import patient

CALLERS = 256
SAMPLES = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def measure(settings: Settings, uri: str, count: int, advance: Advance, *, compacting: bool) -> dict[str, float]:
    """MB after a tenth, a half and all of the calls, and the growth from the tenth on in percent. On Linux only.

    Half of the calls are reported with `wait=False`, each after one that is waited for, so that none is dropped.
    Raises RuntimeError where fewer are committed than were reported.
    """
    samples = [resident_mb()]
    with bench_settings(settings) as own:
        async with (
            bench_database(own, uri) as database,
            open_tracker(patient(own), database, Counters(), compacting=compacting) as tracker,
        ):
            tune_garbage_collector()
            bounds = [count * number // SAMPLES for number in range(SAMPLES + 1)]
            for first, end in pairwise(bounds):
                size = end - first
                await _report(tracker, calls(size, seed=first))
                samples.append(resident_mb())
                advance(size)
            committed = tracker.counters.snapshot()
    if committed != {ReceiptStatus.COMMITTED: count}:
        raise RuntimeError(f"of {count} calls not all were committed: {committed}")
    return figures(samples)


def figures(samples: list[float]) -> dict[str, float]:
    """Of samples in MB at equal distances, of which the first is that of the start."""
    last = len(samples) - 1
    tenth, half, whole = (samples[round(last * share)] for share in (0.1, 0.5, 1))
    later = samples[round(last * 0.1) :]
    return {
        "rss_start_mb": round(samples[0], 1),
        "rss_10_percent_mb": round(tenth, 1),
        "rss_50_percent_mb": round(half, 1),
        "rss_100_percent_mb": round(whole, 1),
        "rss_most_mb": round(max(later), 1),
        "growth_percent": round(100 * (whole / tenth - 1), 2),
    }


async def _report(tracker: Tracker, reported: Iterator[dict[str, Any]]) -> None:
    async def caller() -> None:
        for call in reported:
            await tracker.track(**call)
            if (following := next(reported, None)) is not None:
                await tracker.post(**following)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    while tracker.background.queued or tracker.writer.queued:  # noqa: ASYNC110 - tasks of the tracker's
        await asyncio.sleep(0.01)


def resident_mb(pid: int | str = "self") -> float:
    """MB of a process; 0 where it has ended."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6
