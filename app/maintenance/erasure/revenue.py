"""Erasure in what came due: the pseudonym takes the user's place, and every amount stays. What people wrote beside an
entry goes.
"""

from app.database import Database, Session
from app.database.connection import VERSIONS
from app.database.transactions import transact
from app.maintenance.erasure.pseudonyms import Rename
from models.documents import Document
from models.revenue import REVENUE, STATE


class ErasedRevenue:
    """The entries of a user, of one client or of all."""

    def __init__(self, database: Database, rename: Rename) -> None:
        self._database, self._rename = database, rename
        of_client: Document = {} if rename.client is None else {"clientId": rename.client}
        self._condition: Document = {"userId": rename.user, **of_client}

    async def count(self) -> int:
        """How many there are. Raises PyMongoError."""
        return await self._database.reads[REVENUE].count_documents(self._condition)

    async def erase(self) -> int:
        """Rename the user in all of them, and have every process read them again. Returns how many. Raises
        PyMongoError.
        """
        change = {"$set": {"userId": self._rename.pseudonym}, "$unset": {"note": ""}}

        async def rename(session: Session | None) -> int:
            changed = await self._database.writes[REVENUE].update_many(self._condition, change, session=session)
            if changed.modified_count:
                again = {"$inc": {"rewritten": 1}}
                await self._database.writes[VERSIONS].update_one(STATE, again, upsert=True, session=session)
            return changed.modified_count

        return await transact(self._database, rename)
