"""Fills the cells of speeds, which releases up to 0.5.0 did not know."""

from datetime import date
from typing import ClassVar
from zoneinfo import ZoneInfo

from app.rollups.filled_days import LAST, FilledDays
from app.rollups.filling import Filling
from models.documents import Document
from models.rollups import DAYS, SPEEDS


class TimedCells(Filling):
    """Until they are filled, how fast models and features are is not known."""

    mark = "timed"
    collections = (SPEEDS,)
    fields = ("speeds",)
    calls: ClassVar[Document] = {"$or": [{"requestDuration": {"$gte": 0}}, {"timeToFirstToken": {"$gte": 0}}]}
    what = "speeds"

    async def _days(self, zone: ZoneInfo, whole_from: date) -> set[date]:
        filled = FilledDays(self._database, zone)
        return {day for name in (DAYS, SPEEDS) for day in await filled.with_cells(name, whole_from, LAST)}
