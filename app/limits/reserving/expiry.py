"""What nobody settles ends: reservations after their time, and leases of processes that are silent.

Any process does it, and several at once do no harm: a reservation is claimed before its holds are taken out, and stays
open until they are, so that whoever is killed in between is followed by another.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from app.database import DURABLE, Database
from app.database.outages import reason_of
from app.limits.clock import ServerClock
from app.limits.reserving.ending import was_ended
from app.limits.reserving.leases import COVER, GRACE
from app.limits.reserving.reservations import Reservations
from app.observability.logs import Log
from models.counters import LEASES, RESERVATIONS

log = Log(__name__)

PERIOD_SECONDS = 1.0
QUIET_SECONDS = 10.0
"""Where there are no limits."""
WELL_SECONDS = 5.0
"""MongoDB answers for so long before anything expires: after an outage others come to renew and to settle."""
MOST = 500
"""Reservations at once."""
ATTEMPT_SECONDS = 2.0


class Expiry:
    """Of one process."""

    def __init__(
        self,
        database: Database,
        clock: ServerClock,
        reservations: Reservations,
        *,
        catch_up: Callable[[], Awaitable[None]],
        spool_waits: Callable[[], bool],
        is_quiet: Callable[[], bool],
        well_seconds: float = WELL_SECONDS,
        grace: timedelta = GRACE,
    ) -> None:
        """`catch_up` has everything counted that was recorded; `spool_waits`: whether calls of this process wait on
        disk; `is_quiet`: whether there are no limits.
        """
        self._reservations = database.writes[RESERVATIONS]
        self._leases = database.writes[LEASES].with_options(write_concern=DURABLE)
        self._clock = clock
        self._holds = reservations
        self._catch_up = catch_up
        self._spool_waits = spool_waits
        self._is_quiet = is_quiet
        self._well_seconds = well_seconds
        self._grace = grace
        self._spool = f"spool-{uuid.uuid4().hex}"
        self._says_so = False
        self._well_since: float | None = None
        self._silent: dict[str, tuple[Any, float]] = {}
        """Owners that may be gone: their last heartbeat, and since when it is known."""

    async def run(self) -> None:
        """Look again and again. Never ends."""
        while True:
            try:
                with pymongo.timeout(ATTEMPT_SECONDS):
                    await self.look()
            except PyMongoError as error:
                self._well_since = None
                log.info("limits.nothing_expires", reason=reason_of(error))
            except Exception:
                # a fault of ours must not end it for ever
                log.exception("limits.nothing_expires")
            await asyncio.sleep(QUIET_SECONDS if self._is_quiet() else PERIOD_SECONDS)

    async def look(self) -> int:
        """End what has expired. Returns how many reservations that were. Raises PyMongoError."""
        await self._clock.set()
        now = time.monotonic()
        if self._well_since is None:
            self._well_since = now
            self._silent.clear()
        await self._say_of_spool()
        await self._reap(now)
        if now - self._well_since < self._well_seconds or await self._others_spool():
            return 0
        return await self._expire()

    async def close(self) -> None:
        """Say no more that calls wait on disk, where none do."""
        try:
            with pymongo.timeout(ATTEMPT_SECONDS):
                await self._say_of_spool()
        except PyMongoError as error:
            log.info("limits.spool_not_told", reason=reason_of(error))

    async def _say_of_spool(self) -> None:
        if self._spool_waits():
            said = {"$set": {"expires": self._clock.now() + COVER, "spool": True}}
            await self._leases.update_one({"_id": self._spool}, said, upsert=True)
            self._says_so = True
        elif self._says_so:
            await self._leases.delete_one({"_id": self._spool})
            self._says_so = False

    async def _others_spool(self) -> bool:
        living = {"spool": True, "expires": {"$gt": self._clock.now()}}
        return await self._leases.find_one(living, {"_id": 1}) is not None

    async def _expire(self) -> int:
        late = {"state": "open", "expiresAt": {"$lt": self._clock.now() - self._grace}}
        found = await self._reservations.find(late, {"_id": 1}).limit(MOST).to_list(None)
        if not found:
            return 0
        # what was settled in between is not claimed, and its holds go with what was used
        ended = await self._holds.end("expired", {one["_id"]: None for one in found})
        count = sum(was_ended(one, {"expired", "released"}) for one in ended.values())
        self._holds.room_again()
        log.info("limits.reservations_expired", reservations=count)
        return count

    async def _reap(self, now: float) -> None:
        """Take out the leases of processes that are gone. What they recorded is counted before that."""
        silent = {"expires": {"$lt": self._clock.now()}}
        found = await self._leases.find(silent).to_list(MOST)
        for lease in found:
            beat, since = self._silent.get(lease["_id"], (None, now))
            if beat != lease["expires"]:
                self._silent[lease["_id"]] = lease["expires"], now
                since = now
            if now - since < self._well_seconds:
                continue
            last = {"_id": lease["_id"], "expires": lease["expires"]}
            if (await self._leases.update_one(last, {"$set": {"ended": True}})).matched_count:
                await self._catch_up()
                await self._holds.take_out({counter: [lease["_id"]] for counter in lease.get("counters", ())})
                await self._leases.delete_one({"_id": lease["_id"]})
                self._holds.room_again()
                log.info("limits.lease_ended", owner=lease["_id"])
        self._silent = {lease["_id"]: seen for lease in found if (seen := self._silent.get(lease["_id"]))}
