"""What a call adds to the rollups, and from which of its fields."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Database
from app.rollups.deltas import COUNTED_FIELDS, Increments
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models.documents import Document
from models.money import from_units
from models.rollups import OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, TOTALS

ENTRY: Document = {
    "_id": 1,
    "schemaVersion": 1,
    "userId": "u",
    "clientId": "c",
    "conversationId": "k",
    "contentType": "odd",
    "unmapped": True,
    "feature": "odd",
    "serviceType": "chat",
    "provider": "openai",
    "reportedProvider": "groq",
    "aiModel": "gpt-4o",
    "status": "error",
    "success": False,
    "cached": True,
    "inputTokens": 7,
    "outputTokens": 5,
    "tokensUsed": 12,
    "cost": from_units(3),
    "savedCost": from_units(2),
    "costSource": "estimated",
    "unreadableUsage": True,
    "requestDuration": 40,
    "timeToFirstToken": 4,
    "synthetic": False,
    "createdAt": datetime(2026, 10, 1, 12, 0, tzinfo=UTC),
    "recordedAt": datetime(2026, 10, 1, 12, 0, tzinfo=UTC),
    "unpricedReason": "model_unknown: of a test",
    "aggregated": True,
    "metadata": {"a": 1},
    **dict.fromkeys(OPTIONAL_COUNTS, 1),
    **dict.fromkeys(OPTIONAL_AMOUNTS, from_units(1)),
}


class Watched(dict[str, Any]):
    """An entry that notes what is asked of it."""

    def __init__(self, entry: Document) -> None:
        super().__init__(entry)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


async def test_a_recount_reads_every_field_that_is_counted_and_no_other(database: Database) -> None:
    entry = Watched({**ENTRY, "costSource": "unpriced"})

    Increments(LocalTime(ZoneInfo("UTC")), NameCaps(database)).add(entry)

    assert entry.asked == set(COUNTED_FIELDS)


async def test_each_total_is_counted_under_its_own_name(database: Database) -> None:
    increments = Increments(LocalTime(ZoneInfo("UTC")), NameCaps(database))
    increments.add(ENTRY)
    increments.add({**ENTRY, "cost": None, "costSource": "unpriced", "success": True, "requestDuration": None})
    await asyncio.to_thread(increments.admit_names)

    (row,) = increments.rows()["usage"]

    counted = {name: row.get(name, 0) for name in TOTALS}
    assert {**counted, "cost": str(counted["cost"]), "savedCost": str(counted["savedCost"])} == {
        "requests": 2,
        "successes": 1,
        "cached": 2,
        "inputTokens": 14,
        "outputTokens": 10,
        "tokensUsed": 24,
        "unpriced": 1,
        "estimated": 1,
        "duration": 40,
        "durations": 1,
        "cost": "3E-15",
        "savedCost": "4E-15",
    }
