"""Trailing totals: requests by user over the usual windows up to yesterday, so that a ranking need not sum days.

They are rebuilt once per day from the cells. Late calls are added to them in the transaction that merges them; where
one is merged while they are being rebuilt, they are rebuilt again.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId
from pymongo.errors import PyMongoError

from app.database import Database
from app.database.blocking import BlockingDatabase, ClientSession
from app.database.updates import apply_updates_blocking
from app.observability.logs import Log
from app.rollups.state import STATE_KEY, stored_state
from app.rollups.subject_updates import corrected_days, past_requests
from models.documents import Document
from models.rollups import DELTAS, EVERYONE, STATE, TRAILING, TRAILING_DAYS, USER_DAYS, USER_SHEETS, USERS

log = Log(__name__)


RETRY_SECONDS = 30.0
"""The delay before a retry: where late calls keep coming, rankings are summed from the days meanwhile."""
TOO_SLOW_SECONDS = 600.0
"""The same after an attempt that took longer than it may: it holds up merges, and what else MongoDB has to do."""


class Trailing:
    """Keeps the trailing totals of one deployment."""

    def __init__(self, database: Database, clock: Callable[[], datetime] | None) -> None:
        self._clock = clock
        self._not_before = 0.0
        """When to retry after late calls disturbed the last attempt, or it failed, by the monotonic clock."""
        self._begun: list[str] = []
        """The builds of this process that came to nothing, if they are not in the state after all."""
        self._database = database
        self._states = database.writes[STATE]
        self._totals = database.writes[TRAILING]
        self._users = database.writes[USERS]

    async def keep_up(self) -> None:
        """Build what is missing for today, and remove what was for earlier days."""
        state = await stored_state(self._database)
        now = self._clock() if self._clock else state["now"]
        today = now.astimezone(ZoneInfo(state["timezone"])).date()
        if today.isoformat() != state["today"]:
            await self._begin(today.isoformat())
            state = await stored_state(self._database)
        yesterday = today - timedelta(days=1)
        if self._begun and time.monotonic() >= self._not_before:
            await self._discard(window["build"] for window in state["trailing"])
        kept = {window["days"] for window in state["trailing"] if window["last"] == yesterday.isoformat()}
        for days in TRAILING_DAYS:
            if days not in kept and time.monotonic() >= self._not_before:
                await self._make(yesterday, days)
        if any(window["last"] < yesterday.isoformat() for window in state["trailing"]):
            await self._states.update_one(STATE_KEY, {"$pull": {"trailing": {"last": {"$lt": yesterday.isoformat()}}}})
            await self._totals.delete_many({"last": {"$lt": yesterday.isoformat()}})

    async def _begin(self, today: str) -> None:
        """From here on, a merge of a day before `today` counts as late, in every process.

        A clock that was ahead may have begun later days: windows that have them go, for `today` is late no more.
        """
        ahead = {"trailing": {"last": {"$gte": today}}}
        change = {"$set": {"today": today}, "$pull": ahead}
        # where the clock goes on, sheets of users' days are right: there are none of days that are late no more
        forward = await self._states.update_one(
            {**STATE_KEY, "today": {"$lt": today}}, {**change, "$inc": {"late": 1, "heeded": 1}}
        )
        if not forward.modified_count:
            await self._states.update_one(STATE_KEY, {**change, "$inc": {"late": 1}})
        await self._totals.delete_many({"last": {"$gte": today}})

    async def _make(self, last: date, days: int) -> None:
        """The window of so many days up to the day after `last`. It counts only when no late call came in between."""
        first = last - timedelta(days=days - 2)
        state = await stored_state(self._database)
        span = {"days": days, "last": last.isoformat()}
        # a unique name: two processes that build the same window never touch each other's totals
        build = uuid.uuid4().hex
        window = {**span, "first": first.isoformat(), "build": build}
        self._begun.append(build)
        try:
            for pipeline in (totals_of(window, None), totals_of(window, "$_id.client")):
                await self._users.aggregate(pipeline, allowDiskUse=True).to_list(None)
            registered = await self._states.update_one(
                {**STATE_KEY, "late": state["late"], "trailing": {"$not": {"$elemMatch": span}}},
                {"$push": {"trailing": window}},
            )
        except PyMongoError as error:
            self._not_before = time.monotonic() + (TOO_SLOW_SECONDS if error.timeout else RETRY_SECONDS)
            raise
        if registered.modified_count:
            self._begun.remove(build)
        else:
            self._not_before = time.monotonic() + RETRY_SECONDS
            log.info("trailing.disturbed", **window)

    async def _discard(self, registered: Iterable[str]) -> None:
        """Remove the totals of builds that came to nothing: where late calls keep coming, they are many."""
        nobodys = set(self._begun) - set(registered)
        await self._totals.delete_many({"_id.build": {"$in": sorted(nobodys)}})
        self._begun.clear()


def add_late(
    database: BlockingDatabase[Document], deltas: list[ObjectId], state: Document, session: ClientSession | None
) -> None:
    """Add what `deltas` say of days before today, in the transaction that merges them, in its thread.

    The sheets of those days go, and the days of busy users in them: they are made anew.
    """
    database[STATE].update_one(STATE_KEY, {"$inc": {"late": 1, "heeded": 1}}, session=session)
    past = database[DELTAS].aggregate(past_requests(deltas, state["today"]), session=session)
    days: set[str] = set()
    users: set[str] = set()
    updates = late_updates(_noting(days, users, past), state["trailing"])
    apply_updates_blocking(database, TRAILING, updates, session)
    corrected = [row["_id"] for row in database[DELTAS].aggregate(corrected_days(deltas), session=session)]
    days.update(corrected)
    in_days = {"_id.day": {"$in": sorted(days)}}
    database[USER_SHEETS].delete_many(in_days, session=session)
    # the mark that all are made goes with those concerned, which a correction may not all name
    theirs: list[str | None] = [*sorted(users), None]
    database[USER_DAYS].delete_many({**in_days, "_id.user": {"$in": theirs}}, session=session)
    if corrected:
        database[USER_DAYS].delete_many({"_id.day": {"$in": corrected}}, session=session)


def _noting(days: set[str], users: set[str], rows: Iterable[Document]) -> Iterator[Document]:
    for row in rows:
        days.add(row["_id"]["day"])
        users.add(row["_id"]["user"])
        yield row


def late_updates(past: Iterable[Document], windows: Iterable[Document]) -> list[Document]:
    """Upserts that add rows of `past_requests` to the totals of the windows that their days are in."""
    late: Counter[tuple[str, str, str, bool, str]] = Counter()
    for row in past:
        key = row["_id"]
        for window in windows:
            if window["first"] <= key["day"] <= window["last"]:
                for scope in (EVERYONE, key["client"]):
                    late[window["build"], window["last"], scope, key["synthetic"], key["user"]] += row["requests"]
    return [
        {
            "q": {"_id": {"build": build, "scope": scope, "synthetic": synthetic, "user": user}},
            "u": {"$inc": {"requests": requests}, "$setOnInsert": {"last": last}},
            "upsert": True,
        }
        for (build, last, scope, synthetic, user), requests in late.items()
    ]


def totals_of(window: dict[str, Any], client: str | None) -> list[Document]:
    """From users' cells to the trailing totals of one window: of everyone, or with `$_id.client` of each client."""
    key = {
        "build": window["build"],
        "scope": client or EVERYONE,
        "synthetic": "$_id.synthetic",
        "user": "$_id.user",
    }
    return [
        {"$match": {"_id.day": {"$gte": window["first"], "$lte": window["last"]}}},
        {"$group": {"_id": key, "requests": {"$sum": "$requests"}}},
        {"$set": {"last": window["last"]}},
        {"$merge": {"into": TRAILING}},
    ]
