"""Fills the cells of campaigns and experiments, which releases up to 0.5.0 did not know."""

from datetime import date
from typing import ClassVar
from zoneinfo import ZoneInfo

from app.rollups.filled_days import LAST, FilledDays
from app.rollups.filling import Filling
from models.documents import Document
from models.rollups import CAMPAIGNS, VARIANTS

TAGGED_CALL: Document = {"$or": [{"campaignId": {"$gt": ""}}, {"experiment": {"$gt": ""}}]}
"""Matches entries of calls that name a campaign or an experiment."""


class TaggedCells(Filling):
    """Until they are filled, reports read the ledger."""

    mark = "tagged"
    collections = (CAMPAIGNS, VARIANTS)
    fields = ("campaigns", "variants")
    calls: ClassVar[Document] = TAGGED_CALL
    what = "campaigns"

    async def _days(self, zone: ZoneInfo, whole_from: date) -> set[date]:
        filled = FilledDays(self._database, zone)
        found = {day for name in self.collections for day in await filled.with_cells(name, whole_from, LAST)}
        local = {"$dateToString": {"date": "$createdAt", "format": "%Y-%m-%d", "timezone": zone.key}}
        for field in ("campaignId", "experiment"):
            by_day: list[Document] = [{"$match": {field: {"$gt": ""}}}, {"$group": {"_id": local}}]
            found |= {date.fromisoformat(row["_id"]) async for row in self._database.ledger.aggregate(by_day)}
        return found
