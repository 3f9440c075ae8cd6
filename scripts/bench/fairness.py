"""Whether the flood of one client delays the calls of another.

All three, server, quiet client and flooding client, are processes of their own, and share the machine's cores with
MongoDB. How much of the quiet client's wait is that alone, a no-op tells, which is asked beside the same flood.
"""

import asyncio
from typing import NamedTuple

from scripts.bench.door import BATCH, ROWS, SINGLE, Server, server
from scripts.bench.doors_server import NO_OP
from scripts.bench.http_load import Client, Load, Plan, client, request
from scripts.bench.in_process import until_merged
from scripts.bench.load import calls
from scripts.bench.results import Measured, Results, waits
from scripts.bench.setup import Run, bench_settings

QUIET, FLOODING = "client-quiet", "client-flooding"
QUIET_PER_S = 50
QUIET_SENDERS = 8
SECONDS = 6.0
"""For how long the quiet client reports, alone and beside the flood."""
NO_OP_SECONDS = 3.0
"""For how long it asks for nothing, likewise."""
AHEAD = 1.5
"""Seconds for which the flood has gone on by then."""
FLOOD_SENDERS = 64
TIMES_ITS_SHARE = 10
"""Two clients: the share of each is half of what the door carries."""
CARRYING_SENDERS = 4
WARM_UP_SECONDS = 1.0


async def measure(run: Run) -> Results:
    """Single calls of a quiet client alone, and beside a client that sends batches at ten times its share and sends
    again at once whatever is refused: calls per second, ms, and how many times as long the quiet one waits.
    """
    results = Results()
    with bench_settings(run.settings) as own:
        async with client() as quiet, client() as flooding:
            for seed in range(run.rounds):
                clients = QUIET, FLOODING
                async with server(own, run.uri, clients=clients, module="scripts.bench.doors_server") as served:
                    await _round(_Two(served, quiet, flooding), run.calls, seed, results)
                run.advance(1)
    return results


class _Two(NamedTuple):
    """A server and its two clients."""

    served: Server
    quiet: Client
    flooding: Client


async def _round(two: _Two, count: int, seed: int, results: Results) -> None:
    served = two.served
    await _report(served, two.quiet, WARM_UP_SECONDS, 2 * seed + 1_000)
    alone = await _carried(served, two.flooding, count, seed)
    results.add("carried", alone)
    await until_merged(served.database)
    results.add("alone", await _report(served, two.quiet, SECONDS, 2 * seed))
    results.add_row("no_op_alone", await _nothing(served, two.quiet))
    carried = alone.sent / alone.seconds
    before = await served.answered(BATCH)
    flood = asyncio.create_task(two.flooding.fire(_flood(served, carried, seed)))
    await asyncio.sleep(AHEAD)
    results.add("beside", await _report(served, two.quiet, SECONDS, 2 * seed + 1))
    results.add_row("no_op_beside", await _nothing(served, two.quiet))
    done = await flood
    taken = {status: found - before.get(status, 0) for status, found in (await served.answered(BATCH)).items()}
    results.add_row("flood", _row(done, taken))
    results.add_figure("offered_times_share", results.last("flood", "offered_per_s") / (carried / 2))
    results.add_figure("p99_times", results.last("beside", "p99_ms") / results.last("alone", "p99_ms"))
    results.add_figure(
        "no_op_p99_times", results.last("no_op_beside", "p99_ms") / results.last("no_op_alone", "p99_ms")
    )


async def _nothing(served: Server, load: Client) -> dict[str, float]:
    """Requests as the quiet client's, which do nothing."""
    asked = [request(NO_OP, b"{}", served.bearers[QUIET])] * int(QUIET_PER_S * NO_OP_SECONDS)
    done = await load.fire(Plan(served.host, served.port, asked, QUIET_SENDERS, per_s=QUIET_PER_S))
    return {**waits(done.times), "longest_ms": 1000 * max(done.times)}


def _row(done: Load, taken: dict[str, int]) -> dict[str, float]:
    return {
        "per_s": taken.get("committed", 0) / done.seconds,
        "offered_per_s": done.answers * ROWS / done.seconds,
        "committed": taken.get("committed", 0),
        "spooled": taken.get("spooled", 0),
        "unknown": taken.get("unknown", 0),
        "refused": done.refused * ROWS,
    }


async def _carried(served: Server, load: Client, count: int, seed: int) -> Measured:
    """What the door of batches carries for one client alone."""
    bearer = served.bearers[FLOODING]
    requests = served.requests(BATCH, list(calls(count, seed=seed)), f"carried-{seed}", bearer)
    plan = Plan(served.host, served.port, requests, CARRYING_SENDERS)
    return await served.take(load, BATCH, plan, count, FLOODING)


async def _report(served: Server, load: Client, seconds: float, seed: int) -> Measured:
    """The quiet client's calls for so long."""
    count = int(QUIET_PER_S * seconds)
    requests = served.requests(SINGLE, list(calls(count, seed=seed)), f"quiet-{seed}", served.bearers[QUIET])
    plan = Plan(served.host, served.port, requests, QUIET_SENDERS, per_s=QUIET_PER_S)
    return await served.take(load, SINGLE, plan, count, QUIET)


def _flood(served: Server, carried: float, seed: int) -> Plan:
    seconds = AHEAD + SECONDS + NO_OP_SECONDS + 1
    enough = int(2 * carried * seconds)
    requests = served.requests(BATCH, list(calls(enough, seed=seed)), f"flood-{seed}", served.bearers[FLOODING])
    per_s = TIMES_ITS_SHARE * carried / 2 / ROWS
    return Plan(served.host, served.port, requests, FLOOD_SENDERS, per_s=per_s, rude=True, seconds=seconds)
