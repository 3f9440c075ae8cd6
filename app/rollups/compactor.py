"""The compactor: merges deltas into the cells, about once per second, each exactly once.

A delta is merged in two steps: first its figures, then its users and conversations, with which it is deleted. Each step
is one transaction. Two at once both write the state, so that one is rolled back; a process killed in the middle of one
leaves nothing behind.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from app.database import Database, Session
from app.database.damaged import find_damaged
from app.database.outages import is_outage, reason_of
from app.database.transactions import transact_once, undisturbed
from app.database.updates import latest, upsert
from app.observability.logs import Log
from app.observability.troubles import Code, Troubles
from app.rollups.active_users import ActiveUsers
from app.rollups.cell_updates import CellChanges
from app.rollups.lease import Lease
from app.rollups.local_time import LocalTime
from app.rollups.set_aside import say, set_aside
from app.rollups.state import STATE_KEY, stored_state
from app.rollups.subject_updates import conversation_updates, user_updates
from app.rollups.trailing import Trailing
from models.documents import Document
from models.rollups import CONVERSATIONS, DELTAS, MERGED, NOT_MERGED, STATE, USERS

log = Log(__name__)

INTERVAL_SECONDS = 1.25
"""With a merge of a few tenths of a second, the cells stay less than two seconds behind."""
SUBJECTS_SECONDS = 5.0
"""How often users and conversations are merged. There are nearly as many of them as of calls: the more calls are merged
at once, the fewer cells are written. Reports read what waits from the deltas; the views do not."""
LEASE_POLL_SECONDS = 2.0
MANY_DELTAS = 300
"""This many deltas are merged earlier: where calls come one by one, each has its own, and reports read them all."""
MERGE_SECONDS = 30.0
MAX_DELTAS = 500
MAX_CALLS = 20_000
"""The maximum that one transaction merges, beyond its first delta."""


class Merged(NamedTuple):
    """What one merge did."""

    deltas: int
    more: bool
    """Whether it stopped at its limits, so that more may wait."""


Result = TypeVar("Result")
Merge = Callable[[list[Document], Document, Session | None], Awaitable[None]]


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
        self._deltas = database.writes[DELTAS]
        self._raw_deltas = self._deltas.with_options(CodecOptions(document_class=RawBSONDocument))
        self._states = database.writes[STATE]
        self._session = session
        self._lease = lease or Lease(database, session)
        self.trailing = Trailing(database, clock)
        self._active = ActiveUsers(database)
        self._stored: set[str] = set()
        """What the last merge stored."""
        self._epoch = 0
        self._subjects_merged = 0.0
        self._waiting = 0
        """Deltas with unmerged users and conversations."""
        self._failed = 0
        """How often in succession."""

    async def run(self) -> None:
        """Merge until cancelled. While MongoDB is away, deltas wait in it like everything else."""
        while True:
            started = time.monotonic()
            pause = LEASE_POLL_SECONDS
            try:
                with pymongo.timeout(MERGE_SECONDS):
                    await self._follow_zone()
                    if await self._lease.acquire():
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

    async def _work(self, now: float) -> None:
        more = True
        while more:
            merged, more = await self.merge_figures()
            self._waiting += merged
            if not await self._lease.acquire():
                return
        if now - self._subjects_merged >= SUBJECTS_SECONDS or self._waiting >= MANY_DELTAS:
            self._subjects_merged, self._waiting = now, 0
            more = True
            while more:
                _, more = await self.merge_subjects()
                if not await self._lease.acquire():
                    return
        await self.trailing.keep_up()

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

    async def merge_all(self) -> None:
        """Merge all that waits now. What writers add meanwhile is left for the next merge. Raises PyMongoError."""
        for merge in (self.merge_figures, self.merge_subjects):
            more = True
            while more:
                _, more = await undisturbed(merge)
                await self._lease.acquire()

    async def merge_figures(self) -> Merged:
        """Merge the figures of the oldest deltas in one transaction. Raises PyMongoError."""
        self._stored = set()
        await self._set_aside({"merged": {"$ne": True}})
        merged = await self._transact(NOT_MERGED, self._merge_figures)
        self._active.remember(self._stored)
        return merged

    async def merge_subjects(self) -> Merged:
        """Merge the users and conversations of deltas whose figures are merged, likewise."""
        await self._set_aside(MERGED)
        return await self._transact(MERGED, self._merge_subjects)

    async def _set_aside(self, which: Document) -> None:
        """Set damaged deltas aside: about one in a hundred parts of the time that merging the others takes."""
        while await find_damaged(self._database.writes, DELTAS, which, most=1):
            say(await self._once(partial(set_aside, self._database, which)))

    async def _transact(self, which: Document, merge: Merge) -> Merged:
        if await self._deltas.find_one(which, {"_id": 1}) is None:
            return Merged(0, more=False)
        started = time.monotonic()
        merged = await self._once(partial(self._merge, which, merge))
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        log.debug("compactor.merged", deltas=merged.deltas, of=merge.__name__, milliseconds=milliseconds)
        return merged

    async def _once(self, work: Callable[[Session | None], Awaitable[Result]]) -> Result:
        return await (work(None) if self._session is None else transact_once(self._session, work))

    async def _merge(self, which: Document, merge: Merge, session: Session | None) -> Merged:
        # two concurrent merges conflict here: one of them is rolled back
        state = await self._states.find_one_and_update(STATE_KEY, {"$inc": {"merges": 1}}, session=session)
        assert state is not None  # noqa: S101 - it exists from the first start on
        deltas = await self._oldest({**which, "timezone": state["timezone"]}, session)
        if deltas:
            await merge(deltas, state, session)
        full = len(deltas) == MAX_DELTAS or sum(delta["calls"] for delta in deltas) >= MAX_CALLS
        return Merged(len(deltas), more=full)

    async def _merge_figures(self, deltas: list[Document], state: Document, session: Session | None) -> None:
        if state["epoch"] != self._epoch:
            self._active.forget()
            self._epoch = state["epoch"]
        changes = CellChanges()
        # in threads: of a thousand new names this takes a fifth of a second
        for delta in deltas:
            await asyncio.to_thread(changes.add, delta)
        for collection, updates in (await asyncio.to_thread(changes.updates)).items():
            await upsert(self._database, collection, updates, session)
        ids = [delta["_id"] for delta in deltas]
        self._stored = await self._active.store(ids, session)
        await self._deltas.update_many({"_id": {"$in": ids}}, {"$set": MERGED}, session=session)
        last = latest("lastCommit", max(delta["at"] for delta in deltas))
        await self._states.update_one(STATE_KEY, [{"$set": {"lastCommit": last}}], session=session)

    async def _merge_subjects(self, deltas: list[Document], state: Document, session: Session | None) -> None:
        ids = [delta["_id"] for delta in deltas]
        for collection, pipeline in ((USERS, user_updates(ids)), (CONVERSATIONS, conversation_updates(ids))):
            statements = await self._raw_deltas.aggregate(pipeline, session=session).to_list(None)
            await upsert(self._database, collection, statements, session)
        if min(day for delta in deltas for day in delta["days"]) < state["today"]:
            await self.trailing.add_late(ids, state, session)
        await self._deltas.delete_many({"_id": {"$in": ids}}, session=session)

    async def _oldest(self, which: Document, session: Session | None) -> list[Document]:
        """The oldest deltas, without their users and conversations."""
        deltas, calls = [], 0
        without = {"usage.users": 0, "usage.conversations": 0}
        cursor = self._deltas.find(which, without, session=session).sort("_id").limit(MAX_DELTAS)
        async for delta in cursor:
            deltas.append(delta)
            calls += delta["calls"]
            if calls >= MAX_CALLS:
                break
        await cursor.close()
        return deltas
