"""A fresh database and folder for every measurement."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from app.database import Database, connected
from app.settings import Settings

Figures = list[tuple[str, float]]
"""Names and what was measured."""


@asynccontextmanager
async def bench_database(settings: Settings, uri: str) -> AsyncIterator[Database]:
    """A fresh database with the indexes of a real one, dropped at the end."""
    name = f"{settings.database[:20]}_bench_{uuid.uuid4().hex[:8]}"
    async with connected(uri, name) as database:
        try:
            yield database
        finally:
            await database.writes.client.drop_database(name)


@contextmanager
def bench_settings(settings: Settings) -> Iterator[Settings]:
    """The same settings, with a fresh folder on the same disk, removed at the end."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secret = settings.signing_secret  # read before the folder changes, and kept by the copy
    with TemporaryDirectory(prefix="bench-", dir=settings.data_dir) as folder:
        yield settings.model_copy(update={"data_dir": Path(folder), "jwt_secret": SecretStr(secret)})
