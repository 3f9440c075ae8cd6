"""A database of its own for every measurement."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
