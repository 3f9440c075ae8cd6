"""Fills the cells of campaigns and experiments with calls that were merged by a release which knew neither.

The state says whether that is needed: each change of cells is counted there in `merges`, and by those who know
campaigns and experiments in `tagged` as well. Where the two differ, the cells may lack calls, and reports read the
ledger. Then all days with such calls are counted anew, one after the other, beside writers and merges, which keep exact
what was filled. In the end `tagged` becomes `merges`, unless they have moved apart meanwhile: then all of it begins
again.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as midnight
from functools import partial
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.transactions import transact_once, undisturbed
from app.observability.logs import Log
from app.rollups.deltas import COUNTED_FIELDS, delta_of
from app.rollups.filled_days import DAY, FIRST, LAST, FilledDays
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.state import STATE_KEY, stored_state
from app.rollups.usage_sums import Row
from models.documents import Document
from models.rollups import CAMPAIGNS, CHANGED, DELTAS, PART, STATE, VARIANTS, in_other_zone, is_tagged
from models.stored_shapes import SHAPES

SLICE_SECONDS = 1.0
"""How long days are filled in one go: others need MongoDB, too."""
AGAIN_SECONDS = 30.0
"""Before all days are filled again, where a server of an earlier release goes on merging."""
CALLS_PER_DELTA = 10_000

TAGGED_CALL: Document = {"$or": [{"campaignId": {"$gt": ""}}, {"experiment": {"$gt": ""}}]}
"""Matches entries of calls that name a campaign or an experiment."""
_HEAD = ("day", "client", "synthetic", *PART, "part")
_NOTHING: Row = {"statuses": {}, "latency": {}, "hours": {}, "users": [], "conversations": []}

log = Log(__name__)


class DisturbedError(Exception):
    """The cells were changed while the ledger was read."""


@dataclass
class _Run:
    untagged: int
    """By how much `merges` is ahead of `tagged`: another number means that all begins again."""
    zone: ZoneInfo
    days: list[date]
    """That are left."""
    filled: int = 0


class TaggedCells:
    """Fills those of one deployment. Only the holder of the compactor's lease should."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._database = database
        self._session = session
        self._states = database.writes[STATE]
        self._caps = NameCaps(database)
        self._run: _Run | None = None
        self._not_before = 0.0

    async def keep_up(self) -> None:
        """Fill what is missing, for about a second. Raises PyMongoError."""
        state = await stored_state(self._database)
        if is_tagged(state) or not state["complete"] or time.monotonic() < self._not_before:
            return
        if await self._database.writes[DELTAS].find_one(in_other_zone(state["timezone"]), {"_id": 1}):
            return  # a rebuild in another zone counts every day
        run, until = await self._current(state), time.monotonic() + SLICE_SECONDS
        while run.days:
            try:
                await self._fill(run.days[-1], run.zone)
            except DisturbedError:
                return
            run.days.pop()
            if time.monotonic() > until:
                return
        await self._finish(run)

    async def fill_all(self) -> None:
        """Fill all that is missing at once, where nobody of an earlier release goes on."""
        while not is_tagged(await stored_state(self._database)):
            self._not_before = 0.0
            await undisturbed(self.keep_up)

    async def _current(self, state: Document) -> _Run:
        untagged, zone = state["merges"] - state.get("tagged", 0), ZoneInfo(state["timezone"])
        if self._run is None or (self._run.untagged, self._run.zone) != (untagged, zone):
            whole_from = date.fromisoformat(state["wholeFrom"]) if "wholeFrom" in state else FIRST
            self._run = _Run(untagged, zone, await self._days(zone, whole_from))
            log.info("rollups.filling_campaigns", days=len(self._run.days))
        return self._run

    async def _days(self, zone: ZoneInfo, whole_from: date) -> list[date]:
        """Days with such calls, or with cells of them. Of days before, retention has deleted calls."""
        filled = FilledDays(self._database, zone)
        found = {day for name in (CAMPAIGNS, VARIANTS) for day in await filled.with_cells(name, whole_from, LAST)}
        local = {"$dateToString": {"date": "$createdAt", "format": "%Y-%m-%d", "timezone": zone.key}}
        for field in ("campaignId", "experiment"):
            by_day: list[Document] = [{"$match": {field: {"$gt": ""}}}, {"$group": {"_id": local}}]
            found |= {date.fromisoformat(row["_id"]) async for row in self._database.ledger.aggregate(by_day)}
        return sorted(day for day in found if day >= whole_from)

    async def _finish(self, run: _Run) -> None:
        apart = {"$subtract": ["$merges", {"$ifNull": ["$tagged", 0]}]}
        # who keeps cells in mind knows by `filled` that they are others
        whole = {"tagged": "$merges", "filled": {"$add": [{"$ifNull": ["$filled", 0]}, 1]}}
        done = await self._states.update_one({**STATE_KEY, "$expr": {"$eq": [apart, run.untagged]}}, [{"$set": whole}])
        self._run = None
        if done.modified_count:
            log.info("rollups.campaigns_filled", days=run.filled)
        else:
            self._not_before = time.monotonic() + AGAIN_SECONDS

    async def _fill(self, day: date, zone: ZoneInfo) -> None:
        async with self._database.snapshot() as snapshot:
            state = await self._states.find_one(STATE_KEY, session=snapshot) or {}
            touching = {"days": day.isoformat(), "$jsonSchema": SHAPES[DELTAS]}
            found = self._database.writes[DELTAS].find(touching, {"timezone": 1}, session=snapshot)
            known = await found.to_list(None)
            if any(delta["timezone"] != zone.key for delta in known) or state["timezone"] != zone.key:
                raise DisturbedError
            deltas = await self._recounted(day, zone, snapshot)
        ids = [delta["_id"] for delta in known]
        replace = partial(self._replace, day.isoformat(), state, ids, deltas)
        await (replace(None) if self._session is None else transact_once(self._session, replace))

    async def _recounted(self, day: date, zone: ZoneInfo, snapshot: Session | None) -> list[Document]:
        """Deltas of nothing but what calls of the day add to these cells."""
        start, end = (datetime.combine(each, midnight(), zone).astimezone(UTC) for each in (day, day + DAY))
        condition = {"createdAt": {"$gte": start, "$lt": end}, **TAGGED_CALL}
        found = self._database.ledger.find(condition, dict.fromkeys(COUNTED_FIELDS, 1), session=snapshot)
        entries, deltas = found.sort("createdAt"), []
        while batch := await entries.to_list(CALLS_PER_DELTA):
            delta = await asyncio.to_thread(delta_of, batch, LocalTime(zone), self._caps)
            if usage := [row for each in delta["usage"] if (row := _tags_alone(each))]:
                deltas.append({"_id": ObjectId(), **delta, "usage": usage, "findings": []})
        return deltas

    async def _replace(
        self, day: str, state: Document, known: list[ObjectId], deltas: list[Document], session: Session | None
    ) -> None:
        unchanged = await self._states.update_one(
            {**STATE_KEY, "merges": state["merges"]}, {"$inc": CHANGED}, session=session
        )
        if not unchanged.modified_count:
            raise DisturbedError
        writes = self._database.writes
        for collection in (CAMPAIGNS, VARIANTS):
            await writes[collection].delete_many({"_id.day": day}, session=session)
        await writes[DELTAS].update_many(
            {"_id": {"$in": known}},
            {"$unset": {"usage.$[row].campaigns": "", "usage.$[row].variants": ""}},
            array_filters=[{"row.day": day}],
            session=session,
        )
        if deltas:
            await writes[DELTAS].insert_many(deltas, session=session)
        if self._run is not None:
            self._run.filled += 1


def _tags_alone(row: Row) -> Row | None:
    tags: Row = {name: row[name] for name in ("campaigns", "variants") if name in row}
    return {**{name: row[name] for name in _HEAD}, **_NOTHING, **tags} if tags else None
