"""The main dashboard."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.reports.parts.active_users import active_in
from app.reports.parts.figures import summed
from app.reports.periods import spans
from app.reports.queries import ledger, rollups
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.readable import ReadableRow, readable, value_of
from app.reports.reader import Document, Reader
from app.reports.rows import (
    Row,
)
from app.reports.windows import DAY, TimeWindow, today
from models.base import camel
from models.money import to_decimal

RECENT_ACTIVITY = 10


class Activity(ReadableRow):
    """One AI event."""

    never_null = frozenset(
        {"user_id", "feature", "content_type", "model", "provider", "cached", "success", "created_at"}
    )
    id: str
    user_id: str | None
    feature: str | None
    content_type: str | None
    model: str | None
    provider: str | None
    cached: bool | None
    success: bool | None
    cost: Decimal | None
    created_at: datetime | None


class StatsReport(Row):
    """`GET /api/admin/stats`: the main dashboard. Requests are counted by the rollups, recent activity is events."""

    ai_requests_today: int
    ai_requests_this_month: int
    ai_cost_today: Decimal
    ai_cost_this_month: Decimal
    unique_users_today: int
    recent_activity: list[Activity]
    client_id: str | None
    """Null for all clients."""
    synthetic: Synthetic
    timezone: str
    generated_at: datetime


def _ever(now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None) -> ReportQuery:
    """All calls of one client or of all. They may be dated a little ahead of our clock."""
    window = TimeWindow(date(2000, 1, 1), today(now, zone) + DAY, zone)
    return ReportQuery(window, Filters(client_id=client_id), synthetic)


async def any_calls(
    read: Reader, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None
) -> bool:
    """Whether there has ever been a call, of one client or of all."""
    return bool(await read.ledger(ledger.newest(_ever(now, zone, synthetic, client_id), 1)))


async def stats(
    read: Reader, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None
) -> StatsReport:
    """AI requests are counted from the rollups, which have one for each event; recent activity is read from the events.

    The ledger says which events those are: it has an index by client, so the events, which say the same, need none.
    """
    of = spans(now, zone, synthetic, client_id)
    rows = await read.cells(rollups.by_day(of.month))
    day = summed(row for row in rows if row["_id"] == of.day.window.first.isoformat())
    month = summed(rows)
    (active,) = await active_in(read, [of.day])
    newest = await read.ledger(ledger.newest(_ever(now, zone, synthetic, client_id), RECENT_ACTIVITY))
    recent = await read.events(ledger.events_of([entry["_id"] for entry in newest]))
    return StatsReport(
        ai_requests_today=day["requests"],
        ai_requests_this_month=month["requests"],
        ai_cost_today=to_decimal(day["cost"]),
        ai_cost_this_month=to_decimal(month["cost"]),
        unique_users_today=active,
        recent_activity=[_activity(event) for event in recent],
        client_id=client_id,
        synthetic=synthetic,
        timezone=zone.key,
        generated_at=now,
    )


def _activity(event: Document) -> Activity:
    properties = event.get("properties")
    facts = {**event, **(properties if isinstance(properties, dict) else {})}
    named = {name: value_of(facts.get(camel(name))) for name in Activity.model_fields}
    return readable(Activity, {**named, "id": str(event["_id"])})
