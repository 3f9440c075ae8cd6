"""User activity: one bit per day in each user's month, and the number of users of each day and month.

Activity is written once per day and part, not with every merge: what is known to be stored is skipped.
"""

import asyncio
from collections.abc import Iterable

from bson import ObjectId

from app.database import Database, Session
from app.database.updates import upsert
from app.rollups.subject_updates import SEPARATOR, active_users
from models.active_days import ActiveDay, NewUsers, StoredDays, new_users
from models.documents import Document
from models.rollups import ACTIVE_USERS, DELTAS, USER_MONTHS

MAX_KNOWN = 300_000
"""About 50 MB: then the cache is cleared, and everything is written once more."""

PartDay = tuple[ActiveDay, str]
"""A user's day, and the part in which they were active."""


class ActiveUsers:
    """What one process knows to be stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._deltas = database.writes[DELTAS]
        self._months = database.writes[USER_MONTHS]
        self._known: set[str] = set()

    async def store(self, deltas: list[ObjectId], session: Session | None) -> set[str]:
        """Set the bits of the users in `deltas`, and count the new ones. Returns what `remember` accepts."""
        found = await self._deltas.aggregate(active_users(deltas), session=session).to_list(None)
        texts = {row["_id"] for row in found} - self._known
        active = {_parsed(text) for text in texts}
        stored = await self._stored_days(active, session)
        # in a thread, because in the morning every user is new, and callers must not wait for this
        counts, months = await asyncio.to_thread(_updates, active, stored)
        await upsert(self._database, ACTIVE_USERS, counts, session)
        await upsert(self._database, USER_MONTHS, months, session)
        return texts

    def remember(self, stored: set[str]) -> None:
        """Call this when the transaction that stored them has been committed."""
        if len(self._known) + len(stored) > MAX_KNOWN:
            self._known.clear()
        self._known |= stored

    def forget(self) -> None:
        """Call this when the cells have been changed by anything but a compactor."""
        self._known.clear()

    async def _stored_days(self, active: set[PartDay], session: Session | None) -> StoredDays:
        condition = {
            "_id.user": {"$in": list({day.user for day, _ in active})},
            "_id.month": {"$in": list({day.month for day, _ in active})},
        }
        found: StoredDays = {}
        async for month in self._months.find(condition, {"days": 1}, session=session):
            key = month["_id"]
            found.setdefault((key["month"], key["synthetic"], key["user"]), {})[key["client"]] = month["days"]
        return found


def _parsed(text: str) -> PartDay:
    day, client, synthetic, user, part = text.split(SEPARATOR)
    return ActiveDay(day, client, bool(synthetic), user), part


def _updates(active: set[PartDay], stored: StoredDays) -> tuple[list[Document], list[Document]]:
    return count_updates(new_users({day for day, _ in active}, stored)), month_updates(active)


def count_updates(new: NewUsers) -> list[Document]:
    """Upserts that count users in their days and months."""
    return [
        {
            "q": {"_id": {"period": period, "scope": scope, "synthetic": synthetic}},
            "u": {"$inc": {"users": users}},
            "upsert": True,
        }
        for (period, scope, synthetic), users in new.items()
    ]


def month_updates(active: Iterable[PartDay]) -> list[Document]:
    """Upserts that set the bits of `active`, over all and by part."""
    months: dict[tuple[str, str, bool, str], dict[str, int]] = {}
    for day, part in active:
        bits = months.setdefault((day.month, day.client, day.synthetic, day.user), {"days": 0})
        bits["days"] |= day.bit
        bits["parts." + part] = bits.get("parts." + part, 0) | day.bit
    return [
        {
            "q": {"_id": {"month": month, "client": client, "synthetic": synthetic, "user": user}},
            "u": {"$bit": {path: {"or": value} for path, value in bits.items()}},
            "upsert": True,
        }
        for (month, client, synthetic, user), bits in months.items()
    ]
