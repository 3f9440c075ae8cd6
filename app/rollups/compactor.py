"""The compactor: merges deltas into the cells, about once per second, each exactly once.

A delta is merged in two steps: first its figures, then its users and conversations, with which it is deleted. Each step
is one transaction. Two at once both write the state, so that one is rolled back; a process killed in the middle of one
leaves nothing behind.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from app.database import Database, Session
from app.database.blocking import OwnThread
from app.database.outages import is_outage, reason_of
from app.database.transactions import transact_once, undisturbed
from app.observability.logs import Log
from app.observability.troubles import Code, Troubles
from app.rollups.lease import LEASE_SECONDS, Lease
from app.rollups.local_time import LocalTime
from app.rollups.merge import Merged, Merger, UnreadableError
from app.rollups.set_aside import say, set_aside
from app.rollups.state import stored_state
from app.rollups.tagged import TaggedCells
from app.rollups.timed import TimedCells
from app.rollups.trailing import Trailing
from app.rollups.user_days import UserDays
from app.rollups.user_sheets import UserSheets

log = Log(__name__)

INTERVAL_SECONDS = 1.25
"""With a merge of a few tenths of a second, the cells stay less than two seconds behind."""
LEASE_POLL_SECONDS = 2.0
RENEW_SECONDS = LEASE_SECONDS / 3
"""How often work that takes its time has the lease renewed."""
MERGE_SECONDS = 30.0
FILL_SECONDS = 600.0
"""To find the days that have calls of campaigns, once: a million of them takes about two seconds."""

SUBJECTS_SECONDS = 5.0
"""How often users and conversations are merged. There are nearly as many of them as of calls: the more calls are merged
at once, the fewer cells are written. Reports read what waits from the deltas; the views do not."""
BUSY_CALLS = 10_000
BUSY_SECONDS = 15.0
"""Where so many calls have come until then, they wait for more: the machine is busy, and each call then costs less."""
MANY_CALLS = 40_000
MANY_DELTAS = 300
"""So many are merged earlier. Where calls come one by one, each has its own delta, and reports read them all."""

Result = TypeVar("Result")


class Compactor:
    """One process's compactor. Only the one with the lease merges."""

    def __init__(
        self,
        database: Database,
        session: Session | None,
        lease: Lease | None = None,
        *,
        local_time: LocalTime | None = None,
        clock: Callable[[], datetime] | None = None,
        troubles: Troubles | None = None,
    ) -> None:
        """The `clock` is MongoDB's own, unless another is given."""
        self._database = database
        self._troubles = troubles or Troubles()
        self._local_time = local_time
        """That of this process's ledger, which follows the zone of the rollups."""
        self._session = session
        self._lease = lease or Lease(database, session)
        self.trailing = Trailing(database, clock)
        self.sheets = UserSheets(database, session)
        self.user_days = UserDays(database, session)
        self.tagged = TaggedCells(database, session)
        self.timed = TimedCells(database, session)
        self._merger = Merger(database, session)
        self._thread = OwnThread("compactor")
        self._subjects_merged = 0.0
        self._deltas = self._calls = 0
        """With unmerged users and conversations."""
        self._failed = 0
        """How often in succession."""

    async def run(self) -> None:
        """Merge until cancelled. While MongoDB is away, deltas wait in it like everything else."""
        while True:
            started = time.monotonic()
            pause = LEASE_POLL_SECONDS
            try:
                if await self._begin():
                    await self._work(started)
                    pause = INTERVAL_SECONDS
            except Exception as error:  # noqa: BLE001 - a fault of ours must not stop merging for ever
                self._failed += 1
                if self._failed > 1 or not is_outage(error):  # two that merge at once disturb each other
                    self._troubles.report(Code.COMPACTOR, reason_of(error), error=error)
            else:
                self._failed = 0
                self._troubles.gone(Code.COMPACTOR)
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - started)))

    async def _begin(self) -> bool:
        with pymongo.timeout(MERGE_SECONDS):
            await self._follow_zone()
            return await self._lease.acquire()

    async def _work(self, now: float) -> None:
        """Merge what waits. A compactor that is behind merges users in between, so that deltas become fewer."""
        more = True
        while more:
            deltas, calls, more = await self._in_time(self.merge_figures)
            self._deltas += deltas
            self._calls += calls
            while self._subjects_due(now):
                if not (await self._in_time(self.merge_subjects)).more:
                    self._subjects_merged, self._deltas, self._calls = now, 0, 0
                if not await self._in_time(self._lease.acquire):
                    return
            if not await self._in_time(self._lease.acquire):
                return
        await self._in_time(lambda: self._holding_lease(self.trailing.keep_up()))
        with pymongo.timeout(FILL_SECONDS):
            for filling in (self.tagged, self.timed):
                await self._holding_lease(filling.keep_up())
        await self._in_time(lambda: self._holding_lease(self.sheets.keep_up()))
        await self._in_time(lambda: self._holding_lease(self.user_days.keep_up()))

    def _subjects_due(self, now: float) -> bool:
        patience = SUBJECTS_SECONDS if self._calls < BUSY_CALLS else BUSY_SECONDS
        many = self._calls >= MANY_CALLS or self._deltas >= MANY_DELTAS
        return many or now - self._subjects_merged >= patience

    async def _in_time(self, work: Callable[[], Awaitable[Result]]) -> Result:
        with pymongo.timeout(MERGE_SECONDS):
            return await work()

    async def _follow_zone(self) -> None:
        zone = (await stored_state(self._database))["timezone"]
        if self._local_time is not None and self._local_time.zone.key != zone:
            log.warning("rollups.zone_changed", before=self._local_time.zone.key, now=zone)
            self._local_time.follow(ZoneInfo(zone))

    async def stop(self) -> None:
        """Release the lease."""
        try:
            with pymongo.timeout(1):
                await self._lease.release()
        except PyMongoError as error:
            log.info("compactor.lease_not_released", error=str(error)[:200])

    async def merge_all(self, advance: Callable[[int], None] = lambda _: None) -> None:
        """Merge all that waits now, and tell `advance` of how many calls. What writers add meanwhile is left for later.

        Raises PyMongoError.
        """
        for merge in (self.merge_figures, self.merge_subjects):
            more = True
            while more:
                _, calls, more = await undisturbed(merge)
                advance(calls)
                await self._lease.acquire()

    async def merge_figures(self) -> Merged:
        """Merge the figures of the oldest deltas in one transaction. Raises PyMongoError."""
        return await self._merge(self._merger.figures)

    async def merge_subjects(self) -> Merged:
        """Merge the users and conversations of deltas whose figures are merged, likewise."""
        return await self._merge(self._merger.subjects)

    async def _merge(self, step: Callable[[], Merged]) -> Merged:
        while True:
            try:
                return await self._holding_lease(self._thread.run(step))
            except UnreadableError as error:
                aside = partial(set_aside, self._database, error.which)
                say(await (aside(None) if self._session is None else transact_once(self._session, aside)))
            except OperationFailure as error:
                if not self._merger.take_fewer(error):
                    raise

    async def _holding_lease(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do `work`, however long it takes: another process that took the lease would end what this one has begun."""
        doing = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({doing}, timeout=RENEW_SECONDS))[0]:
                await self._lease.acquire()
            return doing.result()
        finally:
            if not doing.done():
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)
