"""A running application, asked through real requests."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.main import create_app
from app.settings import Settings


@pytest.fixture
async def app(settings: Settings, database: Database, mongodb_uri: str) -> Litestar:  # noqa: ARG001 - dropped after it
    return create_app(settings, mongodb_uri)


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(app) as client:
        yield client


@pytest.fixture
def tokens(settings: Settings) -> Tokens:
    return Tokens(settings.signing_secret)


def bearer(tokens: Tokens, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue('someone', role, timedelta(minutes=5))}"}
