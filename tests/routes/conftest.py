"""A running application, asked through real requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.attempts import RefusedCredentials
from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database, connected
from app.main import create_app
from app.settings import Settings
from tests.conftest import SECRET, new_settings
from tests.twins import entries

Client = AsyncTestClient[Litestar]


@pytest.fixture
async def app(settings: Settings, database: Database, mongodb_uri: str) -> Litestar:  # noqa: ARG001 - dropped after it
    return create_app(settings, mongodb_uri)


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[Client]:
    async with AsyncTestClient(app) as client:
        yield client


@asynccontextmanager
async def application(mongodb_uri: str, folder: Path, **more: Any) -> AsyncIterator[tuple[Client, Database]]:
    """An application over a database of its own, for as long as the block; `more` are settings."""
    settings = new_settings(mongodb_uri, folder, **more)
    async with connected(mongodb_uri, settings.database) as database:
        async with AsyncTestClient(create_app(settings, mongodb_uri)) as client:
            yield client, database
        await database.writes.client.drop_database(settings.database)


@pytest.fixture(scope="package")
async def _without_calls(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Client, Database]]:
    async with application(mongodb_uri, tmp_path_factory.mktemp("empty")) as (client, database):
        yield client, database
        assert await entries(database) == []


@pytest.fixture
def empty(_without_calls: tuple[Client, Database]) -> Client:
    """An application in which nobody has reported a call, one for all tests that leave nothing in it."""
    client, _ = _without_calls
    client.cookies.clear()
    # wrong credentials of one test do not slow down those of the next
    state = client.app.state
    state.refused_credentials = RefusedCredentials(state.tracker.counters)
    return client


@pytest.fixture
def empty_database(_without_calls: tuple[Client, Database]) -> Database:
    """The database of `empty`."""
    return _without_calls[1]


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET)


def bearer(tokens: Tokens, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue('someone', role, timedelta(hours=2))}"}


def holding(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}
