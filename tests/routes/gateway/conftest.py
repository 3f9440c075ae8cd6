"""A running gateway: a server on a port of its own, and a stand-in that it asks as its upstreams."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from bson import ObjectId
from litestar import Litestar

from app.auth.principals import Scope
from app.database import Database, connected
from app.gateway.gateway import Gateway
from app.http.protocol import LimitedProtocol
from app.main import create_app
from models.documents import Document
from scripts.provider import Provider
from tests.conftest import new_settings
from tests.patience import patience

UPSTREAMS = """
[upstreams.openai]
key_file = "key"
base_url = "{address}/v1"
models = ["gpt-*", "o3*", "text-embedding-*", "whisper-*", "tts-*", "dall-e-*", "gpt-image-*", "sora-2*"]

[upstreams.openai-eu]
key_file = "key"
format = "openai"
provider = "openai"
base_url = "{address}/v1"
models = ["eu-only"]

[upstreams.gone]
key_file = "key"
format = "openai"
provider = "openai"
base_url = "http://127.0.0.1:9"
models = ["on-the-moon"]

[upstreams.anthropic]
key_file = "key"
base_url = "{address}"
models = ["claude-*"]

[upstreams.gemini]
key_file = "key"
base_url = "{address}"
models = ["gemini-*"]

[defaults]
chat = "fast"

[models.fast]
to = "openai/gpt-4o-mini"

[models.twice]
to = "openai/gpt-4o--error=503"
fallbacks = ["openai-eu/gpt-4o-mini"]

[models.silent]
to = "openai/gpt-4o--cut=0"
fallbacks = ["openai-eu/gpt-4o-mini"]

[models.failing]
to = "openai/gpt-4o--error_event=0"
fallbacks = ["openai-eu/gpt-4o-mini"]

[models.never]
to = "gone/gpt-4o"
fallbacks = ["openai-eu/gpt-4o"]
"""

PROVIDER_KEY = "sk-of-the-provider-itself"


class Site:
    """The gateway, its upstream and its callers."""

    def __init__(self, address: str, app: Litestar, database: Database, provider: Provider) -> None:
        self.address = address
        self.app = app
        self.database = database
        self.provider = provider
        self.client = httpx.AsyncClient(base_url=address, timeout=patience(30))
        self.key = ""
        self.stop: Callable[[], Awaitable[None]]
        """As a server is told to stop that waits a second for open requests."""

    async def new_key(self, client: str = "acme", *scopes: Scope) -> str:
        """The text of a new key, which calls models where no scope is named."""
        _, text = await self.app.state.api_keys.create(
            client=client, scopes=scopes or [Scope.GATEWAY], name="n", expires_at=None, created_by="test"
        )
        return str(text)

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self.app.state.gateway
        return gateway

    def holding(self, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}", **{name.replace("_", "-"): text for name, text in more.items()}}

    async def chat(
        self, model: str = "gpt-4o-mini", *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One answer, whole."""
        body = {"model": model, "messages": [{"role": "user", "content": "one two three"}], **more}
        return await self.client.post("/v1/chat/completions", json=body, headers=self.holding(**headers or {}))

    async def direct(self, body: dict[str, Any], path: str = "/v1/chat/completions") -> httpx.Response:
        """What the provider itself answers."""
        url, key = f"{self.provider.address}{path}", {"authorization": f"Bearer {PROVIDER_KEY}"}
        return await self.client.post(url, json=body, headers=key)

    async def read(self, body: dict[str, Any], path: str = "/v1/chat/completions") -> tuple[bytes, Exception | None]:
        """All that comes of a stream, and how it breaks off."""
        received = b""
        try:
            async with self.client.stream("POST", path, json=body, headers=self.holding()) as response:
                async for piece in response.aiter_bytes():
                    received += piece
        except httpx.TransportError as error:
            return received, error
        return received, None

    async def entry(self, response: httpx.Response) -> Document:
        """What the ledger has of a call, by the id in its answer."""
        found = await self.database.ledger.find_one({"_id": ObjectId(response.headers["x-twinmeter-request-id"])})
        assert found is not None
        event = await self.database.events.find_one({"_id": found["_id"]})
        assert event is not None
        assert event["properties"]["cost"] == found["cost"]
        return dict(found)

    async def entries(self) -> list[Document]:
        return [dict(each) async for each in self.database.ledger.find().sort("_id", 1)]

    async def until(self, count: int) -> list[Document]:
        """The entries, as soon as there are so many."""
        async with asyncio.timeout(patience(10)):
            while len(found := await self.entries()) < count:  # noqa: ASYNC110 - it is MongoDB that is waited for
                await asyncio.sleep(0.01)
        return found

    async def wipe(self) -> None:
        """As if nobody had called."""
        self.provider.forget()
        await self.database.ledger.delete_many({})


@asynccontextmanager
async def running(mongodb_uri: str, folder: Path) -> AsyncIterator[Site]:
    """A gateway for the length of a block."""
    provider = await Provider().start()
    file = folder / "gateway.toml"
    (folder / "key").write_text(PROVIDER_KEY)
    file.write_text(UPSTREAMS.format(address=provider.address))
    settings = new_settings(mongodb_uri, folder, gateway_file=file)
    failures: list[Exception] = []
    app = create_app(settings, mongodb_uri, failures.append)
    config = uvicorn.Config(
        app, port=0, http=LimitedProtocol, ws="none", log_config=None, log_level="critical", lifespan="on",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not serving.done(), failures
    port = server.servers[0].sockets[0].getsockname()[1]
    async with connected(mongodb_uri, settings.database) as database:
        site = Site(f"http://127.0.0.1:{port}", app, database, provider)
        site.key = await site.new_key()

        async def stop() -> None:
            server.should_exit = True
            await serving

        site.stop = stop
        yield site
        await site.client.aclose()
        await stop()
        await provider.stop()
        await database.writes.client.drop_database(settings.database)


@pytest.fixture(scope="package")
async def _site(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running(mongodb_uri, tmp_path_factory.mktemp("gateway")) as site:
        yield site


@pytest.fixture
async def site(_site: Site) -> Site:
    await _site.wipe()
    return _site


def events_of(content: bytes) -> list[Any]:
    """The data of the events of a stream, but for its end."""
    data = [line[6:] for line in content.splitlines() if line.startswith(b"data: ")]
    return [json.loads(each) for each in data if each != b"[DONE]"]


def file_of(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path
