"""A real MongoDB for the whole run, and a database of its own for every test that writes."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from app.database import Database, connected
from app.mongod import EmbeddedMongod
from app.settings import Settings
from app.telemetry import Counters, configure_logging
from app.tracking import Tracker, open_tracker

# the same examples every time: a suite that fails by chance is one that nobody believes
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> None:
    configure_logging("error")


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The suite's own mongod."""
    with EmbeddedMongod(tmp_path_factory.mktemp("mongodb")) as mongod:
        yield mongod.uri


@pytest.fixture
def settings(mongodb_uri: str, tmp_path: Path) -> Settings:
    """Settings of a deployment with nothing in it."""
    return Settings(
        _env_file=None,
        mongodb_uri=mongodb_uri,
        database=f"test_{uuid.uuid4().hex[:12]}",
        data_dir=tmp_path,
        jwt_secret="0123456789abcdef0123456789abcdef",
        track_deadline_ms=10_000,
        port=0,
    )


@pytest.fixture
async def database(settings: Settings, mongodb_uri: str) -> AsyncIterator[Database]:
    async with connected(mongodb_uri, settings.database) as database:
        yield database
        await database.writes.client.drop_database(settings.database)


@pytest.fixture
async def tracker(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    async with open_tracker(settings, database, Counters()) as tracker:
        yield tracker
