"""Busy users' days: what each did on a day that is over, so that a report of one user need not read all of its calls.

They are counted from the ledger in the background, once the day has its users' sheets, and belong to the same build. A
day of a user is right unless a delta waits that has calls of it: the merge of that delta takes it away.
"""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as midnight
from functools import partial
from zoneinfo import ZoneInfo

from app.database import Database, Session
from app.database.transactions import transact_once
from app.rollups.filled_days import DAY
from app.rollups.local_time import LocalTime
from app.rollups.state import STATE_KEY, stored_state
from models.documents import Document
from models.rollups import STATE, USER_DAYS, USER_SHEETS, USERS
from models.user_days import BUSY_CALLS, in_steps, rows_of, step_of
from models.user_sheets import build_of

SLICE_SECONDS = 1.0
"""How long users are counted in one go: others need MongoDB, too."""
AGAIN_SECONDS = 60.0
"""The least time between two attempts at one day, where late calls keep coming."""
TOO_MUCH_SECONDS = 3_600.0
"""The same after one that failed: meanwhile calls are read one by one."""
MOST_ROWS = 5_000
"""A user with more on a day has none kept: they might not fit into a document."""


class UserDays:
    """Keeps the days of one deployment's busy users. Only the holder of the compactor's lease should."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database
        self._session = session
        self._states = database.writes[STATE]
        self._days = database.writes[USER_DAYS]
        self._swept: int | None = None
        self._from: dict[str, float] = {}
        """When days may be made, by the monotonic clock."""
        self._complete: tuple[object, ...] | None = None
        """The state in which nothing was missing."""

    async def keep_up(self) -> None:
        """Make what is missing, for about a second. Raises PyMongoError."""
        if self._session is None:  # without transactions there are none
            return
        state = await stored_state(self._database)
        seen = tuple(state.get(name) for name in ("today", "late", "heeded", "sheets"))
        if seen == self._complete:
            return
        build = build_of(state)
        await self._sweep(build)
        missing = await self._missing(build)
        for day in missing:
            if time.monotonic() < self._from.get(day, 0.0):
                continue
            self._from[day] = time.monotonic() + TOO_MUCH_SECONDS  # unless it comes to an end
            disturbed = await self._make(day, state)
            self._from[day] = time.monotonic() + (AGAIN_SECONDS if disturbed else 0.0)
            return
        if not missing:
            self._complete, self._from = seen, {}

    async def make_all(self) -> None:
        """Make all that is missing at once."""
        self._from, self._complete = {}, None
        while True:
            self._from.clear()
            await self.keep_up()
            if self._complete is not None:
                return

    async def _sweep(self, build: int) -> None:
        """Remove what earlier builds have left: nobody reads it."""
        if build != self._swept:
            others = [{"_id": {"$lt": {"build": build}}}, {"_id": {"$gte": {"build": build + 1}}}]
            await self._days.delete_many({"$or": others})
            self._swept = build

    async def _missing(self, build: int) -> list[str]:
        """The days that have sheets, the latest first."""
        sheets = self._database.writes[USER_SHEETS].find({"_id.build": build, "_id.scope": ""}, {"_id.day": 1})
        over = {mark["_id"]["day"] async for mark in sheets}
        marks = self._days.find({"_id.build": build, "_id.user": None}, {"_id.day": 1})
        return sorted(over - {mark["_id"]["day"] async for mark in marks}, reverse=True)

    async def _make(self, day: str, state: Document) -> bool:
        """Make the next users of a day. Returns whether past days changed meanwhile."""
        started, zone, place = time.monotonic(), ZoneInfo(state["timezone"]), {"build": build_of(state), "day": day}
        users = await self._busy(day)
        found = self._days.find({"_id": {"$in": [{**place, "user": user} for user in users]}}, {"_id.user": 1})
        known = {kept["_id"]["user"] async for kept in found}
        made: list[Document] = []
        for user in users:
            if user in known:
                continue
            rows = await self._rows(user, date.fromisoformat(day), zone)
            if len(rows) <= MOST_ROWS:
                made.append({"_id": {**place, "user": user}, "usage": rows})
            if time.monotonic() > started + SLICE_SECONDS:
                break
        else:
            made.append({"_id": {**place, "user": None}})
        assert self._session is not None  # noqa: S101 - see `keep_up`
        return not await transact_once(self._session, partial(self._store, made, state))

    async def _busy(self, day: str) -> list[str]:
        pipeline: list[Document] = [
            {"$match": {"_id.day": day}},
            {"$group": {"_id": "$_id.user", "requests": {"$sum": "$requests"}}},
            {"$match": {"requests": {"$gte": BUSY_CALLS}}},
            {"$sort": {"_id": 1}},
        ]
        return [row["_id"] async for row in self._database.writes[USERS].aggregate(pipeline)]

    async def _rows(self, user: str, day: date, zone: ZoneInfo) -> list[Document]:
        start, end = (datetime.combine(each, midnight(), zone).astimezone(UTC) for each in (day, day + DAY))
        of_day: Document = {"$match": {"userId": user, "createdAt": {"$gte": start, "$lt": end}}}
        step = step_of(moment.astimezone(zone).utcoffset() or timedelta() for moment in (start, end))
        steps = await self._database.ledger.aggregate([of_day, in_steps(step)], allowDiskUse=True).to_list(None)
        return await asyncio.to_thread(rows_of, steps, LocalTime(zone))

    async def _store(self, made: list[Document], state: Document, session: Session) -> bool:
        """Whether past days are what they were, and stay so until the transaction has ended."""
        unchanged = await self._states.update_one(
            {**STATE_KEY, "late": state["late"], "today": state["today"]}, {"$inc": {"sheets": 1}}, session=session
        )
        if unchanged.modified_count and made:
            await self._days.insert_many(made, session=session)
        return bool(unchanged.modified_count)
