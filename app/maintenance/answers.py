"""Answers that the gateway keeps to give them again: forgotten by all processes."""

from app.database import Database
from app.database.connection import VERSIONS
from models.gateway_cache import GATEWAY_CACHE, GENERATION


async def forget_answers(database: Database) -> int:
    """Forget all of them: those in memory within two seconds, those that are shared now. Returns how many these were.

    All, since nothing that is stored says whose an answer is. Raises PyMongoError.
    """
    await database.writes[VERSIONS].update_one(GENERATION, {"$inc": {"version": 1}}, upsert=True)
    return (await database.writes[GATEWAY_CACHE].delete_many({})).deleted_count
