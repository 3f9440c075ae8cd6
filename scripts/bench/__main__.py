"""Benchmark this deployment's machine. Compare figures within one run only: ratios carry over, absolute values do not.

What reports calls is measured by those that were committed within the deployment's own deadlines, and says what became
of the others. The exit status is 1 where they are more than 1 %.

python -m scripts.bench write --calls 100000 --json
python -m scripts.bench doors --senders 1,4,16,64
python -m scripts.bench callers
python -m scripts.bench client
python -m scripts.bench limits
python -m scripts.bench limits --senders 1,16,64
python -m scripts.bench spending
python -m scripts.bench forecast
python -m scripts.bench experiments --users 1000
python -m scripts.bench gateway --litellm VENV/bin/python --tensorzero VENV/bin/python
python -m scripts.bench reads --events 10000000 --json
python -m scripts.bench finance --events 10000000 --keep DATABASE
python -m scripts.bench backfill --events 1000000 --json
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from app.database.deployment import mongodb
from app.errors import ConfigurationError
from app.finance.experiments import analyst
from app.process import tune_garbage_collector
from app.settings import Settings
from models.money import exact_units
from scripts.bench import (
    alerts,
    asking,
    backfill,
    callers,
    client,
    doors,
    fairness,
    finance,
    forecast,
    formats,
    importing,
    lag,
    limits,
    memory,
    pricing,
    reads,
    senders,
    spending,
    start,
    worst,
    write,
)
from scripts.bench.gateway import measure as gateway
from scripts.bench.options import parser_of
from scripts.bench.peers import applications, libraries, spans
from scripts.bench.results import Results
from scripts.bench.setup import Run
from scripts.bench.years import BUSINESSES
from scripts.toolkit import command

Measure = Callable[[Run, argparse.Namespace], Awaitable[Results]]
Work = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]
"""Prints figures, and gives the exit status."""

WIDE = 200
"""Columns of a table that is written to a file."""


def main() -> int:
    arguments = parser_of(__doc__).parse_args()
    return command.run(lambda settings: WORKS[arguments.benchmark](arguments, settings))


def _in_rounds(measure: Measure, steps: Callable[[argparse.Namespace], int] = lambda _: 1) -> Work:
    """What measures in rounds, of so many steps each, against a MongoDB of its own."""

    async def work(arguments: argparse.Namespace, settings: Settings) -> int:
        with (
            mongodb(settings, shared=True) as uri,
            command.progress("steps", arguments.rounds * steps(arguments)) as advance,
        ):
            run = Run(settings, uri, arguments.calls, arguments.rounds, advance)
            results = await measure(run, arguments)
        return _print_results(results, as_json=arguments.json)

    return work


async def _client(run: Run, arguments: argparse.Namespace) -> Results:
    if arguments.peers:
        return await libraries.measure(run, arguments.peers.resolve())
    return await client.measure(run)


async def _doors(run: Run, arguments: argparse.Namespace) -> Results:
    if arguments.workers:
        return await doors.of_workers(run, arguments.workers)
    if arguments.senders:
        return await senders.measure(run, arguments.senders)
    return await doors.measure(run)


async def _peers(run: Run, arguments: argparse.Namespace) -> Results:
    if arguments.phoenix:
        return await spans.measure(run, arguments.phoenix)
    if arguments.langfuse_sdk:
        return await applications.of_langfuse(run, arguments.langfuse_sdk)
    return await applications.of_litellm(run, arguments.litellm)


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


async def _finance(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    with mongodb(settings, shared=True) as uri:
        ledger = finance.Ledger(arguments.events, arguments.keep, arguments.subscriptions, arguments.live)
        figures = await finance.measure(settings, uri, ledger)
    _print(figures, as_json=arguments.json)
    return 0


async def _limits(run: Run, arguments: argparse.Namespace) -> Results:
    if arguments.senders:
        return await asking.measure(run, arguments.senders)
    return await limits.measure(run, arguments.litellm)


async def _gateway(run: Run, arguments: argparse.Namespace) -> Results:
    asked = gateway.Asked(arguments.connections, arguments.seconds, arguments.litellm, arguments.tensorzero)
    return await gateway.measure(run, asked)


async def _spending(arguments: argparse.Namespace, settings: Settings) -> int:
    floor = exact_units(settings.spending_alerts_floor_usd) or 0
    with command.progress("years", arguments.years * len(BUSINESSES)) as advance:
        table = await asyncio.to_thread(spending.measure, arguments.years, floor, advance)
    return _print_results(Results({name: [row] for name, row in table.items()}), as_json=arguments.json)


async def _forecast(arguments: argparse.Namespace, _: Settings) -> int:
    with command.progress("forecasts", forecast.steps(forecast.SERIES)) as advance:
        results = await asyncio.to_thread(forecast.measure, forecast.SERIES, advance)
    return _print_results(results, as_json=arguments.json)


async def _experiments(arguments: argparse.Namespace, _: Settings) -> int:
    if not analyst.is_installed():
        raise ConfigurationError(f"the statistics are not installed: pip install '{analyst.EXTRA}'")
    # only here: it imports them
    experiments = import_module("scripts.bench.experiments")
    with command.progress("experiments", arguments.rounds * len(experiments.KINDS)) as advance:
        rounds, users, seed = arguments.rounds, arguments.users, arguments.seed
        table = await asyncio.to_thread(experiments.measure, rounds, users, seed, advance)
    return _print_results(Results({name: [row] for name, row in table.items()}), as_json=arguments.json)


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


async def _formats(arguments: argparse.Namespace, _: Settings) -> int:
    figures = await asyncio.to_thread(formats.measure)
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


WORKS: dict[str, Work] = {
    "alerts": _in_rounds(lambda run, _: alerts.measure(run)),
    "write": _in_rounds(lambda run, _: write.measure(run)),
    "callers": _in_rounds(lambda run, arguments: callers.measure(run, arguments.callers)),
    "client": _in_rounds(_client, lambda arguments: len(libraries.ALL) if arguments.peers else len(client.PACES)),
    "fairness": _in_rounds(lambda run, _: fairness.measure(run)),
    "finance": _finance,
    "forecast": _forecast,
    "formats": _formats,
    "gateway": _in_rounds(_gateway, gateway.steps),
    "limits": _in_rounds(_limits, lambda arguments: len(asking.WHOSE) * len(arguments.senders or ()) or 1),
    "peers": _in_rounds(_peers),
    "pricing": _pricing,
    "reads": _reads,
    "spending": _spending,
    "experiments": _experiments,
    "doors": _in_rounds(_doors, lambda arguments: len(senders.DOORS) * len(arguments.senders or ()) or 1),
    "memory": _memory,
    "backfill": _backfill,
    "import": _import,
    "lag": _lag,
    "start": _start,
}


if __name__ == "__main__":
    sys.exit(main())
