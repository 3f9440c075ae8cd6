"""A fresh database and folder for every measurement."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from app.database import Database, connected
from app.observability.metrics import Counters
from app.process import tune_garbage_collector
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from scripts.toolkit.command import Advance

Figures = list[tuple[str, float]]
"""Names and what was measured."""


@dataclass(frozen=True)
class Run:
    """How much is to be measured, and where."""

    settings: Settings
    uri: str
    calls: int
    rounds: int
    advance: Advance


@asynccontextmanager
async def bench_database(settings: Settings, uri: str) -> AsyncIterator[Database]:
    """A fresh database with the indexes of a real one, dropped at the end."""
    name = f"{settings.database[:20]}_bench_{uuid.uuid4().hex[:8]}"
    async with connected(uri, name) as database:
        try:
            yield database
        finally:
            await database.writes.client.drop_database(name)


@asynccontextmanager
async def bench_tracker(settings: Settings, uri: str) -> AsyncIterator[tuple[Database, Tracker]]:
    """A tracker with its compactor, as a host application has it, on a fresh database."""
    async with bench_database(settings, uri) as database:
        # the spool is named after the database: what one measurement leaves in it is none of the next one's
        own = settings.model_copy(update={"database": database.writes.name})
        async with open_tracker(own, database, Counters()) as tracker:
            tune_garbage_collector()
            yield database, tracker


@contextmanager
def bench_settings(settings: Settings) -> Iterator[Settings]:
    """The same settings, with a fresh folder on the same disk, removed at the end."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secret = settings.signing_secret  # read before the folder changes, and kept by the copy
    with TemporaryDirectory(prefix="bench-", dir=settings.data_dir) as folder:
        yield settings.model_copy(update={"data_dir": Path(folder), "jwt_secret": SecretStr(secret)})
