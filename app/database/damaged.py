"""Finds stored documents that do not look as readers expect: MongoDB itself checks them against their shape."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import bson.json_util

from app.database.connection import Session
from models.documents import Document
from models.stored_shapes import damaged, damaged_in

MOST_NAMED = 3


class Damaged(NamedTuple):
    """One damaged document."""

    collection: str
    id: Any
    fields: list[str]
    """Those that are missing, or of another type or range than any that is written."""

    def __str__(self) -> str:
        return f"{self.collection} {shown_id(self.id)}: {', '.join(self.fields)}"


async def find_damaged(
    database: Any,
    collection: str,
    condition: Mapping[str, Any] | None = None,
    *,
    most: int = MOST_NAMED,
    session: Session | None = None,
) -> list[Damaged]:
    """The first damaged documents of a collection that meet a condition. Raises PyMongoError."""
    documents = database[collection]
    which = {"$and": [dict(condition or {}), damaged(collection)]}
    found: list[Document] = await documents.find(which, {"_id": 1}, session=session).limit(most).to_list(None)
    return [Damaged(collection, one["_id"], await _fields(documents, one["_id"], session)) for one in found]


def shown_id(stored: Any) -> str:
    """An id as mongosh accepts it."""
    return bson.json_util.dumps(stored, json_options=bson.json_util.RELAXED_JSON_OPTIONS)


async def _fields(documents: Any, of: Any, session: Session | None) -> list[str]:
    conditions = damaged_in(documents.name)
    return [
        field
        for field, condition in conditions.items()
        if await documents.find_one({"_id": of, **condition}, {"_id": 1}, session=session) is not None
    ]
