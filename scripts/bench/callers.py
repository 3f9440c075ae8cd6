"""Reporting calls in process, by few and by very many callers at once, each with the deployment's own deadline."""

from collections.abc import Sequence

from scripts.bench.in_process import tracked, until_merged
from scripts.bench.load import calls
from scripts.bench.results import Results
from scripts.bench.setup import Run, bench_settings, bench_tracker

CALLERS = (64, 256, 512, 1_000, 2_000, 5_000, 10_000)
CALLS_EACH = 4
"""What each caller reports at least: the queue is then as long as it gets."""
WARM_UP = 2_000


async def measure(run: Run, numbers: Sequence[int]) -> Results:
    """For each number of callers: calls per second, ms of waiting, and calls by what became of them."""
    results = Results()
    with bench_settings(run.settings) as own:
        for seed in range(run.rounds):
            async with bench_tracker(own, run.uri) as (database, tracker):
                await tracked(tracker, database, list(calls(WARM_UP, seed=seed)), numbers[0])
                for number in numbers:
                    await until_merged(database)
                    reported = list(calls(max(run.calls, CALLS_EACH * number), seed=seed + number))
                    results.add(f"callers {number}", await tracked(tracker, database, reported, number))
            results.compare_with_best(f"callers {number}" for number in numbers)
            run.advance(1)
    return results
