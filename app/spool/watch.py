"""Looks after what was acknowledged: whatever the reason that it is not delivered, somebody is told."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pymongo
from pymongo.errors import PyMongoError

from app.database import Database
from app.observability.troubles import Code, Troubles
from app.spool.breaker import Breaker
from app.spool.spooler import Spooler, SpoolStanding
from models.rollups import DELTAS, SET_ASIDE

LOOK_SECONDS = 1.0
OVERDUE_SECONDS = 60.0
"""How long an acknowledged call may wait."""
DELTA_SECONDS = 30.0
"""How long a delta may stay the oldest one: the compactor takes some hundreds at once."""
QUERY_SECONDS = 1.0
MOST_COUNTED = 1_000


class Watch:
    """One process's. `waiting` gives the seconds for which the oldest call in memory has waited."""

    def __init__(
        self, database: Database, spooler: Spooler, breaker: Breaker, troubles: Troubles, waiting: Callable[[], float]
    ) -> None:
        self._deltas, self._set_aside = database.writes[DELTAS], database.writes[SET_ASIDE]
        self._spooler = spooler
        self._breaker = breaker
        self._troubles = troubles
        self._waiting = waiting
        self._oldest: object = None
        """The delta that was the oldest one at the last look."""
        self._since = 0.0

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await self.look()
            await self._look_at_deltas()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> SpoolStanding:
        """Look at the spool and the queue. Returns the status of the spool."""
        standing = await self._spooler.standing()
        show = self._troubles.show
        show(Code.REFUSED, standing.refused, "calls that MongoDB did not accept are set aside")
        show(Code.UNREADABLE, standing.unreadable, "rows of the spool that cannot be read are set aside")
        show(Code.DAMAGED, standing.damaged, "damaged spools are set aside")
        if standing.error is None:
            self._troubles.gone(Code.SPOOL)
        else:
            self._troubles.report(Code.SPOOL, standing.error)
        if not (standing.calls or standing.error or self._waiting()):
            self._troubles.gone(Code.COMMIT)  # all was delivered, and nobody may report another call for days
        spooled = 0.0 if standing.oldest is None else (datetime.now(UTC) - standing.oldest).total_seconds()
        if max(spooled, self._waiting()) < OVERDUE_SECONDS:
            self._troubles.gone(Code.OVERDUE)
        else:
            self._troubles.report(
                Code.OVERDUE, "an acknowledged call waits for more than a minute", count=standing.calls
            )
        return standing

    async def _look_at_deltas(self) -> None:
        """A delta that stays the oldest one is not merged, be it damaged, or of another zone, or the compactor gone."""
        if self._breaker.is_open:
            return
        try:
            with pymongo.timeout(QUERY_SECONDS):
                oldest = await self._deltas.find_one({}, {"_id": 1}, sort=[("_id", 1)])
                set_aside = await self._set_aside.count_documents({}, limit=MOST_COUNTED)
        except PyMongoError:  # whoever needs MongoDB more says so
            return
        if oldest is None or oldest["_id"] != self._oldest:
            self._oldest, self._since = None if oldest is None else oldest["_id"], time.monotonic()
        if set_aside:
            self._troubles.report(Code.DELTAS, "damaged deltas of the rollups are set aside", count=set_aside)
        elif oldest is not None and time.monotonic() - self._since >= DELTA_SECONDS:
            self._troubles.report(Code.DELTAS, f"the delta {str(self._oldest)[:50]} is not merged into the rollups")
        else:
            self._troubles.gone(Code.DELTAS)
