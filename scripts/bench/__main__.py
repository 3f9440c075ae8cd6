"""Benchmark this deployment's machine. Compare figures within one run only: ratios carry over, absolute values do not.

What reports calls is measured by those that were committed within the deployment's own deadlines, and says what became
of the others. The exit status is 1 where they are more than 1 %.

python -m scripts.bench write --calls 100000 --json
python -m scripts.bench doors --senders 1,4,16,64
python -m scripts.bench callers
python -m scripts.bench client
python -m scripts.bench reads --events 10000000 --json
python -m scripts.bench backfill --events 1000000 --json
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.database.deployment import mongodb
from app.process import tune_garbage_collector
from app.settings import Settings
from scripts.bench import (
    backfill,
    callers,
    client,
    doors,
    fairness,
    importing,
    lag,
    memory,
    pricing,
    reads,
    senders,
    start,
    worst,
    write,
)
from scripts.bench.peers import applications, libraries, spans
from scripts.bench.results import Results
from scripts.bench.setup import Run
from scripts.toolkit import command

VENVS = """
The environments are made once, by the Python that is to be measured:

  make client
  for each in twinmeter langfuse posthog openmeter; do python3 -m venv VENVS/$each; done
  VENVS/twinmeter/bin/pip install dist/twinmeter_client-*.whl
  VENVS/langfuse/bin/pip install langfuse
  VENVS/posthog/bin/pip install posthog
  VENVS/openmeter/bin/pip install --pre "openmeter<2"
