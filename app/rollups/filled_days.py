"""The days of which anything is stored: whoever walks days skips all others, such as those since one call of long ago.

Each is found by its own look into an index, which leads from one day to the next that there is.
"""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Collection, Database
from app.rollups.cell_updates import KEYS
from models import AI_GENERATION
from models.documents import Document
from models.rollups import ACTIVE_USERS, CONVERSATIONS, DELTAS, USER_MONTHS, USERS, VARIANTS

DAY = timedelta(days=1)
FIRST, LAST = date(1, 1, 3), date(9998, 12, 31)
"""Days whose ends are valid moments in every zone."""
_DAILY = (*KEYS, USERS, CONVERSATIONS, VARIANTS)
MONTH = 31
"""Days at most."""


class FilledDays:
    """Looks them up, in the zone of the rollups."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone

    async def between(self, first: date | None, last: date | None) -> list[date]:
        """Every day with an entry, an event of a call, a cell or a waiting delta, in order. Raises PyMongoError.

        Of a month that is counted, and has none of these, its first day.
        """
        span = first or FIRST, last or LAST
        found: set[date] = set()
        events = self._database.events, {"event": AI_GENERATION}
        for collection, condition in ((self._database.ledger, {}), events):
            found |= {day async for day in self._of_calls(collection, condition, *span)}
        for name in _DAILY:
            found |= set(await self.with_cells(name, *span))
        found |= {day for text in await self._database.writes[DELTAS].distinct("days") if (day := _day(text))}
        months = [text async for text in self._beginnings(USER_MONTHS, "month", *span)]
        for month in months:
            found |= await self._marked(month)
        periods = [text async for text in self._beginnings(ACTIVE_USERS, "period", *span)]
        found |= {day for text in periods if (day := _day(text))}
        with_days = {(day.year, day.month) for day in found if span[0] <= day <= span[1]}
        for text in {*months, *periods}:
            start = _day(f"{text[:7]}-01")
            if start is not None and (start.year, start.month) not in with_days:
                found.add(max(start, span[0]))
        return sorted(day for day in found if span[0] <= day <= span[1])

    async def first_call(self) -> date | None:
        """The day of the ledger's first entry; None where it has none. Raises PyMongoError."""
        days = self._of_calls(self._database.ledger, {}, FIRST, LAST)
        return await anext(days, None)

    async def with_cells(self, name: str, first: date, last: date) -> list[date]:
        """Days of which a collection has cells. Raises PyMongoError."""
        return [day async for text in self._beginnings(name, "day", first, last) if (day := _day(text))]

    async def _of_calls(
        self, collection: Collection, condition: Document, first: date, last: date
    ) -> AsyncIterator[date]:
        day = first
        while day <= last:
            moments = {"createdAt": {"$gte": self._start_of(day), "$lt": self._start_of(last + DAY)}}
            found = await collection.find_one({**condition, **moments}, {"createdAt": 1}, sort=[("createdAt", 1)])
            if found is None:
                return
            day = found["createdAt"].astimezone(self._zone).date()
            yield day
            day += DAY

    async def _marked(self, month: str) -> set[date]:
        """The days on which any user was active, over all or in a part."""
        of_parts = {"$map": {"input": {"$objectToArray": {"$ifNull": ["$parts", {}]}}, "in": "$$this.v"}}
        pipeline: list[Document] = [
            {"$match": {"_id.month": month}},
            {"$project": {"bits": {"$setUnion": [["$days"], of_parts]}}},
            {"$unwind": "$bits"},
            {"$group": {"_id": "$bits"}},
        ]
        bits = 0
        async for row in self._database.writes[USER_MONTHS].aggregate(pipeline):
            bits |= row["_id"] if isinstance(row["_id"], int) else 0
        marked = (f"{month}-{number + 1:02}" for number in range(MONTH) if bits >> number & 1)
        return {day for text in marked if (day := _day(text))}

    async def _beginnings(self, name: str, field: str, first: date, last: date) -> AsyncIterator[str]:
        """The different texts with which the ids of cells begin: days or months, from that of `first` on."""
        cells, behind = self._database.writes[name], first.isoformat()[:7]
        while found := await cells.find_one({"_id": {"$gte": {field: behind}}}, {"_id": 1}, sort=[("_id", 1)]):
            text: Any = found["_id"].get(field)
            if not isinstance(text, str) or text > last.isoformat():
                return
            yield text
            behind = f"{text}\x00"

    def _start_of(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
