"""Users' sheets: of each day that is over, what all users did, as columns, so that rankings and distinct users of any
window and filter need not sum the cells of every user and day.

They are made in the background from the cells, the latest days first, and belong to a build: all changes of past days
are counted in the state as `late`, and those that took away the sheets of just their days as `heeded` too. So a build
is over, with all of its sheets and numbers, when anything else changed past days: a recount, an erasure, another zone,
or an earlier release that knows no sheets.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple

from pymongo.errors import PyMongoError

from app.database import Database, Session
from app.database.outages import is_too_large
from app.database.transactions import transact_once
from app.observability.logs import Log
from app.rollups.state import STATE_KEY, stored_state
from models.documents import Document
from models.money import stored_units
from models.rollups import DAYS, EVERYONE, PART, SHEET_PART, STATE, USER_NUMBERS, USER_SHEETS, USERS, unescaped
from models.user_sheets import UserRow, build_of, columns_of

KEPT_DAYS = 400
MOST_USERS = 200_000
"""The cells of a day that has more are not made into sheets: they would not fit into a document."""
PAUSE_SECONDS = 3.0
"""After a day with users: making its sheets takes about a second, which others need."""
AGAIN_SECONDS = 60.0
"""The least time between two builds of one day, where late calls keep coming."""
TOO_MUCH_SECONDS = 3_600.0
"""The same after one that took longer than it may, or did not fit into MongoDB's cache: meanwhile cells are summed."""
NUMBERED_AT_ONCE = 10_000
"""Users who get their numbers in one transaction: 50,000 did not fit into a small server's cache."""
CELLS = 500
"""Read at once: decoding more would hold up those who report calls."""

log = Log(__name__)

Part = tuple[str | None, ...]
Key = tuple[str, bool, Part]
"""Scope, synthetic and part."""