"""
WIDE = 200
"""Columns of a table that is written to a file."""


def main() -> int:
    parser = command.parser("bench", __doc__)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    writes = benchmarks.add_parser("write", help="reporting calls, against plain inserts and the bare driver")
    writes.add_argument("--calls", type=int, default=40_000, help="calls per round (default: 40,000)")
    calling = benchmarks.add_parser("callers", help="reporting calls, by few and by very many callers at once")
    calling.add_argument("--calls", type=int, default=20_000, help="calls of each number at least (default: 20,000)")
    calling.add_argument("--callers", type=_numbers, default=callers.CALLERS, help="such as 64,512,10000")
    installed = benchmarks.add_parser(
        "client",
        help="what the Python client costs an application and the server",
        epilog=VENVS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    installed.add_argument("--calls", type=int, default=20_000, help="calls of each pace (default: 20,000)")
    installed.add_argument(
        "--peers", type=Path, metavar="VENVS", help="instead: beside other libraries, each in an environment of its own"
    )
    benchmarks.add_parser("pricing", help="pricing a call, against genai_prices.calc_price")
    reading = benchmarks.add_parser(
        "reads", help="administrators' reports beside a live writer, against raw aggregation"
    )
    reading.add_argument("--events", type=int, default=100_000, help="calls in the ledger (default: 100,000)")
    reading.add_argument("--uniform", action="store_true", help="users and conversations uniform instead of Zipf")
    reading.add_argument("--keep", metavar="DATABASE", help="fill this database once and reuse it")
    reading.add_argument("--no-raw", action="store_true", help="without the same reports from the ledger")
    entering = benchmarks.add_parser("doors", help="calls over HTTP and with wait=False, against a no-op handler")
    entering.add_argument(
        "--calls", type=int, default=20_000, help="calls per round and ingest channel (default: 20,000)"
    )
    instead = entering.add_mutually_exclusive_group()
    instead.add_argument("--workers", type=int, help="instead: single calls with one process, and with so many workers")
    instead.add_argument(
        "--senders", type=_numbers, help="instead: single calls, batches and OTLP with so many senders, as 1,4,16,64"
    )
    growing = benchmarks.add_parser("memory", help="the resident memory of a process that reports")
    growing.add_argument("--no-merges", action="store_true", help="run no compactor: the memory of tracking alone")
    growing.add_argument("--calls", type=int, default=1_000_000, help="calls in total (default: 1,000,000)")
    filling = benchmarks.add_parser("backfill", help="creating the ledger entries of events that have none")
    filling.add_argument("--events", type=int, default=100_000, help="events without an entry (default: 100,000)")
    entries = benchmarks.add_parser("import", help="importing an export into an empty database")
    entries.add_argument("--rows", type=int, default=100_000, help="rows of the export (default: 100,000)")
    entries.add_argument("--format", choices=("jsonl", "csv", "parquet"), default="jsonl", help="default: jsonl")
    lagging = benchmarks.add_parser("lag", help="the event loop's lag under the worst that each route can be sent")
    lagging.add_argument("--batches", type=int, default=20, help="batches of 1,000 calls beforehand (default: 20)")
    benchmarks.add_parser("start", help="from the start of a process to its first answer")
    flooding = benchmarks.add_parser("fairness", help="a client's calls alone, and beside another one's flood")
    flooding.add_argument("--calls", type=int, default=20_000, help="to find what the door carries (default: 20,000)")
    comparing = benchmarks.add_parser("peers", help="other systems and this one, each from an environment of its own")
    comparing.add_argument("--calls", type=int, default=4_000, help="calls per round (default: 4,000)")
    peer = comparing.add_mutually_exclusive_group(required=True)
    for name, of in (("phoenix", "Arize Phoenix"), ("langfuse-sdk", "Langfuse's SDK"), ("litellm", "LiteLLM")):
        peer.add_argument(f"--{name}", type=Path, metavar="VENV", help=f"an environment that has {of}")
    for benchmark in (writes, calling, installed, entering, flooding, comparing):
        benchmark.add_argument("--rounds", type=int, default=3, help="of which the median counts (default: 3)")
    for benchmark in benchmarks.choices.values():
        benchmark.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    return command.run(lambda settings: WORKS[arguments.benchmark](arguments, settings))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


@contextmanager
def _run(arguments: argparse.Namespace, settings: Settings, steps: int = 1) -> Iterator[Run]:
    """A run against a MongoDB of its own, of so many steps in each round."""
    with mongodb(settings, shared=True) as uri, command.progress("steps", arguments.rounds * steps) as advance:
        yield Run(settings, uri, arguments.calls, arguments.rounds, advance)


async def _write(arguments: argparse.Namespace, settings: Settings) -> int:
    with _run(arguments, settings) as run:
        results = await write.measure(run)
    return _print_results(results, as_json=arguments.json)


async def _callers(arguments: argparse.Namespace, settings: Settings) -> int:
    with _run(arguments, settings) as run:
        results = await callers.measure(run, arguments.callers)
    return _print_results(results, as_json=arguments.json)


async def _client(arguments: argparse.Namespace, settings: Settings) -> int:
    with _run(arguments, settings, len(libraries.ALL) if arguments.peers else len(client.PACES)) as run:
        if arguments.peers:
            results = await libraries.measure(run, arguments.peers.resolve())
        else:
            results = await client.measure(run)
    return _print_results(results, as_json=arguments.json)


async def _reads(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    with mongodb(settings, shared=True) as uri:
        figures = await reads.measure(
            settings,
            uri,
            arguments.events,
            zipf=not arguments.uniform,
            keep=arguments.keep,
            raw=not arguments.no_raw,
        )
    _print(figures, as_json=arguments.json)
    return 0


async def _doors(arguments: argparse.Namespace, settings: Settings) -> int:
    steps = len(senders.DOORS) * len(arguments.senders) if arguments.senders else 1
    with _run(arguments, settings, steps) as run:
        if arguments.workers:
            results = await doors.of_workers(run, arguments.workers)
        elif arguments.senders:
            results = await senders.measure(run, arguments.senders)
        else:
            results = await doors.measure(run)
    return _print_results(results, as_json=arguments.json)


async def _fairness(arguments: argparse.Namespace, settings: Settings) -> int:
    with _run(arguments, settings) as run:
        results = await fairness.measure(run)
    return _print_results(results, as_json=arguments.json)


async def _peers(arguments: argparse.Namespace, settings: Settings) -> int:
    with _run(arguments, settings) as run:
        if arguments.phoenix:
            results = await spans.measure(run, arguments.phoenix)
        elif arguments.langfuse_sdk:
            results = await applications.of_langfuse(run, arguments.langfuse_sdk)
        else:
            results = await applications.of_litellm(run, arguments.litellm)
    return _print_results(results, as_json=arguments.json)


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


async def _import(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    with mongodb(settings, shared=True) as uri, command.progress("rows", arguments.rows) as advance:
        figures = await importing.measure(settings, uri, arguments.rows, arguments.format, advance)
    _print(figures, as_json=arguments.json)
    return 0


async def _pricing(arguments: argparse.Namespace, _: Settings) -> int:
    figures = await asyncio.to_thread(pricing.measure)
    _print({name: round(value, 2) for name, value in figures.items()}, as_json=arguments.json)
    return 0


def _print_results(results: Results, *, as_json: bool) -> int:
    """The exit status: failed where the figures are worthless, which is said."""
    if as_json:
        _print(results.flat, as_json=True)
    else:
        columns = list(dict.fromkeys(column for row in results.table.values() for column in row))
        table = Table("", *columns)
        for name, row in results.table.items():
            table.add_row(name, *(f"{row[column]:,}" if column in row else "" for column in columns))
        Console(width=None if sys.stdout.isatty() else WIDE).print(table)
        if results.figures:
            _print(results.medians, as_json=False)
    sys.stderr.writelines(f"{fault}\n" for fault in results.faults)
    return command.FAILED if results.faults else 0


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
    "callers": _callers,
    "client": _client,
    "fairness": _fairness,
    "peers": _peers,
    "pricing": _pricing,
    "reads": _reads,
    "doors": _doors,
    "memory": _memory,
    "backfill": _backfill,
    "import": _import,
    "lag": _lag,
    "start": _start,
}


if __name__ == "__main__":
    sys.exit(main())
