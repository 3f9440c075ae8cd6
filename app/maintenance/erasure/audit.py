"""Erasure in the audit trail: what was changed stays, and the pseudonym stands where the user was named.

It is the only change that is ever made to an entry.
"""

from collections.abc import AsyncIterator

from app.database import Database
from app.maintenance.erasure.pseudonyms import Rename
from models.audit import AUDIT
from models.documents import Document

_FIELDS = ("actor", "target", "before", "after")


class ErasedAudit:
    """The entries that name one user, of one client or of all."""

    def __init__(self, database: Database, rename: Rename) -> None:
        self._database, self._rename = database, rename
        # an entry that is no client's may be about any
        client = rename.client
        self._entries: Document = {} if client is None else {"target.clientId": {"$in": [client, None]}}

    async def count(self) -> int:
        """How many there are. Raises PyMongoError."""
        return len([1 async for _ in self._naming()])

    async def erase(self) -> int:
        """Rename the user in them. Returns how many. Raises PyMongoError."""
        erased = 0
        async for entry, change in self._naming():
            await self._database.writes[AUDIT].update_one({"_id": entry}, {"$set": change})
            erased += 1
        return erased

    async def _naming(self) -> AsyncIterator[tuple[str, Document]]:
        """Their ids, with what of them changes."""
        async for entry in self._database.reads[AUDIT].find(self._entries):
            renamed = {name: self._rename.without(entry[name]) for name in _FIELDS if name in entry}
            if change := {name: value for name, value in renamed.items() if value != entry[name]}:
                yield entry["_id"], change
