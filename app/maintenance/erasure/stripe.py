"""Erasure in what is kept of Stripe's objects: the pseudonym takes the user's place, whatever Stripe sends later.

The subscription has ended here, as every erased user's has, and follows Stripe's no more. What is still paid for it is
revenue of the pseudonym.
"""

from app.database import Database
from app.maintenance.erasure.pseudonyms import Rename
from models.documents import Document
from models.stripe import OBJECTS

_PLACES = ("whose", "owner")


class ErasedStripe:
    """The objects that are of a user, of one client or of all."""

    def __init__(self, database: Database, rename: Rename) -> None:
        self._database, self._rename = database, rename

    async def count(self) -> int:
        """How many documents there are. Raises PyMongoError."""
        named: Document = {"$or": [self._of(place) for place in _PLACES]}
        return await self._database.reads[OBJECTS].count_documents(named)

    async def erase(self) -> int:
        """Rename the user in all of them. Returns how many. Repeated, it does the rest. Raises PyMongoError."""
        erased = await self.count()
        for place in _PLACES:
            change = {"$set": {f"{place}.userId": self._rename.pseudonym, "erased": True}}
            await self._database.writes[OBJECTS].update_many(self._of(place), change)
        return erased

    def _of(self, place: str) -> Document:
        user = {f"{place}.userId": self._rename.user}
        return user if self._rename.client is None else user | {f"{place}.clientId": self._rename.client}
