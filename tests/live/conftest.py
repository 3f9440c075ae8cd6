"""A server on a port of its own, and pages that listen to it."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from pymongo import MongoClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.live import Hub
from app.main import create_app, end_streams
from app.settings import Settings
from tests.patience import PATIENT_MS, patience

LIVE = "/api/admin/ai/live"
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
Event = dict[str, Any]


class Page:
    """One open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._blocks = self._read()

    async def _read(self) -> AsyncIterator[list[str]]:
        block: list[str] = []
        async for line in self.response.aiter_lines():
            if line:
                block.append(line)
                continue
            yield block
            block = []

    async def next(self, kind: str, seconds: float = 5) -> Event:
        """The data of the next event, which is of this kind, with its id."""
        return await self._next(kind, patience(seconds))

    async def _next(self, kind: str, seconds: float) -> Event:
        async with asyncio.timeout(seconds):
            async for block in self._blocks:
                fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
                if "event" in fields:
                    assert fields["event"] == kind, block
                    return {"id": fields["id"], **json.loads(fields["data"])}
        raise AssertionError("the stream has ended")

    async def nothing(self, seconds: float) -> None:
        """That no event comes for so long."""
        with pytest.raises(TimeoutError):
            await self._next("none", seconds)

    async def end(self, seconds: float) -> None:
        """Read on until the stream ends by itself, without an event."""
        async with asyncio.timeout(patience(seconds)):
            async for block in self._blocks:
                assert not any(line.startswith("event") for line in block), block


class Site:
    """A running server and what callers do with it."""

    def __init__(self, address: str, settings: Settings, hub: Hub, client: httpx.AsyncClient) -> None:
        self.settings = settings
        self.hub = hub
        self.client = client
        self.address = address
        self.pages = AsyncExitStack()

    def bearer(self, role: Role = Role.ADMIN) -> dict[str, str]:
        token = Tokens(self.settings.signing_secret).issue("me", role, timedelta(minutes=5))
        return {"Authorization": f"Bearer {token}"}

    async def listen(
        self, headers: dict[str, str] | None = None, *, heard: str | None = None, at: str = "", **params: str
    ) -> Page:
        """A page of an administrator, or with these headers; of the server `at` another address. `heard` is the last
        event before it came back.
        """
        headers = (headers or self.bearer()) | ({} if heard is None else {"Last-Event-ID": heard})
        response = await self.pages.enter_async_context(
            self.client.stream("GET", at + LIVE, headers=headers, params=params)
        )
        assert response.status_code == 200, await response.aread()
        return Page(response)

    async def track(self, **reported: Any) -> None:
        response = await self.client.post("/api/ai/track", json={**CALL, **reported}, headers=self.bearer())
        assert response.status_code == 201, response.text

    async def takes_calls(self) -> bool:
        """Whether calls are committed, and none waits for MongoDB."""
        ready = (await self.client.get("/ready")).json()
        return bool(ready["status"] == "ready" and ready["spool"]["calls"] == ready["queued"] == 0)

    async def key(self, *scopes: str) -> tuple[str, dict[str, str]]:
        """The id of a new key of acme, and what its bearer sends."""
        body = {"name": "page", "clientId": "acme", "scopes": list(scopes)}
        made = (await self.client.post("/api/admin/keys", json=body, headers=self.bearer())).json()
        return made["id"], {"Authorization": f"Bearer {made['key']}"}

    async def metric(self, name: str) -> float:
        lines = (await self.client.get("/metrics")).text.splitlines()
        (value,) = [line.split()[1] for line in lines if line.startswith(f"{name} ")]
        return float(value)


@asynccontextmanager
async def serving(settings: Settings, uri: str) -> AsyncIterator[Site]:
    """The application on a port of this machine."""
    app = create_app(settings, uri)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_config=None, timeout_graceful_shutdown=5))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), running.result()
        await asyncio.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    limits = httpx.Limits(max_connections=None)
    try:
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=patience(20)) as client:
            yield Site(address, settings, app.state.live, client)
    finally:
        end_streams(app)
        server.should_exit = True
        await running


@pytest.fixture(scope="package")
async def server(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all tests: each starts with pages of its own."""
    settings = Settings(
        _env_file=None,
        database=f"test_{uuid.uuid4().hex[:12]}",
        data_dir=tmp_path_factory.mktemp("live"),
        jwt_secret="0123456789abcdef0123456789abcdef",
        track_deadline_ms=PATIENT_MS,
    )
    async with serving(settings, mongodb_uri) as site:
        yield site
    with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
        mongo.drop_database(settings.database)


@pytest.fixture
async def site(server: Site) -> AsyncIterator[Site]:
    async with server.pages:
        yield server
    async with asyncio.timeout(patience(5)):
        while await server.metric("twinmeter_live_listeners"):
            pass
