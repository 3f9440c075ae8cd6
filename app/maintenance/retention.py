"""Retention: raw calls and events are deleted after some time, while the rollups keep their figures.

The day from which the ledger is complete is recorded permanently before the first call is deleted: cells of earlier
days are never recounted from the ledger, not even by a recount that has already started.
"""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.transactions import transact
from app.errors import AppError
from app.rollups.set_aside import WAY_OUT
from app.rollups.state import REBUILD, STATE_KEY, RollupState
from models.rollups import CHANGED, DELTAS, NOT_TAGGED, NOT_TIMED, SET_ASIDE, STATE, in_other_zone, is_tagged, is_timed


class NotCountedError(AppError):
    """Calls are not in the rollups yet: their figures would be lost."""


class Retention:
    """The deletion of raw calls and events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, zone: ZoneInfo, whole_from: date) -> None:
        """Record that the ledger will be complete only from this day on. Raises PyMongoError."""
        await self.check(zone, execute=True)
        # a recount that has read the ledger before sees the higher number, and starts over
        change = {"$max": {"wholeFrom": whole_from.isoformat()}, "$inc": CHANGED}
        await self._database.writes[STATE].update_one(STATE_KEY, change)

    async def check(self, zone: ZoneInfo, *, execute: bool) -> None:
        """Raises NotCountedError, and ConfigurationError where days are counted in another zone."""
        state = await RollupState.in_zone(self._database, zone, execute=execute)
        if not state.complete:
            raise NotCountedError(f"the ledger is older than its rollups: build them first, with `{REBUILD}`")
        if await self._database.writes[DELTAS].find_one(in_other_zone(zone.key), {"_id": 1}):
            raise NotCountedError("calls counted in another time zone are being sorted into days; try again shortly")
        stored = await self._database.writes[STATE].find_one(STATE_KEY)
        unmarked = await self._database.writes[DELTAS].find_one({"$or": [NOT_TAGGED, NOT_TIMED]}, {"_id": 1})
        if stored is not None and (unmarked or not (is_tagged(stored) and is_timed(stored))):
            raise NotCountedError(
                "calls are not in the rollups of campaigns and experiments or of speeds yet, which a running server "
                "counts after an upgrade; try again when it has"
            )
        if unread := await self._database.writes[SET_ASIDE].count_documents({}):
            raise NotCountedError(f"{unread} deltas could not be read, so cells may lack calls: {WAY_OUT}")

    async def calls(self, ids: Sequence[ObjectId]) -> tuple[int, int]:
        """Delete these entries, these events, and the twins of both. Returns how many of each. Raises PyMongoError.

        Events, too, take their entries with them: a late call may have been written after entries were listed, and
        before events were.
        """
        both = {"_id": {"$in": list(ids)}}

        async def work(session: Session | None) -> tuple[int, int]:
            entries = await self._database.ledger.delete_many(both, session=session)
            events = await self._database.events.delete_many(both, session=session)
            return entries.deleted_count, events.deleted_count

        return await transact(self._database, work)
