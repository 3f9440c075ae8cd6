"""Removes all synthetic calls: entries, events and everything that the rollups have of them; and synthetic money.

Pages delete twins together with their figures, by a correction, so that sums agree at every moment. User activity,
which corrections cannot take back, is deleted in the last transaction with all that is left, together with the calls
that came meanwhile; until then counts of distinct synthetic users stay as they were.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.database import Database, Session
from app.database.connection import VERSIONS
from app.database.transactions import transact
from app.ledger.invariants import missing_in
from app.limits.defining.changes import remove_definitions
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.merging import merging
from app.rollups.name_caps import NameCaps
from app.rollups.state import touch
from models.documents import Document
from models.plans import SUBSCRIPTIONS
from models.revenue import REVENUE
from models.revenue import STATE as REVENUE_STATE
from models.rollups import (
    CONVERSATIONS,
    DELTAS,
    NAMES,
    ROLLUPS,
    SET_ASIDE,
    STATE,
    TRAILING,
    USER_MONTHS,
    USERS,
    VARIANTS,
)

PAGE = 1_000
SYNTHETIC = {"synthetic": True}
CELLS = tuple(name for name in ROLLUPS if name not in {DELTAS, NAMES, SET_ASIDE, STATE})
_OF_SYNTHETIC = {"_id.synthetic": True}
_CALLS = (USERS, CONVERSATIONS, VARIANTS)
_MANY = (*_CALLS, USER_MONTHS, TRAILING)
"""Collections with a document per user or conversation."""
_INDEX = "purge_synthetic"


class Purge:
    """The removal of synthetic calls."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._local_time = LocalTime(zone)
        self._caps = NameCaps(database)

    async def prepare(self) -> None:
        """Create indexes, for the duration of the run: the last transaction must find what is left without a scan."""
        await self._database.ledger.create_index("synthetic", name=_INDEX, partialFilterExpression=SYNTHETIC)
        for name in _MANY:
            cells = self._database.writes[name]
            await cells.create_index("_id.synthetic", name=_INDEX, partialFilterExpression=_OF_SYNTHETIC)

    async def calls(self, ids: Sequence[ObjectId]) -> int:
        """Remove these calls. Returns how many entries there were. Raises PyMongoError."""

        async def work(session: Session | None) -> int:
            return await self._remove({"_id": {"$in": list(ids)}}, session)

        return await transact(self._database, work)

    async def events(self, ids: Sequence[ObjectId]) -> tuple[int, int]:
        """Remove these events. Returns how many entries and events. Raises PyMongoError.

        A call that came after entries were listed has both: they are deleted together. If an entry says that it is not
        synthetic, both stay, whatever the event says.
        """
        these = {"_id": {"$in": list(ids)}}

        async def work(session: Session | None) -> tuple[int, int]:
            entries = await self._remove(these, session)
            real = [entry["_id"] async for entry in self._database.ledger.find(these, {"_id": 1}, session=session)]
            left = {"_id": {"$in": list(ids), "$nin": real}, **SYNTHETIC}
            events = await self._database.events.delete_many(left, session=session)
            return entries, entries + events.deleted_count

        return await transact(self._database, work)

    async def count_money(self) -> int:
        """How many entries of revenue and subscriptions there are for a demonstration alone."""
        return sum([await self._database.writes[name].count_documents(SYNTHETIC) for name in (REVENUE, SUBSCRIPTIONS)])

    async def money(self) -> int:
        """Remove those, and have every process read again what is left. Returns how many. Raises PyMongoError."""
        writes, removed = self._database.writes, 0

        async def entries(session: Session | None) -> int:
            deleted = await writes[REVENUE].delete_many(SYNTHETIC, session=session)
            if deleted.deleted_count:
                again = {"$inc": {"rewritten": 1}}
                await writes[VERSIONS].update_one(REVENUE_STATE, again, upsert=True, session=session)
            return deleted.deleted_count

        async def subscriptions(session: Session | None) -> None:
            nonlocal removed
            removed = (await writes[SUBSCRIPTIONS].delete_many(SYNTHETIC, session=session)).deleted_count

        # first: what is left of them comes due again
        if await writes[SUBSCRIPTIONS].find_one(SYNTHETIC, {"_id": 1}) is not None:
            await remove_definitions(self._database, subscriptions)
        return removed + await transact(self._database, entries)

    async def count_cells(self) -> int:
        """How many documents the rollups have of synthetic calls alone."""
        return sum([await self._database.writes[name].count_documents(_OF_SYNTHETIC) for name in CELLS])

    async def close(self) -> tuple[int, int]:
        """Delete what came meanwhile, and all cells. Returns how many entries and cells. Raises PyMongoError."""
        came = 0
        async with merging(self._database) as compactor:
            await compactor.merge_all()
            cells = await self._delete_empty()
            while (closed := await transact(self._database, self._close)) is None:
                came += await transact(self._database, partial(self._remove, {}))
        await self._drop_indexes()
        return came + closed[0], cells + closed[1]

    async def _delete_empty(self) -> int:
        """Corrections have emptied most cells; a single transaction could be too small for all of them."""
        empty = {**_OF_SYNTHETIC, "requests": 0}
        return sum([(await self._database.writes[name].delete_many(empty)).deleted_count for name in _CALLS])

    async def _drop_indexes(self) -> None:
        for collection in (self._database.ledger, *(self._database.writes[name] for name in _MANY)):
            if _INDEX in await collection.index_information():
                await collection.drop_index(_INDEX)

    async def _close(self, session: Session | None) -> tuple[int, int] | None:
        """Returns None where too much came for one transaction."""
        await touch(self._database, session)
        entries = await self._find({}, session)
        if len(entries) == PAGE:
            return None
        await self._delete(entries, session)
        await self._take_from_deltas(session)
        writes, cells = self._database.writes, 0
        for name in CELLS:
            cells += (await writes[name].delete_many(_OF_SYNTHETIC, session=session)).deleted_count
        return len(entries), cells

    async def _remove(self, condition: dict[str, Any], session: Session | None) -> int:
        if entries := await self._find(condition, session):
            await self._delete(entries, session)
            # an entry that cannot be counted is not in any cell by what it says now
            countable = [entry for entry in entries if not missing_in(entry)]
            delta = await correction(countable, [], self._local_time, self._caps)
            await self._database.writes[DELTAS].insert_one(delta, session=session)
        return len(entries)

    async def _find(self, condition: dict[str, Any], session: Session | None) -> list[Document]:
        found = self._database.ledger.find({**condition, **SYNTHETIC}, session=session)
        return await found.limit(PAGE).to_list(None)

    async def _delete(self, entries: list[Document], session: Session | None) -> None:
        ids = {"_id": {"$in": [entry["_id"] for entry in entries]}}
        await self._database.ledger.delete_many(ids, session=session)
        await self._database.events.delete_many(ids, session=session)

    async def _take_from_deltas(self, session: Session | None) -> None:
        deltas = self._database.writes[DELTAS]
        rows = {"usage": SYNTHETIC, "findings": SYNTHETIC}
        await deltas.update_many({"usage.synthetic": True}, {"$pull": rows}, session=session)
        await deltas.update_many({"findings.synthetic": True}, {"$pull": rows}, session=session)
        await deltas.delete_many({"usage": [], "findings": []}, session=session)
