"""Erasure in saved views: the pseudonym stands in their addresses and names where the user was named."""

from app.database import Database
from app.maintenance.erasure.pseudonyms import Rename
from models.annotations import VIEWS
from models.documents import Document

_FIELDS = ("address", "name")


async def erase_in_views(database: Database, rename: Rename) -> None:
    """In those of the client, and in those that reach beyond one. Raises PyMongoError."""
    of: Document = {} if rename.client is None else {"clientId": {"$in": [rename.client, None]}}
    async for view in database.reads[VIEWS].find(of):
        renamed = {name: rename.without(view[name]) for name in _FIELDS}
        if any(renamed[name] != view[name] for name in _FIELDS):
            await database.writes[VIEWS].update_one({"_id": view["_id"]}, {"$set": renamed})
