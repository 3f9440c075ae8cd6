"""Benchmark this deployment's machine. Compare figures within one run only: ratios carry over, absolute values do not.

python -m scripts.bench write --calls 100000 --json
python -m scripts.bench reads --events 10000000 --json
python -m scripts.bench backfill --events 1000000 --json
"""

import argparse
import asyncio
import json
import sys

from rich.console import Console
from rich.table import Table

from app.database.deployment import mongodb
from app.process import tune_garbage_collector
from app.settings import Settings
from scripts.bench import backfill, doors, lag, memory, pricing, reads, start, worst, write
from scripts.toolkit import command


def main() -> int:
    parser = command.parser("bench", __doc__)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    writes = benchmarks.add_parser("write", help="reporting calls, against plain inserts and the bare driver")
    writes.add_argument("--calls", type=int, default=40_000, help="calls per round (default: 40,000)")
    prices = benchmarks.add_parser("pricing", help="pricing a call, against genai_prices.calc_price")
    reading = benchmarks.add_parser(
        "reads", help="administrators' reports beside a live writer, against raw aggregation"
    )
    reading.add_argument("--events", type=int, default=100_000, help="calls in the ledger (default: 100,000)")
    reading.add_argument("--uniform", action="store_true", help="users and conversations uniform instead of Zipf")
    reading.add_argument("--keep", metavar="DATABASE", help="fill this database once and reuse it")
    entering = benchmarks.add_parser("doors", help="calls over HTTP and with wait=False, against a no-op handler")
    entering.add_argument(
        "--calls", type=int, default=20_000, help="calls per round and ingest channel (default: 20,000)"
    )
    entering.add_argument(
        "--workers", type=int, help="instead: single calls with one process, and with so many workers"
    )
    growing = benchmarks.add_parser("memory", help="the resident memory of a process that reports")
    growing.add_argument("--no-merges", action="store_true", help="run no compactor: the memory of tracking alone")
    growing.add_argument("--calls", type=int, default=1_000_000, help="calls in total (default: 1,000,000)")
    filling = benchmarks.add_parser("backfill", help="creating the ledger entries of events that have none")
    filling.add_argument("--events", type=int, default=100_000, help="events without an entry (default: 100,000)")
    lagging = benchmarks.add_parser("lag", help="the event loop's lag under the worst that each route can be sent")
    lagging.add_argument("--batches", type=int, default=20, help="batches of 1,000 calls beforehand (default: 20)")
    starting = benchmarks.add_parser("start", help="from the start of a process to its first answer")
    for benchmark in (starting, writes, prices, reading, entering, growing, filling, lagging):
        benchmark.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    return command.run(lambda settings: WORKS[arguments.benchmark](arguments, settings))


async def _write(arguments: argparse.Namespace, settings: Settings) -> int:
    with mongodb(settings, shared=True) as uri, command.progress("rounds", write.ROUNDS) as advance:
        figures = await write.measure(settings, uri, arguments.calls, advance)
    _print(figures, as_json=arguments.json)
    return 0


async def _reads(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    with mongodb(settings, shared=True) as uri:
        figures = await reads.measure(settings, uri, arguments.events, zipf=not arguments.uniform, keep=arguments.keep)
    _print(figures, as_json=arguments.json)
    return 0


async def _doors(arguments: argparse.Namespace, settings: Settings) -> int:
    with mongodb(settings, shared=True) as uri, command.progress("rounds", doors.ROUNDS) as advance:
        if arguments.workers:
            figures = await doors.of_workers(settings, uri, arguments.calls, arguments.workers, advance)
        else:
            figures = await doors.measure(settings, uri, arguments.calls, advance)
    _print(figures, as_json=arguments.json)
    return 0


async def _memory(arguments: argparse.Namespace, settings: Settings) -> int:
    with mongodb(settings, shared=True) as uri, command.progress("calls", arguments.calls) as advance:
        figures = await memory.measure(settings, uri, arguments.calls, advance, compacting=not arguments.no_merges)
    _print(figures, as_json=arguments.json)
    return 0


async def _lag(arguments: argparse.Namespace, settings: Settings) -> int:
    with mongodb(settings, shared=True) as uri, command.progress("routes", len(worst.of_routes())) as advance:
        figures = await lag.measure(settings, uri, arguments.batches, advance)
    _print(figures, as_json=arguments.json)
    return 0


async def _start(arguments: argparse.Namespace, settings: Settings) -> int:
    with mongodb(settings, shared=True) as uri, command.progress("starts", start.TIMES) as advance:
        figures = await start.measure(settings, uri, advance)
    _print(figures, as_json=arguments.json)
    return 0


async def _backfill(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    with mongodb(settings, shared=True) as uri, command.progress("events", arguments.events) as advance:
        figures = await backfill.measure(settings, uri, arguments.events, advance)
    _print(figures, as_json=arguments.json)
    return 0


async def _pricing(arguments: argparse.Namespace, _: Settings) -> int:
    figures = await asyncio.to_thread(pricing.measure)
    _print({name: round(value, 2) for name, value in figures.items()}, as_json=arguments.json)
    return 0


def _print(figures: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)


WORKS = {
    "write": _write,
    "pricing": _pricing,
    "reads": _reads,
    "doors": _doors,
    "memory": _memory,
    "backfill": _backfill,
    "lag": _lag,
    "start": _start,
}


if __name__ == "__main__":
    sys.exit(main())
