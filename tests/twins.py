"""What tests say about the ledger as a whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.database import Database, Session

Documents = list[dict[str, Any]]


async def entries(database: Database, session: Session | None = None) -> Documents:
    """The ledger in order of its ids."""
    return await database.ledger.find(session=session).sort("_id").to_list(None)


async def events(database: Database, session: Session | None = None) -> Documents:
    """The AI events in order of their ids."""
    return await database.events.find({"event": "ai_generation"}, session=session).sort("_id").to_list(None)


async def assert_twins(database: Database) -> set[str]:
    """Both collections hold the same ids, as any snapshot read sees them. Returns them, as text."""
    async with _snapshot(database) as session:
        ids = {str(entry["_id"]) for entry in await entries(database, session)}
        assert ids == {str(event["_id"]) for event in await events(database, session)}
    return ids


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[Session | None]:
    """One moment for all reads of a block; None where the server has no transactions, and so no snapshots."""
    if not database.transactional:
        yield None
        return
    async with await database.writes.client.start_session(snapshot=True) as session:
        yield session
