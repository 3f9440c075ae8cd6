"""Finds calls without a valid time: they belong to no day, so that the checks of days miss them."""

from collections.abc import AsyncIterator

from app.database import Collection, Database
from app.maintenance.reconcile.days import BATCH, ENTRY, LONE_EVENT, Difference, said_of_lone
from models import AI_GENERATION
from models.documents import Document

_NO_TIME: Document = {
    # types one by one, because an index finds these, and would have to be read from end to end for `$not`
    "$or": [
        {"createdAt": None},
        {"createdAt": {"$type": ["string", "number", "object", "array", "objectId", "bool", "timestamp"]}},
    ]
}


class UndatedCheck:
    """The check of both collections. There is nothing to repair them by."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def differences(self) -> list[Difference]:
        """Entries without a time, and events without one whose entry is gone. Raises PyMongoError."""
        entries = [entry async for batch in _batches(self._database.ledger, {}) for entry in batch]
        said = "createdAt is {!r}: the call belongs to no day, and is not counted anywhere"
        found = [Difference(ENTRY, "", entry["_id"], said.format(entry.get("createdAt"))) for entry in entries]
        async for events in _batches(self._database.events, {"event": AI_GENERATION}):
            ids = {"_id": {"$in": [event["_id"] for event in events]}}
            known = {entry["_id"] async for entry in self._database.ledger.find(ids, {"_id": 1})}
            lone = [event for event in events if event["_id"] not in known]
            found += [Difference(LONE_EVENT, "", event["_id"], said_of_lone(event)) for event in lone]
        return found


async def _batches(collection: Collection, condition: Document) -> AsyncIterator[list[Document]]:
    found = collection.find({**condition, **_NO_TIME})
    while batch := await found.to_list(BATCH):
        yield batch
