"""Throughput of reporting calls, against what a plain program would reach on the same server in the same run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pymongo.read_concern import ReadConcern

from app.database import DURABLE, Database
from app.ledger.twins import Pair
from app.settings import Settings
from app.tracking import ReceiptStatus, Tracker
from scripts.bench.bodies import groups
from scripts.bench.cpu import CpuTimes
from scripts.bench.in_process import CALLERS, at_once, in_turn, tracked, until_merged
from scripts.bench.load import calls
from scripts.bench.pairs import built_pairs
from scripts.bench.results import Measured, Results, waits
from scripts.bench.setup import Run, bench_database, bench_settings, bench_tracker

BATCH = 1_000
SINGLES = 300
NAIVE_SHARE = 5
"""The naive version takes about twice as many times as long: it reports so many times fewer calls."""

Reported = list[dict[str, Any]]


async def measure(run: Run) -> Results:
    """Calls per second, ms and µs of CPU, in rounds in which the versions take turns.

    The deadline of the callers is the deployment's own.
    """
    results, uri = Results(), run.uri
    with bench_settings(run.settings) as own:
        for seed in range(run.rounds):
            reported = list(calls(run.calls, seed=seed))
            await _tracker(own, uri, reported, results)
            await _naive(own, uri, reported[: run.calls // NAIVE_SHARE], results)
            await _driver(own, uri, reported, results)
            _compare(results)
            run.advance(1)
    return results


async def _tracker(settings: Settings, uri: str, reported: Reported, results: Results) -> None:
    """Many callers at once; then one alone, beside a bare transaction each time: while the burst is merged, and
    when nothing else is done.
    """
    async with bench_tracker(settings, uri) as (database, tracker):
        cpu = await CpuTimes.start(database)
        results.add("track", await tracked(tracker, database, reported, CALLERS))
        results.rows["track"][-1] |= await cpu.per_call(len(reported))
        await _alone(tracker, database, "_in_merge", results)
        await until_merged(database)
        await _alone(tracker, database, "", results)


async def _alone(tracker: Tracker, database: Database, when: str, results: Results) -> None:
    """The documents of bare transactions get no rollups: nothing reads them."""
    reported = list(calls(SINGLES))
    pairs = built_pairs(database, reported)

    statuses: Counter[str] = Counter()

    async def track(both: tuple[dict[str, Any], Pair]) -> None:
        statuses[(await tracker.track(**both[0])).status] += 1

    async def transact(both: tuple[dict[str, Any], Pair]) -> None:
        await _transact(database, [both[1]])

    ours, bare = await in_turn(zip(reported, pairs, strict=True), track, transact)
    results.add(f"single{when}", Measured(SINGLES, sum(ours), ours, statuses, statuses[ReceiptStatus.DROPPED]))
    results.add_row(f"single_driver{when}", waits(bare))


async def _naive(settings: Settings, uri: str, reported: Reported, results: Results) -> None:
    async def insert(pair: Pair) -> None:
        await database.ledger.insert_one(pair.entry)
        await database.events.insert_one(pair.event)

    async with bench_database(settings, uri) as database:
        seconds, times = await at_once(built_pairs(database, reported), insert)
    results.add_row("naive", {"per_s": len(reported) / seconds, **waits(times)})


async def _driver(settings: Settings, uri: str, reported: Reported, results: Results) -> None:
    async with bench_database(settings, uri) as database:
        batches = list(groups(built_pairs(database, reported), BATCH))
        cpu = await CpuTimes.start(database)
        seconds, times = await at_once(batches, lambda batch: _transact(database, batch), 1)
        results.add_row(
            "driver", {"per_s": len(reported) / seconds, **waits(times), **await cpu.per_call(len(reported))}
        )


async def _transact(database: Database, pairs: Sequence[Pair]) -> None:
    client = database.writes.client
    async with await client.start_session() as session, session.start_transaction(ReadConcern("snapshot"), DURABLE):
        await database.ledger.insert_many([pair.entry for pair in pairs], session=session)
        await database.events.insert_many([pair.event for pair in pairs], session=session)


def _compare(results: Results) -> None:
    """Ratios within this round, which what else the machine does changes least."""
    ours = results.last("track", "per_s")
    results.add_figure("times_naive", ours / results.last("naive", "per_s"))
    results.add_figure("of_driver_percent", 100 * ours / results.last("driver", "per_s"))
    for when in ("", "_in_merge"):
        single, bare = (results.last(f"{name}{when}", "p50_ms") for name in ("single", "single_driver"))
        results.add_figure(f"single{when}_times_driver", single / bare)
