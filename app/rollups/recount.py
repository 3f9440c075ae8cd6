"""Recounts days of the rollups from the ledger, beside live writers, without a moment in which a figure is wrong.

The ledger's entries are read in one snapshot. One transaction then removes what cells and waiting deltas have of these
days, and replaces it by deltas with the recount, which are merged like all others. A delta that is written meanwhile is
left alone: its calls came after the snapshot. A merge in between makes the recount start over.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import bson
import pymongo
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from app.database import Database, Session
from app.database.transactions import transact_once, undisturbed
from app.errors import AppError
from app.rollups.cell_updates import KEYS
from app.rollups.deltas import COUNTED_FIELDS, delta_of
from app.rollups.filled_days import DAY
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.state import STATE_KEY
from models.active_days import bit_of
from models.documents import Document
from models.rollups import (
    ACTIVE_USERS,
    CHANGED,
    CONVERSATIONS,
    DELTAS,
    EVERYONE,
    STATE,
    USER_MONTHS,
    USERS,
    VARIANTS,
)
from models.stored_shapes import SHAPES

CALLS_PER_DELTA = 10_000
DAY_SECONDS = 600.0
"""How long one attempt at a day may take."""

_DAILY = (*KEYS, USERS, CONVERSATIONS, VARIANTS)


class DisturbedError(Exception):
    """The cells were changed while the ledger was read."""


class LedgerNotWholeError(AppError):
    """Cells would be counted from a ledger that no longer holds all of their calls."""

    def __init__(self, whole_from: date) -> None:
        super().__init__(
            f"retention has deleted calls from before {whole_from}: the rollups of those days cannot be "
            "recounted, and stay as they are. Later days can be"
        )


class _Found(NamedTuple):
    state: Document
    known: list[Document]
    """Waiting deltas that touch the days."""
    recount: list[RawBSONDocument]


class Recount:
    """Recounts days in the zone of the rollups."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone
        self._local_time = LocalTime(zone)
        self._caps = NameCaps(database)

    async def days(self, first: date, last: date) -> int:
        """Recount the days from `first` to `last`. Returns how many calls they have.

        Raises PyMongoError, and LedgerNotWholeError where retention has deleted calls of these days.

        Concurrent merges disturb it, so the caller should hold the lease of the compactor.
        """
        return await undisturbed(partial(self._attempt, first, last), disturbances=(DisturbedError,))

    async def _attempt(self, first: date, last: date) -> int:
        with pymongo.timeout(DAY_SECONDS):
            async with self._database.snapshot() as snapshot:
                found = await self._read(first, last, snapshot)
            async with self._database.committer_session() as session:
                replace = partial(self._replace, first, last, found)
                return await (replace(None) if session is None else transact_once(session, replace))

    async def _read(self, first: date, last: date, session: Session | None) -> "_Found":
        """Everything in one snapshot."""
        writes = self._database.writes
        state = await writes[STATE].find_one(STATE_KEY, session=session) or {}
        if first.isoformat() < state.get("wholeFrom", ""):
            raise LedgerNotWholeError(date.fromisoformat(state["wholeFrom"]))
        # a day of another zone may reach into these from either side
        around = {"$gte": (first - DAY).isoformat(), "$lte": (last + DAY).isoformat()}
        touching = {"days": {"$elemMatch": around}, "$jsonSchema": SHAPES[DELTAS]}
        known = await writes[DELTAS].find(touching, {"days": 1, "timezone": 1}, session=session).to_list(None)
        return _Found(state, known, [delta async for delta in self._recounted(first, last, session)])

    async def _recounted(self, first: date, last: date, session: Session | None) -> AsyncIterator[RawBSONDocument]:
        """Deltas that hold every entry of the days, encoded, because a busy day has many."""
        start, end = (datetime.combine(day, time(), self._zone).astimezone(UTC) for day in (first, last + DAY))
        condition = {"createdAt": {"$gte": start, "$lt": end}}
        found = self._database.ledger.find(condition, dict.fromkeys(COUNTED_FIELDS, 1), session=session)
        entries = found.sort("createdAt")
        # many at a time: one by one costs more than the counting
        while batch := await entries.to_list(CALLS_PER_DELTA):
            yield await self._delta(batch)

    async def _delta(self, entries: list[Document]) -> RawBSONDocument:
        delta = await asyncio.to_thread(delta_of, entries, self._local_time, self._caps)
        return RawBSONDocument(bson.encode({"_id": ObjectId(), **delta}))

    async def _replace(self, first: date, last: date, found: "_Found", session: Session | None) -> int:
        state, known, deltas = found
        writes = self._database.writes
        days = {"$gte": first.isoformat(), "$lte": last.isoformat()}
        covered = {"$elemMatch": {"first": {"$lte": days["$lte"]}, "last": {"$gte": days["$gte"]}}}
        unchanged = await writes[STATE].find_one_and_update(
            {**STATE_KEY, "merges": state["merges"]},
            {"$inc": {**CHANGED, "epoch": 1, "late": 1}, "$pull": {"trailing": covered["$elemMatch"]}},
            session=session,
        )
        if unchanged is None:
            raise DisturbedError
        for collection in _DAILY:
            await writes[collection].delete_many({"_id.day": days}, session=session)
        for offset in range((last - first).days + 1):
            await self._forget_active_users((first + timedelta(days=offset)).isoformat(), session)
        await self._take_from_deltas(known, first, last, session)
        if deltas:
            await writes[DELTAS].insert_many(deltas, session=session)
        return sum(delta["calls"] for delta in deltas)

    async def _take_from_deltas(self, known: list[Document], first: date, last: date, session: Session | None) -> None:
        """Of another zone, the days whose neighbours are recounted too: any of the three may have their calls."""
        waiting = self._database.writes[DELTAS]
        foreign = [delta["_id"] for delta in known if delta["timezone"] != self._zone.key]
        mine = [delta["_id"] for delta in known if delta["timezone"] == self._zone.key]
        for ids, begin, end in ((foreign, first + DAY, last - DAY), (mine, first, last)):
            days = {"$gte": begin.isoformat(), "$lte": end.isoformat()}
            taken = {"usage": {"day": days}, "findings": {"day": days}, "days": days}
            await waiting.update_many({"_id": {"$in": ids}}, {"$pull": taken}, session=session)
            await waiting.delete_many({"_id": {"$in": ids}, "days": []}, session=session)

    async def _forget_active_users(self, day: str, session: Session | None) -> None:
        """Clear the day's bit, and recount the users of its month."""
        writes, month = self._database.writes, day[:7]
        await writes[USER_MONTHS].update_many(
            {"_id.month": month, "days": {"$bitsAnySet": bit_of(day)}}, without(day), session=session
        )
        await writes[USER_MONTHS].delete_many({"_id.month": month, "days": 0}, session=session)
        await writes[ACTIVE_USERS].delete_many({"_id.period": {"$in": [day, month]}}, session=session)
        counts: list[Document] = []
        for scope in ("$_id.client", EVERYONE):
            by_user = {"scope": scope, "synthetic": "$_id.synthetic", "user": "$_id.user"}
            pipeline: list[dict[str, Any]] = [
                {"$match": {"_id.month": month}},
                {"$group": {"_id": by_user}},
                {
                    "$group": {
                        "_id": {"period": month, "scope": "$_id.scope", "synthetic": "$_id.synthetic"},
                        "users": {"$sum": 1},
                    }
                },
            ]
            counts += await writes[USER_MONTHS].aggregate(pipeline, session=session).to_list(None)
        if counts:
            await writes[ACTIVE_USERS].insert_many(counts, session=session)


def without(day: str) -> list[dict[str, Any]]:
    """An update that clears the bit of a day, over all and in every part. MongoDB 6 has no bitwise expressions."""
    bit = bit_of(day)

    def cleared(value: str) -> dict[str, Any]:
        is_set = {"$eq": [{"$mod": [{"$floor": {"$divide": [value, bit]}}, 2]}, 1]}
        return {"$cond": [is_set, {"$subtract": [value, bit]}, value]}

    stored = {"$ifNull": ["$parts", {}]}  # null, which a damaged month may have, would stay null
    parts = {"$map": {"input": {"$objectToArray": stored}, "in": {"k": "$$this.k", "v": cleared("$$this.v")}}}
    left = {"$filter": {"input": parts, "cond": {"$ne": ["$$this.v", 0]}}}
    return [{"$set": {"days": cleared("$days"), "parts": {"$arrayToObject": left}}}]
