"""Throughput of each ingest channel (door), against a no-op handler and in-process reporting."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from typing import Any, NamedTuple

import msgspec

from app.auth.api_keys import KeyRing
from app.auth.principals import Role, Scope
from app.auth.tokens import Tokens
from app.database import Database
from app.settings import Settings
from models.base import camel
from scripts.bench import posting
from scripts.bench.doors_server import BARE, NO_OP
from scripts.bench.http_load import Client, Load, Plan, client, request
from scripts.bench.load import calls
from scripts.bench.serving import serving
from scripts.bench.setup import Figures, bench_database, bench_settings
from scripts.bench.write import track_rate, until_merged
from scripts.toolkit.command import Advance
from scripts.toolkit.track_all import patient

ROUNDS = 3
WARM_UP = 2_000
ROWS = 1_000
BATCH_CONNECTIONS = 4
"""Few clients send batches."""
CLIENT = "client-0"
COMMITTED = b'"status":"committed"'
ALL_COMMITTED = b'"summary":{"committed":1000}'
JSON = "Content-Type: application/json"
NDJSON = ("Content-Type: application/x-ndjson", "Content-Encoding: gzip")


class Door(NamedTuple):
    """A way in: its name in the figures, and what is sent."""

    name: str
    plan: Plan
    calls: int
    """How many calls a request reports."""


async def measure(settings: Settings, uri: str, count: int, advance: Advance) -> dict[str, float]:
    """Requests or calls per second, ms, µs, and percentages: medians of three rounds in which the doors take turns."""
    results: dict[str, list[float]] = {}
    with bench_settings(settings) as own:
        async with client() as load:
            for seed in range(ROUNDS):
                figures = [*await _over_http(own, uri, load, count, seed), *await _in_process(own, uri, count, seed)]
                for name, figure in [*figures, *_shares(dict(figures))]:
                    results.setdefault(name, []).append(figure)
                advance(1)
        return {name: round(median(found), 2) for name, found in results.items()} | await posting.measure(own)


async def of_workers(settings: Settings, uri: str, count: int, workers: int, advance: Advance) -> dict[str, float]:
    """Single calls per second with one process, and with so many workers, which take turns."""
    results: dict[str, list[float]] = {"one_process_per_s": [], "workers_per_s": []}
    with bench_settings(settings) as own:
        async with client() as load:
            for seed in range(ROUNDS):
                for name, number in zip(results, (1, workers), strict=True):
                    server = own.model_copy(update={"workers": number})
                    results[name].append(await _single_calls(server, uri, load, count, seed))
                advance(1)
    figures = {name: median(found) for name, found in results.items()}
    return {**figures, "ratio": round(figures["workers_per_s"] / figures["one_process_per_s"], 2)}


async def _single_calls(settings: Settings, uri: str, load: Client, count: int, seed: int) -> float:
    async with (
        bench_database(settings, uri) as database,
        serving(patient(settings), uri, database.writes.name) as address,
    ):
        key, token = await _bearers(settings, database)
        plans = {door.name: door.plan for door in _doors(address, key, token, count, seed)}
        await load.fire(plans["warm_up"])
        return (await load.fire(plans["single_key"])).per_s


def _shares(figures: dict[str, float]) -> Figures:
    """In percent, within one round."""
    whole = figures["in_process_per_s"]
    return [
        ("single_key_share", 100 * figures["single_key_per_s"] / figures["noop_key_per_s"]),
        ("single_jwt_share", 100 * figures["single_jwt_per_s"] / figures["noop_jwt_per_s"]),
        ("batch_json_share", 100 * figures["batch_json_per_s"] / whole),
        ("batch_ndjson_gzip_share", 100 * figures["batch_ndjson_gzip_per_s"] / whole),
    ]


async def _in_process(settings: Settings, uri: str, count: int, seed: int) -> Figures:
    async with bench_database(settings, uri) as database:
        return [("in_process_per_s", await track_rate(settings, database, count, seed))]


async def _over_http(settings: Settings, uri: str, load: Client, count: int, seed: int) -> Figures:
    figures: Figures = []
    async with (
        bench_database(settings, uri) as database,
        serving(patient(settings), uri, database.writes.name, module="scripts.bench.doors_server") as address,
    ):
        key, token = await _bearers(settings, database)
        for name, plan, reported in _doors(address, key, token, count, seed):
            found: Load = await load.fire(plan)
            if name != "warm_up":
                figures += [(f"{name}_per_s", found.per_s * reported)]
                figures += [(f"{name}_p50_ms", found.p50_ms), (f"{name}_p99_ms", found.p99_ms)]
            await until_merged(database)
    return figures


async def _bearers(settings: Settings, database: Database) -> tuple[str, str]:
    """The text of an API key, and a token."""
    ring, name = KeyRing(database), "bench"
    _, key = await ring.create(client=CLIENT, scopes=[Scope.INGEST], name=name, expires_at=None, created_by=name)
    return key, Tokens.of(settings).issue(name, Role.SERVICE, timedelta(hours=6), CLIENT)


def _doors(address: str, key: str, token: str, count: int, seed: int) -> Iterator[Door]:
    rows = [_row(call) for call in calls(count, seed=seed)]
    host, port = address.removeprefix("http://").split(":")

    def single(name: str, path: str, bearer: str, expected: bytes, sent: int = count) -> Door:
        return Door(name, Plan(host, int(port), [request(path, row, bearer, JSON) for row in rows], sent, expected), 1)

    def batch(name: str, bodies: list[bytes], *headers: str) -> Door:
        requests = [request("/api/ai/track/batch", body, key, *headers) for body in bodies]
        return Door(name, Plan(host, int(port), requests, len(requests), ALL_COMMITTED, BATCH_CONNECTIONS), ROWS)

    batches = [rows[first : first + ROWS] for first in range(0, count - ROWS + 1, ROWS)]
    yield single("warm_up", "/api/ai/track", key, COMMITTED, WARM_UP)
    yield single("bare_noop", BARE, key, b" 201 ")
    yield single("noop_key", NO_OP, key, b" 201 ")
    yield single("single_key", "/api/ai/track", key, COMMITTED)
    yield single("noop_jwt", NO_OP, token, b" 201 ")
    yield single("single_jwt", "/api/ai/track", token, COMMITTED)
    yield batch("batch_json", [b"[" + b",".join(batch) + b"]" for batch in batches], JSON)
    yield batch("batch_ndjson_gzip", [gzip.compress(b"\n".join(batch), 6) for batch in batches], *NDJSON)


def _row(call: dict[str, Any]) -> bytes:
    return msgspec.json.encode({camel(name): value for name, value in call.items() if name != "client_id"})
