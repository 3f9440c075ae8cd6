"""Fills cells with calls that were merged by a release which did not know them: those of `tagged` and `timed`.

The state says whether that is needed: each change of cells is counted there in `merges`, and by those who know the
cells under the name of a mark as well. Where the two differ, the cells may lack calls. Then all days that may have some
are counted anew, one after the other, beside writers and merges, which keep exact what was filled. In the end the count
of the mark becomes `merges`, unless they have moved apart meanwhile: then all of it begins again. The state says how
far it has come, so that a server that starts goes on there.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as midnight
from typing import ClassVar
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.transactions import transact_once, undisturbed
from app.observability.logs import Log
from app.rollups.deltas import COUNTED_FIELDS, delta_of
from app.rollups.filled_days import DAY, FIRST
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.state import STATE_KEY, stored_state
from app.rollups.usage_sums import Row
from models.documents import Document
from models.rollups import CHANGED, DELTAS, PART, STATE, in_other_zone
from models.stored_shapes import SHAPES

SLICE_SECONDS = 1.0
"""How long days are filled in one go: others need MongoDB, too."""
AGAIN_SECONDS = 30.0
"""Before all days are filled again, where a server of an earlier release goes on merging."""
CALLS_PER_DELTA = 10_000
DAYS_TOLD = 30
"""After so many the log says how many are left."""

_HEAD = ("day", "client", "synthetic", *PART, "part")
_NOTHING: Row = {"statuses": {}, "latency": {}, "hours": {}, "users": [], "conversations": []}

log = Log(__name__)


class DisturbedError(Exception):
    """The cells were changed while the ledger was read."""


@dataclass
class _Run:
    apart: int
    """By how much `merges` is ahead of the mark's count: another number means that all begins again."""
    zone: ZoneInfo
    days: list[date]
    """That are left."""
    filled: int = 0


