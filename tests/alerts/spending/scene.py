"""A deployment with weeks of calls behind it, and a watch whose clock stands still."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.alerts.alerts import Alerts
from app.alerts.spending.watch import Watch
from app.database import Database
from app.settings import Settings
from app.tracking import Tracker
from models.alerts import ALERTS

NOW = datetime(2026, 6, 15, 10, 30, tzinfo=UTC)
"""A Monday."""
ZONE = ZoneInfo("UTC")
WEEK = timedelta(weeks=1)
CALL: Mapping[str, Any] = {
    "user_id": "anna",
    "client_id": "shop",
    "content_type": "chat",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 10,
    "output_tokens": 10,
}


async def track(tracker: Tracker, cost: str, at: datetime = NOW, **more: Any) -> None:
    """One call that cost so many USD."""
    receipt = await tracker.track(**{**CALL, "cost": Decimal(cost), "created_at": at, **more})
    assert receipt.status == "committed"


async def weeks(tracker: Tracker, cost: str, count: int = 8, **more: Any) -> None:
    """The same call at this hour of as many weeks before."""
    for back in range(1, count + 1):
        await track(tracker, cost, NOW - back * WEEK, **more)


def watch(database: Database, settings: Settings, alerts: Alerts, at: datetime = NOW) -> Watch:
    return Watch(database, settings, alerts.raise_, clock=lambda: at)


async def told(database: Database) -> list[dict[str, Any]]:
    """The alerts, in the order of their texts."""
    return [each async for each in database.reads[ALERTS].find().sort("text")]
