"""Applications that report the same calls by another system's library and by ours, until our reports show them.

Neither library comes with a server that could run here: Langfuse's needs ClickHouse, Redis and a bucket, LiteLLM's log
of spend a Postgres and engines that are downloaded. So both report to this system, as they can be configured to.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from app.settings import Settings
from scripts.bench.bodies import groups
from scripts.bench.door import CLIENT, Server
from scripts.bench.in_process import undelivered
from scripts.bench.load import calls
from scripts.bench.peers.ours import ours, shown
from scripts.bench.peers.shown import Shown, until_shown
from scripts.bench.results import Results, Row, waits
from scripts.bench.setup import Run, bench_settings, bench_tracker

FLUSH = 1_000
"""Calls after which Langfuse's SDK is flushed: its queue holds 2,048, and what comes then is dropped."""
APPS = Path(__file__).parent
Reported = list[dict[str, Any]]


class Spent(NamedTuple):
    """What reporting took of the application."""

    times_us: list[float]
    """Of each call: how long its caller had to wait."""
    cpu_s: float
    began_at: float
    """When the first measured call was reported, in seconds since 1970."""


async def of_langfuse(run: Run, venv: Path) -> Results:
    """Langfuse's SDK, which exports to this system, and `track_ai_request(wait=False)`."""
    return await _compared(run, {"langfuse_sdk": _app(venv, "langfuse_app.py", str(FLUSH))}, "langfuse_sdk")


async def of_litellm(run: Run, venv: Path) -> Results:
    """LiteLLM without logging, with its own export of spans to this system, and `track_ai_request(wait=False)`."""
    ways = {"litellm_unlogged": _app(venv, "litellm_app.py", "none"), "litellm": _app(venv, "litellm_app.py", "otel")}
    return await _compared(run, ways, "litellm", without="litellm_unlogged")


App = Callable[[Server, Reported], Awaitable[Spent]]


async def _compared(run: Run, ways: dict[str, App], peer: str, without: str | None = None) -> Results:
    """`without` names the way that reports nothing, whose CPU is none of the peer's."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with ours(own, run.uri) as served:
            for seed in range(run.rounds):
                reported = list(calls(run.calls, seed=seed))
                for name, app in ways.items():
                    row, fault = await _report(served, reported, app, Shown.of([] if name == without else reported))
                    results.add_row(name, row)
                    results.faults += [f"{name}: {fault}"] if fault else []
                results.add_row("ours", await _report_here(own, run.uri, reported))
                base = 0 if without is None else results.last(without, "cpu_us")
                results.add_figure("times_cpu", (results.last(peer, "cpu_us") - base) / results.last("ours", "cpu_us"))
                run.advance(1)
    return results


async def _report(served: Server, reported: Reported, app: App, sent: Shown) -> tuple[Row, str | None]:
    before = await shown(served)
    spent = await app(served, reported)
    found, at = await until_shown(lambda: shown(served), before, sent.calls)
    row = _row(spent, at) | {"sent": sent.calls, "shown": found.calls}
    return row, found.fault(sent)


async def _report_here(settings: Settings, uri: str, reported: Reported) -> Row:
    """In this process, which then writes to MongoDB, too; as often as Langfuse's, it waits until all is written."""
    async with bench_tracker(settings, uri) as (database, tracker):
        times, began_at, cpu = [], time.time(), time.process_time()
        for number, group in enumerate(groups(reported, FLUSH), 1):
            for call in group:
                began = time.perf_counter()
                await tracker.post(**call)
                times.append(1e6 * (time.perf_counter() - began))
            await undelivered(database, min(number * FLUSH, len(reported)))
        row = _row(Spent(times, time.process_time() - cpu, began_at), time.time())
        return row | {"sent": len(reported), "shown": await database.ledger.count_documents({})}


def _row(spent: Spent, at: float) -> Row:
    """Of what was measured of an application, all of whose calls were shown `at` that moment."""
    count = len(spent.times_us)
    per_call = {name.replace("_ms", "_us"): figure / 1000 for name, figure in waits(spent.times_us).items()}
    return {"per_s": count / (at - spent.began_at), **per_call, "cpu_us": 1e6 * spent.cpu_s / count}


def _app(venv: Path, script: str, *arguments: str) -> App:
    async def run(served: Server, reported: Reported) -> Spent:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "calls.json"
            path.write_text(json.dumps(reported))
            command = [str(venv / "bin" / "python"), str(APPS / script)]
            process = await asyncio.create_subprocess_exec(
                *(*command, f"http://{served.host}:{served.port}", served.bearers[CLIENT], str(path), *arguments),
                cwd=folder,
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{script} ended with {process.returncode}")
        return Spent(**json.loads(said))

    return run