class UserSheets:
    """Keeps the sheets of one deployment. Only the holder of the compactor's lease should."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database
        self._session = session
        self._states = database.writes[STATE]
        self._sheets = database.writes[USER_SHEETS]
        self._numbers = database.writes[USER_NUMBERS]
        self._cells = database.writes[USERS]
        self._days = database.writes[DAYS]
        self._swept: int | None = None
        self._not_before = 0.0
        self._from: dict[str, float] = {}
        """When days may be made again, by the monotonic clock."""
        self._complete: tuple[object, ...] | None = None
        """The state in which nothing was missing."""

    async def keep_up(self) -> None:
        """Make the sheets of missing days, up to the first one that has users. Raises PyMongoError."""
        if self._session is None or time.monotonic() < self._not_before:  # without transactions there are none
            return
        state = await stored_state(self._database)
        seen = state["today"], state["late"], state.get("heeded", 0)
        if seen == self._complete:
            return
        build = build_of(state)
        await self._sweep(build)
        missing = await self._missing(build, date.fromisoformat(state["today"]))
        for day in missing:
            if time.monotonic() < self._from.get(day, 0.0):
                continue
            self._from[day] = time.monotonic() + AGAIN_SECONDS
            if await self._make_in_time(day, build, state):
                self._not_before = time.monotonic() + PAUSE_SECONDS
                return
        if not missing:
            self._complete, self._from = seen, {}

    async def make_all(self) -> None:
        """Make the sheets of every missing day at once."""
        self._from = {}
        while True:
            self._not_before = 0.0
            await self.keep_up()
            if self._not_before == 0.0:
                return

    async def _sweep(self, build: int) -> None:
        """Remove what earlier builds have left: nobody reads it."""
        if build != self._swept:
            for collection in (self._sheets, self._numbers):
                await collection.delete_many({"_id.build": {"$ne": build}})
            self._swept = build

    async def _missing(self, build: int, today: date) -> list[str]:
        marks = self._sheets.find({"_id.build": build, "_id.scope": ""}, {"_id.day": 1})
        made = {mark["_id"]["day"] async for mark in marks}
        span = {"$gte": (today - timedelta(days=KEPT_DAYS)).isoformat(), "$lt": today.isoformat()}
        found = await self._days.distinct("_id.day", {"_id.scope": EVERYONE, "_id.day": span})
        return sorted(set(found) - made, reverse=True)

    async def _make_in_time(self, day: str, build: int, state: Document) -> bool:
        """`_make`, which is not tried again at once where there is too much of the day."""
        try:
            return await self._make(day, build, state)
        except PyMongoError as error:
            if error.timeout or is_too_large(error):
                self._from[day] = time.monotonic() + TOO_MUCH_SECONDS
            if not is_too_large(error):
                raise
            log.warning("sheets.not_made", day=day, reason="they did not fit into MongoDB's cache")
            return True

    async def _make(self, day: str, build: int, state: Document) -> bool:
        """Make the sheets of one day, unless past days change meanwhile. Returns whether that took long."""
        sums = _Sums()
        shown = {"requests": 1, "tokensUsed": 1, "cost": 1, "parts": 1}
        cells = self._cells.find({"_id.day": day}, shown, batch_size=CELLS)
        while found := await cells.to_list(CELLS):
            await asyncio.to_thread(sums.add, found)
            if len(sums.users) > MOST_USERS:
                await cells.close()
                self._from[day] = math.inf
                return True
        assert self._session is not None  # noqa: S101 - see `keep_up`
        users, numbers = list(sums.users), dict[str, int]()
        for first in range(0, len(users), NUMBERED_AT_ONCE):
            some = users[first : first + NUMBERED_AT_ONCE]
            numbers |= await transact_once(self._session, partial(self._numbered, build, state, some))
        place = {"build": build, "day": day}
        await transact_once(self._session, partial(self._store, place, state, sums.sheets(numbers)))
        return bool(users)

    async def _is_over(self, state: Document, session: Session) -> bool:
        """Whether past days have changed meanwhile; where not, none do until the transaction has ended."""
        unchanged = await self._states.update_one(
            {**STATE_KEY, "late": state["late"], "today": state["today"]}, {"$inc": {"sheets": 1}}, session=session
        )
        return not unchanged.modified_count

    async def _store(self, place: Document, state: Document, sheets: Iterator[Document], session: Session) -> None:
        if await self._is_over(state, session):
            return
        key = {**place, "scope": "", "synthetic": False, **dict.fromkeys(SHEET_PART)}
        mark = {"_id": key, "late": state["late"]}  # which sheets these are, where a day has had others
        await self._sheets.insert_many([mark], session=session)
        for sheet in await asyncio.to_thread(list, sheets):
            await self._sheets.insert_one({"_id": {**place, **sheet.pop("_id")}, **sheet}, session=session)

    async def _numbered(self, build: int, state: Document, users: list[str], session: Session) -> dict[str, int]:
        """The number of each user; those who have none get the next ones."""
        if await self._is_over(state, session):
            return {}
        ids: list[dict[str, Any]] = [{"build": build, "user": user} for user in users]
        found = self._numbers.find({"_id": {"$in": ids}}, session=session)
        numbers: dict[str, int] = {known["_id"]["user"]: known["number"] async for known in found}
        last = await self._numbers.find_one({"_id.build": build}, sort=[("number", -1)], session=session)
        following = 0 if last is None else last["number"] + 1
        new = [id_ for id_ in ids if id_["user"] not in numbers]
        if new:
            fresh = [{"_id": id_, "number": number} for number, id_ in enumerate(new, following)]
            await self._numbers.insert_many(fresh, session=session)
        return numbers | {id_["user"]: number for number, id_ in enumerate(new, following)}


class _Figures(NamedTuple):
    requests: int
    tokens: int
    cost: int


class _Sums:
    """A day's figures by key and user."""

    def __init__(self) -> None:
        self.users: dict[str, None] = {}
        self._figures: dict[Key, dict[str, _Figures]] = {}

    def add(self, cells: list[Document]) -> None:
        for cell in cells:
            key = cell["_id"]
            self.users[key["user"]] = None
            self._add(key, (None,) * len(SHEET_PART), cell)
            for part, figures in cell.get("parts", {}).items():
                names = dict(zip(PART, map(unescaped, part.split("|")), strict=True))
                self._add(key, tuple(names[name] for name in SHEET_PART), figures)

    def _add(self, key: Document, part: Part, figures: Document) -> None:
        requests, tokens = figures.get("requests", 0), figures.get("tokensUsed", 0)
        cost = stored_units(figures["cost"]) if "cost" in figures else 0
        for scope in (EVERYONE, key["client"]):
            of_key = self._figures.setdefault((scope, key["synthetic"], part), {})
            before = of_key.get(key["user"], (0, 0, 0))
            of_key[key["user"]] = _Figures(before[0] + requests, before[1] + tokens, before[2] + cost)

    def sheets(self, numbers: dict[str, int]) -> Iterator[Document]:
        """The sheets, without their build and day. Corrections may have left nothing of a user."""
        for (scope, synthetic, part), of_users in self._figures.items():
            rows = [UserRow(numbers[user], *figures) for user, figures in of_users.items() if figures.requests]
            if rows:
                key = {"scope": scope, "synthetic": synthetic, **dict(zip(SHEET_PART, part, strict=True))}
                yield {"_id": key, **columns_of(rows)}
