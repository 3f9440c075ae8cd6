"""The same spans to Phoenix and to this system in turns, each until its reports show them."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from scripts.bench.bodies import OPENINFERENCE, export, groups
from scripts.bench.door import CLIENT, ROWS
from scripts.bench.http_load import Client, Plan, client, request
from scripts.bench.load import calls
from scripts.bench.peers.ours import ours, shown
from scripts.bench.peers.phoenix import phoenix
from scripts.bench.peers.shown import Ask, Shown, until_shown
from scripts.bench.results import Results, waits
from scripts.bench.setup import Run, bench_settings

EXPORTERS = 4
WARM_UP = 200
OURS, PHOENIX = "ours", "phoenix"


class System(NamedTuple):
    """Where spans go, and who is asked for them."""

    port: int
    bearer: str | None
    ask: Ask


async def measure(run: Run, venv: Path) -> Results:
    """Spans per second until they are shown, ms of an export, and what each system shows of them."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with AsyncExitStack() as stack:
            load, peer = await stack.enter_async_context(client()), await stack.enter_async_context(phoenix(venv))
            served = await stack.enter_async_context(ours(own, run.uri))
            systems = {
                PHOENIX: System(peer.port, None, peer.shown),
                OURS: System(served.port, served.bearers[CLIENT], lambda: shown(served)),
            }
            for system in systems.values():
                await _send(load, system, list(calls(WARM_UP)), Results(), "")
            for seed in range(run.rounds):
                reported = list(calls(run.calls, seed=seed))
                for name, system in systems.items():
                    await _send(load, system, reported, results, name)
                results.add_figure("times_phoenix", results.last(OURS, "per_s") / results.last(PHOENIX, "per_s"))
                run.advance(1)
    return results


async def _send(load: Client, system: System, reported: Sequence[dict[str, Any]], results: Results, name: str) -> None:
    bearer, head = system.bearer, "Content-Type: application/x-protobuf"
    requests = [request("/v1/traces", export(each, OPENINFERENCE), bearer, head) for each in groups(reported, ROWS)]
    sent, before = Shown.of(reported), await system.ask()
    started = time.time()
    done = await load.fire(Plan("127.0.0.1", system.port, requests, EXPORTERS))
    found, at = await until_shown(system.ask, before, sent.calls)
    if fault := found.fault(sent):
        results.faults.append(f"{name}: {fault}")
    results.add_row(
        name,
        {
            "per_s": found.calls / (at - started),
            **waits(done.times),
            "answered_s": done.seconds,
            "shown_s": at - started,
            "sent": sent.calls,
            "shown": found.calls,
            "refused": done.refused * min(ROWS, sent.calls),
            "usd": found.cost,
        },
    )
