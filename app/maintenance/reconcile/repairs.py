"""Repairs what the ledger can prove: events that follow from their entries, costs that lack their last digits, cells.

A missing entry cannot be recreated from its event, which does not say what was used. Cells are not recounted on a day
of which the ledger holds nothing at all: it is more likely that its calls were deleted than that there were none.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.transactions import transact
from app.database.updates import apply_updates
from app.ledger.invariants import entry_faults, missing_in, quantised, repaired_event
from app.maintenance.reconcile.days import CELL, DELTA, ENTRY, LONE_ENTRY, OTHER_EVENT, DayFindings
from app.maintenance.uncounted import tell_limits
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.merging import merging
from app.rollups.name_caps import NameCaps
from app.rollups.recount import LedgerNotWholeError, Recount, without
from app.rollups.state import touch
from models.documents import Document
from models.rollups import DELTAS, USER_MONTHS

PAGE = 500


class Repairs:
    """Repairs of one day after another."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone
        self._local_time = LocalTime(zone)
        self._caps = NameCaps(database)

    async def repair(self, day: date, found: DayFindings) -> None:
        """Repair those differences of a day that can be repaired. Raises PyMongoError."""
        kinds = {difference.kind for difference in found.differences}
        if DELTA in kinds:
            async with merging(self._database) as compactor:
                await compactor.merge_all()
        for difference in found.differences:
            if difference.kind == ENTRY:
                await transact(self._database, partial(self._quantise, difference.id))
        of_events = {LONE_ENTRY, OTHER_EVENT, ENTRY}
        ids = list({difference.id: None for difference in found.differences if difference.kind in of_events})
        for first in range(0, len(ids), PAGE):
            await transact(self._database, partial(self._write_events, ids[first : first + PAGE]))
        if CELL in kinds and (found.entries or not found.counted):
            if any(USER_MONTHS in difference.id for difference in found.differences if difference.kind == CELL):
                await transact(self._database, partial(self._clear_bits, day.isoformat()))
            await self._recount(day)

    async def _quantise(self, entry_id: ObjectId, session: Session | None) -> None:
        entry = await self._database.ledger.find_one({"_id": entry_id}, session=session)
        if entry is None or missing_in(entry) or not entry_faults(entry) or entry_faults(rounded := quantised(entry)):
            return
        await self._database.ledger.replace_one({"_id": entry_id}, rounded, session=session)
        delta = await correction([entry], [rounded], self._local_time, self._caps)
        await self._database.writes[DELTAS].insert_one(delta, session=session)
        await tell_limits(self._database, [entry], [rounded], session)

    async def _write_events(self, ids: Sequence[ObjectId], session: Session | None) -> None:
        entries = [entry for entry in await self._held(ids, session) if not missing_in(entry)]
        stored = self._database.events.find({"_id": {"$in": [entry["_id"] for entry in entries]}}, session=session)
        events = {event["_id"]: event async for event in stored}
        updates = [
            {"q": {"_id": entry["_id"]}, "u": repaired_event(entry, events.get(entry["_id"])), "upsert": True}
            for entry in entries
        ]
        await apply_updates(self._database, self._database.events.name, updates, session)

    async def _held(self, ids: Sequence[ObjectId], session: Session | None) -> list[Document]:
        """Entries that nobody changes or deletes before the transaction is over.

        Reading them is not enough: deleting an entry whose event is missing writes no event, and so would not conflict
        with us, and the event that we write would outlive its entry, or name a user who has been erased.
        """
        which, ledger = {"_id": {"$in": list(ids)}}, self._database.ledger
        if session is not None:
            await ledger.update_many(which, {"$set": {"held": True}}, session=session)
            await ledger.update_many(which, {"$unset": {"held": True}}, session=session)
        return await ledger.find(which, session=session).to_list(None)

    async def _recount(self, day: date) -> None:
        # where retention has started on the day meanwhile, only its cells know
        with suppress(LedgerNotWholeError):
            async with merging(self._database) as compactor:
                await Recount(self._database, self._zone).days(day, day)
                await compactor.merge_all()

    async def _clear_bits(self, day: str, session: Session | None) -> None:
        """A recount finds users' months by their days; where these are damaged, bits of parts would be left."""
        await touch(self._database, session)
        month = {"_id.month": day[:7]}
        await self._database.writes[USER_MONTHS].update_many(month, without(day), session=session)
