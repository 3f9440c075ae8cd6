"""Throughput of each ingest channel (door), against a no-op handler and in-process reporting."""

from collections.abc import Iterator
from typing import NamedTuple

from app.settings import Settings
from scripts.bench import posting
from scripts.bench.bodies import rows
from scripts.bench.door import BATCH, CLIENT, NDJSON, SINGLE, Server, server
from scripts.bench.doors_server import BARE, NO_OP
from scripts.bench.http_load import SENDERS, Client, Plan, client, request
from scripts.bench.in_process import CALLERS, tracked, until_merged
from scripts.bench.load import calls
from scripts.bench.results import Measured, Results, Row, waits
from scripts.bench.setup import Run, bench_settings, bench_tracker

WARM_UP = 2_000
BATCH_SENDERS = 4
"""Few clients send batches."""


class Way(NamedTuple):
    """A way in: its name in the figures, the door, the bearer, and how many send at once."""

    name: str
    door: str
    bearer: str
    senders: int = SENDERS


WAYS = (
    Way("single_key", SINGLE, CLIENT),
    Way("single_jwt", SINGLE, "token"),
    Way("batch_json", BATCH, CLIENT, BATCH_SENDERS),
    Way("batch_ndjson_gzip", NDJSON, CLIENT, BATCH_SENDERS),
)


async def measure(run: Run) -> Results:
    """Requests or calls per second, ms, µs, and percentages within a round, in which the doors take turns."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with client() as load:
            for seed in range(run.rounds):
                async with server(own, run.uri, module="scripts.bench.doors_server") as served:
                    await _over_http(Sender(served, load), run.calls, seed, results)
                results.add("in_process", await _in_process(own, run.uri, run.calls, seed))
                for name, share in _shares(results):
                    results.add_figure(name, share)
                run.advance(1)
        for name, figure in (await posting.measure(own)).items():
            results.add_figure(name, figure)
    return results


async def of_workers(run: Run, workers: int) -> Results:
    """Single calls with one process, and with so many workers, which take turns."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with client() as load:
            for seed in range(run.rounds):
                for name, number in (("one_process", 1), ("workers", workers)):
                    async with server(own.model_copy(update={"workers": number}), run.uri) as served:
                        sender = Sender(served, load)
                        await sender.report(WAYS[0], WARM_UP, -1)
                        results.add(name, await sender.report(WAYS[0], run.calls, seed))
                ratio = results.last("workers", "per_s") / results.last("one_process", "per_s")
                results.add_figure("ratio", ratio)
                run.advance(1)
    return results


class Sender(NamedTuple):
    """A server, and a process that sends to it."""

    served: Server
    load: Client

    async def report(self, way: Way, count: int, seed: int) -> Measured:
        """What became of so many calls."""
        reported, bearer = list(calls(count, seed=seed)), self.served.bearers[way.bearer]
        requests = self.served.requests(way.door, reported, f"{way.name}{seed}", bearer)
        plan = Plan(self.served.host, self.served.port, requests, way.senders)
        return await self.served.take(self.load, way.door, plan, count)

    async def send_nothing(self, path: str, bearer: str, count: int) -> Row:
        """Send as many requests that are only read."""
        head = "Content-Type: application/json"
        requests = [request(path, row, self.served.bearers[bearer], head) for row in rows(calls(count), "")]
        done = await self.load.fire(Plan(self.served.host, self.served.port, requests))
        return {"per_s": len(done.times) / done.seconds, **waits(done.times)}


async def _over_http(sender: Sender, count: int, seed: int, results: Results) -> None:
    await sender.report(WAYS[0], WARM_UP, -1)
    results.add_row("bare_noop", await sender.send_nothing(BARE, CLIENT, count))
    for way in WAYS:
        if way.door == SINGLE:
            noop = way.name.replace("single", "noop")
            results.add_row(noop, await sender.send_nothing(NO_OP, way.bearer, count))
        results.add(way.name, await sender.report(way, count, seed))
        await until_merged(sender.served.database)


async def _in_process(settings: Settings, uri: str, count: int, seed: int) -> Measured:
    async with bench_tracker(settings, uri) as (database, tracker):
        return await tracked(tracker, database, list(calls(count, seed=seed)), CALLERS)


def _shares(results: Results) -> Iterator[tuple[str, float]]:
    """In percent, within one round."""
    for name, of in (("single_key", "noop_key"), ("single_jwt", "noop_jwt")):
        yield f"{name}_share", 100 * results.last(name, "per_s") / results.last(of, "per_s")
    for name in ("batch_json", "batch_ndjson_gzip"):
        yield f"{name}_share", 100 * results.last(name, "per_s") / results.last("in_process", "per_s")
