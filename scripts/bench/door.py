"""The doors (ingest channels) of a server of its own: what is sent to each, and what became of the calls."""

import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from app.auth.api_keys import KeyRing
from app.auth.principals import Role, Scope
from app.auth.tokens import Tokens
from app.database import Database
from app.settings import Settings
from scripts.bench.bodies import GENAI, array, export, groups, rows
from scripts.bench.http_load import Fires, Plan, request
from scripts.bench.in_process import undelivered
from scripts.bench.results import Measured
from scripts.bench.serving import serving
from scripts.bench.setup import bench_database

CLIENT = "client-0"
ROWS = 500
"""Calls of a batch, and spans of an export: OpenTelemetry's SDKs send 512 at most."""
SINGLE, BATCH, NDJSON, OTLP, GATEWAY = "single", "batch", "ndjson", "otlp", "gateway"
_JSON = ("Content-Type: application/json",)
_PROTOBUF = ("Content-Type: application/x-protobuf",)
_COUNTED_AS = {SINGLE: "track", BATCH: "batch", NDJSON: "batch", OTLP: "otlp", GATEWAY: "gateway"}
"""What the server's counters call them."""


@dataclass
class Server:
    """The real server in a process of its own, its database, and who sends to it."""

    database: Database
    host: str
    port: int
    bearers: dict[str, str]
    """Of senders: API keys by client, and `token`."""
    admin: httpx.AsyncClient
    """Requests as an administrator."""

    def requests(self, door: str, reported: Sequence[dict[str, Any]], prefix: str, bearer: str) -> list[bytes]:
        """What senders send who report these calls; the ids of the calls begin with `prefix`."""
        if door == OTLP:
            return [request("/v1/traces", export(each, GENAI), bearer, *_PROTOBUF) for each in groups(reported, ROWS)]
        made = rows(reported, prefix)
        if door == SINGLE:
            return [request("/api/ai/track", row, bearer, *_JSON) for row in made]
        if door == BATCH:
            return [request("/api/ai/track/batch", array(each), bearer, *_JSON) for each in groups(made, ROWS)]
        lines = ("Content-Type: application/x-ndjson", "Content-Encoding: gzip")
        bodies = [gzip.compress(b"\n".join(each), 6) for each in groups(made, ROWS)]
        return [request("/api/ai/track/batch", body, bearer, *lines) for body in bodies]

    async def take(self, load: Fires, door: str, plan: Plan, calls: int, client: str = CLIENT) -> Measured:
        """Have a plan carried out that reports so many calls of a client.

        What became of them is asked: the server's own counts of what it answered, and the ledger.
        """
        per_request = calls / len(plan.requests)
        query = {"clientId": client}
        statuses, stored = await self.answered(door), await self.database.ledger.count_documents(query)
        done = await load.fire(plan)
        now_stored, answered = await self.database.ledger.count_documents(query), await self.answered(door)
        became = {status: found - statuses.get(status, 0) for status, found in answered.items()}
        dropped = became.get("dropped", 0)
        refused = round(done.refused * per_request) + dropped
        lost = await undelivered(self.database, stored + calls - round(done.given_up * per_request) - dropped, query)
        return Measured(calls, done.seconds, done.times, became, refused, now_stored - stored, lost=lost)

    async def answered(self, door: str) -> dict[str, int]:
        """Calls by receipt status, up to now."""
        answer = (await self.admin.get("/api/admin/ai/technical")).raise_for_status().json()
        found: dict[str, int] = answer["doors"].get(_COUNTED_AS[door], {})
        return found

    async def pid(self) -> int:
        """That of its process, where it is one."""
        answer = (await self.admin.get("/api/admin/ai/technical")).raise_for_status().json()
        return int(answer["processes"][0]["pid"])


@asynccontextmanager
async def server(
    settings: Settings, uri: str, *, clients: Sequence[str] = (CLIENT,), module: str = "app"
) -> AsyncIterator[Server]:
    """A server on a fresh database."""
    async with (
        bench_database(settings, uri) as database,
        serving(settings, uri, database.writes.name, module=module) as address,
        sending_to(address, database, Tokens.of(settings), clients) as served,
    ):
        yield served


@asynccontextmanager
async def sending_to(
    address: str, database: Database, tokens: Tokens, clients: Sequence[str] = (CLIENT,)
) -> AsyncIterator[Server]:
    """The server that runs there, with credentials for these clients."""
    bearers = {client: await _key(database, client) for client in clients}
    if clients:
        bearers["token"] = tokens.issue("bench", Role.SERVICE, timedelta(hours=6), clients[0])
    headers = {"Authorization": f"Bearer {tokens.issue('bench', Role.ADMIN, timedelta(hours=6))}"}
    host, _, port = address.removeprefix("http://").rpartition(":")
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as admin:
        yield Server(database, host, int(port), bearers, admin)


async def _key(database: Database, client: str) -> str:
    ring, name = KeyRing(database), "bench"
    return (await ring.create(client=client, scopes=[Scope.INGEST], name=name, expires_at=None, created_by=name))[1]
