"""What tests say about the ledger as a whole."""

from typing import Any

from app.database import Database

Documents = list[dict[str, Any]]


async def entries(database: Database) -> Documents:
    """The ledger in order of its ids."""
    return await database.ledger.find().sort("_id").to_list(None)


async def events(database: Database) -> Documents:
    """The AI events in order of their ids."""
    return await database.events.find({"event": "ai_generation"}).sort("_id").to_list(None)


async def assert_twins(database: Database) -> set[str]:
    """Both collections hold the same ids. Returns them, as text."""
    ids = {str(entry["_id"]) for entry in await entries(database)}
    assert ids == {str(event["_id"]) for event in await events(database)}
    return ids
