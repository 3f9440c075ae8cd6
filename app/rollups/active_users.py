"""User activity: one bit per day in each user's month, and the number of users of each day and month.

Activity is written once per day and part, not with every merge: what is known to be stored is skipped.
"""

from collections.abc import Iterable, Iterator

from bson import ObjectId

from app.database.blocking import BlockingDatabase, ClientSession
from app.database.updates import apply_updates_blocking
from app.rollups.subject_updates import names_of_users
from models.active_days import ActiveDay, NewUsers, StoredDays, bit_of, new_users
from models.documents import Document
from models.rollups import ACTIVE_USERS, DELTAS, USER_MONTHS

MAX_KNOWN = 200_000
"""Users of days: some 40 MB at most. The earliest days are forgotten first, and what is unknown is written again."""
MAX_PLACES = 1_024
"""Bits of an integer: what a day's users do in clients and parts beyond these is not kept in mind."""

Place = tuple[str, bool, str]
"""Client, synthetic and part."""
Active = dict[str, dict[Place, set[str]]]
"""By day and place, who was active there."""


class ActiveUsers:
    """What one process knows to be stored. For use in one thread at a time."""

    def __init__(self, database: BlockingDatabase[Document]) -> None:
        self._database = database
        self._known: dict[str, _Day] = {}

    def store(self, deltas: list[ObjectId], session: ClientSession | None) -> Active:
        """Set the bits of the users in `deltas`, and count the new ones. Returns what `remember` accepts."""
        active = {day: self._unknown(day, places) for day, places in self._named(deltas, session).items()}
        new = new_users(set(_days(active)), self._stored_days(active, session))
        apply_updates_blocking(self._database, ACTIVE_USERS, count_updates(new), session)
        apply_updates_blocking(self._database, USER_MONTHS, month_updates(active), session)
        return active

    def remember(self, stored: Active) -> None:
        """Call this when the transaction that stored them has been committed."""
        for day, places in stored.items():
            if not any(places.values()):
                continue
            known = self._known.setdefault(day, _Day())
            for place, users in places.items():
                known.add(place, users)
        while sum(len(day.users) for day in self._known.values()) > MAX_KNOWN:
            del self._known[min(self._known)]

    def forget(self) -> None:
        """Call this when the cells have been changed by anything but a compactor."""
        self._known.clear()

    def _named(self, deltas: list[ObjectId], session: ClientSession | None) -> Active:
        found: Active = {}
        for delta in self._database[DELTAS].find({"_id": {"$in": deltas}}, names_of_users(), session=session):
            for row in delta["usage"]:
                place = row["client"], row["synthetic"], row["part"]
                found.setdefault(row["day"], {}).setdefault(place, set()).update(row["users"])
        return found

    def _unknown(self, day: str, places: dict[Place, set[str]]) -> dict[Place, set[str]]:
        known = self._known.get(day)
        return places if known is None else {place: known.without(place, users) for place, users in places.items()}

    def _stored_days(self, active: Active, session: ClientSession | None) -> StoredDays:
        users = {user for places in active.values() for among in places.values() for user in among}
        found: StoredDays = {}
        if not users:
            return found
        condition = {"_id.user": {"$in": list(users)}, "_id.month": {"$in": list({day[:7] for day in active})}}
        for month in self._database[USER_MONTHS].find(condition, {"days": 1}, session=session):
            key = month["_id"]
            found.setdefault((key["month"], key["synthetic"], key["user"]), {})[key["client"]] = month["days"]
        return found


class _Day:
    """Who is known to have been active where on one day: of each user an integer with a bit for each place."""

    def __init__(self) -> None:
        self.users: dict[str, int] = {}
        self._bits: dict[Place, int] = {}

    def add(self, place: Place, users: Iterable[str]) -> None:
        if place not in self._bits:
            if len(self._bits) >= MAX_PLACES:
                return
            self._bits[place] = 1 << len(self._bits)
        bit = self._bits[place]
        for user in users:
            self.users[user] = self.users.get(user, 0) | bit

    def without(self, place: Place, users: set[str]) -> set[str]:
        """The users who are not known there."""
        bit, known = self._bits.get(place, 0), self.users.get
        return {user for user in users if not known(user, 0) & bit}


def _days(active: Active) -> Iterator[ActiveDay]:
    for day, places in active.items():
        for (client, synthetic, _), users in places.items():
            for user in users:
                yield ActiveDay(day, client, synthetic, user)


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


def month_updates(active: Active) -> list[Document]:
    """Upserts that set the bits of `active`, over all and by part."""
    months: dict[tuple[str, str, bool, str], dict[str, int]] = {}
    for day, places in active.items():
        month, bit = day[:7], bit_of(day)
        for (client, synthetic, part), users in places.items():
            path = f"parts.{part}"
            for user in users:
                bits = months.setdefault((month, client, synthetic, user), {"days": 0})
                bits["days"] |= bit
                bits[path] = bits.get(path, 0) | bit
    return [
        {
            "q": {"_id": {"month": month, "client": client, "synthetic": synthetic, "user": user}},
            "u": {"$bit": {path: {"or": value} for path, value in bits.items()}},
            "upsert": True,
        }
        for (month, client, synthetic, user), bits in months.items()
    ]