class Filling(ABC):
    """Fills cells of one deployment. Only the holder of the compactor's lease should."""

    mark: ClassVar[str]
    """The name in the state, and in deltas whose writers knew the cells."""
    collections: ClassVar[tuple[str, ...]]
    fields: ClassVar[tuple[str, ...]]
    """What the rows of deltas have for them."""
    calls: ClassVar[Document]
    """Matches entries of calls that they count."""
    what: ClassVar[str]
    """Their name in the log."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database
        self._session = session
        self._states = database.writes[STATE]
        self._caps = NameCaps(database)
        self._run: _Run | None = None
        self._not_before = 0.0

    @abstractmethod
    async def _days(self, zone: ZoneInfo, whole_from: date) -> set[date]:
        """Days with such calls, or with cells of them. Of days before, retention has deleted calls."""

    def is_whole(self, state: Document) -> bool:
        """Whether the cells, with the deltas that wait, hold every call."""
        return bool(state.get(self.mark) == state["merges"])

    async def keep_up(self) -> None:
        """Fill what is missing, for about a second. Raises PyMongoError."""
        state = await stored_state(self._database)
        if self.is_whole(state) or not state["complete"] or time.monotonic() < self._not_before:
            return
        if await self._database.writes[DELTAS].find_one(in_other_zone(state["timezone"]), {"_id": 1}):
            return  # a rebuild in another zone counts every day
        run, until = await self._current(state), time.monotonic() + SLICE_SECONDS
        while run.days:
            try:
                await self._fill(run.days[-1], run)
            except DisturbedError:
                return
            run.days.pop()
            run.filled += 1
            if run.filled % DAYS_TOLD == 0:
                log.info("rollups.filling", cells=self.what, filled=run.filled, left=len(run.days))
            if time.monotonic() > until:
                return
        await self._finish(run)

    async def fill_all(self) -> None:
        """Fill all that is missing at once, where nobody of an earlier release goes on."""
        while not self.is_whole(await stored_state(self._database)):
            self._not_before = 0.0
            await undisturbed(self.keep_up)

    async def _current(self, state: Document) -> _Run:
        apart, zone = state["merges"] - state.get(self.mark, 0), ZoneInfo(state["timezone"])
        if self._run is None or (self._run.apart, self._run.zone) != (apart, zone):
            whole_from = date.fromisoformat(state["wholeFrom"]) if "wholeFrom" in state else FIRST
            found = {day for day in await self._days(zone, whole_from) if day >= whole_from}
            done = state.get("filling", {}).get(self.mark, {})
            if done.get("apart") == apart and done.get("timezone") == zone.key:
                found = {day for day in found if day.isoformat() < done["from"]}
            self._run = _Run(apart, zone, sorted(found))
            log.info("rollups.filling", cells=self.what, filled=0, left=len(self._run.days))
        return self._run

    async def _finish(self, run: _Run) -> None:
        apart = {"$subtract": ["$merges", {"$ifNull": [f"${self.mark}", 0]}]}
        # who keeps cells in mind knows by `filled` that they are others
        whole: Document = {self.mark: "$merges", "filled": {"$add": [{"$ifNull": ["$filled", 0]}, 1]}}
        change: list[Document] = [{"$set": whole}, {"$unset": f"filling.{self.mark}"}]
        done = await self._states.update_one({**STATE_KEY, "$expr": {"$eq": [apart, run.apart]}}, change)
        self._run = None
        if done.modified_count:
            log.info("rollups.filled", cells=self.what, days=run.filled)
        else:
            self._not_before = time.monotonic() + AGAIN_SECONDS

    async def _fill(self, day: date, run: _Run) -> None:
        async with self._database.snapshot() as snapshot:
            state = await self._states.find_one(STATE_KEY, session=snapshot) or {}
            touching = {"days": day.isoformat(), "$jsonSchema": SHAPES[DELTAS]}
            found = self._database.writes[DELTAS].find(touching, {"timezone": 1}, session=snapshot)
            known = await found.to_list(None)
            if any(delta["timezone"] != run.zone.key for delta in known) or state["timezone"] != run.zone.key:
                raise DisturbedError
            deltas = await self._recounted(day, run.zone, snapshot)
        progress = {"apart": run.apart, "timezone": run.zone.key, "from": day.isoformat()}
        change = {"$inc": CHANGED, "$set": {f"filling.{self.mark}": progress}}
        unchanged = {**STATE_KEY, "merges": state["merges"]}

        async def replace(session: Session | None) -> None:
            if not (await self._states.update_one(unchanged, change, session=session)).modified_count:
                raise DisturbedError
            await self._take(day.isoformat(), [delta["_id"] for delta in known], session)
            if deltas:
                await self._database.writes[DELTAS].insert_many(deltas, session=session)

        await (replace(None) if self._session is None else transact_once(self._session, replace))

    async def _recounted(self, day: date, zone: ZoneInfo, snapshot: Session | None) -> list[Document]:
        """Deltas of nothing but what calls of the day add to these cells."""
        start, end = (datetime.combine(each, midnight(), zone).astimezone(UTC) for each in (day, day + DAY))
        condition = {"createdAt": {"$gte": start, "$lt": end}, **self.calls}
        found = self._database.ledger.find(condition, dict.fromkeys(COUNTED_FIELDS, 1), session=snapshot)
        entries, deltas = found.sort("createdAt"), []
        while batch := await entries.to_list(CALLS_PER_DELTA):
            delta = await asyncio.to_thread(delta_of, batch, LocalTime(zone), self._caps)
            if usage := [row for each in delta["usage"] if (row := self._alone(each))]:
                deltas.append({"_id": ObjectId(), **delta, "usage": usage, "findings": []})
        return deltas

    def _alone(self, row: Row) -> Row | None:
        mine = {name: row[name] for name in self.fields if name in row}
        return {**{name: row[name] for name in _HEAD}, **_NOTHING, **mine} if mine else None

    async def _take(self, day: str, known: list[ObjectId], session: Session | None) -> None:
        """Take away what cells, and deltas that were known, have of a day."""
        writes = self._database.writes
        for collection in self.collections:
            await writes[collection].delete_many({"_id.day": day}, session=session)
        await writes[DELTAS].update_many(
            {"_id": {"$in": known}},
            {"$unset": {f"usage.$[row].{name}": "" for name in self.fields}},
            array_filters=[{"row.day": day}],
            session=session,
        )
