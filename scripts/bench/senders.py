"""What each door carries with few and with many senders, who wait for their answers and come again when told to."""

from collections.abc import Sequence
from typing import NamedTuple

from scripts.bench.door import BATCH, CLIENT, OTLP, ROWS, SINGLE, Server, server
from scripts.bench.http_load import Client, Plan, client
from scripts.bench.in_process import until_merged
from scripts.bench.load import calls
from scripts.bench.results import Measured, Results
from scripts.bench.setup import Run, bench_settings

SENDERS = (1, 4, 16, 64)
DOORS = (SINGLE, BATCH, OTLP)
REQUESTS_EACH = 3
"""What each sender of batches sends at least."""
SINGLES_SHARE = 5
"""Single calls take about this many times as long, so so many times fewer are sent."""
WARM_UP = 2_000


class Step(NamedTuple):
    """One row of the table."""

    door: str
    senders: int
    calls: int


async def measure(run: Run, numbers: Sequence[int]) -> Results:
    """For each door and number of senders: calls per second, ms of a request, and calls by what became of them."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with client() as load:
            for seed in range(run.rounds):
                async with server(own, run.uri) as served:
                    for door in DOORS:
                        await _send(served, load, Step(door, 4, WARM_UP), -1)
                    for door in DOORS:
                        for number in numbers:
                            step = Step(door, number, _calls(door, run.calls, number))
                            results.add(f"{door} {number}", await _send(served, load, step, seed))
                            run.advance(1)
                        results.compare_with_best(f"{door} {number}" for number in numbers)
    return results


def _calls(door: str, count: int, senders: int) -> int:
    if door == SINGLE:
        return count // SINGLES_SHARE
    return max(count, REQUESTS_EACH * senders * ROWS)


async def _send(served: Server, load: Client, step: Step, seed: int) -> Measured:
    door, senders, count = step
    reported = list(calls(count, seed=seed + senders))
    requests = served.requests(door, reported, f"{door}-{senders}-{seed}", served.bearers[CLIENT])
    await until_merged(served.database)
    return await served.take(load, door, Plan(served.host, served.port, requests, senders), count)
