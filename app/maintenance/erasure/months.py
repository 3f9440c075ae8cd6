"""Erasure in what is kept of closed months: the pseudonym takes the user's place, and the figures stay."""

from typing import Any

from app.database import Database
from app.maintenance.erasure.pseudonyms import Rename
from models.documents import Document
from models.revenue import MONTH_CLOSINGS

_PLACES = ("report.topUsers.userId", "report.explained.byUser.userId", "report.budgets.userId")


class ErasedMonths:
    """The closed months that name a user, of one client or of all. Those of all clients are among both."""

    def __init__(self, database: Database, rename: Rename) -> None:
        self._database, self._rename = database, rename
        of_client: Document = {} if rename.client is None else {"clientId": {"$in": [rename.client, None]}}
        self._condition: Document = {"$or": [{place: rename.user} for place in _PLACES], **of_client}

    async def count(self) -> int:
        """How many documents there are. Raises PyMongoError."""
        return await self._database.reads[MONTH_CLOSINGS].count_documents(self._condition)

    async def erase(self) -> int:
        """Rename the user in all of them. Returns how many. Repeated, it does the rest. Raises PyMongoError."""
        closings, erased = self._database.writes[MONTH_CLOSINGS], 0
        async for closing in closings.find(self._condition):
            report = self._renamed(closing["report"])
            await closings.update_one({"_id": closing["_id"]}, {"$set": {"report": report}})
            erased += 1
        return erased

    def _renamed(self, value: Any) -> Any:
        match value:
            case dict():
                return {
                    name: self._rename.pseudonym
                    if name == "userId" and each == self._rename.user
                    else self._renamed(each)
                    for name, each in value.items()
                }
            case list():
                return [self._renamed(each) for each in value]
        return value
