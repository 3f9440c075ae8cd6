"""What one user, or a client, has cost, and its latest calls: the figures of its panel beside its limits."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.reports.calls import fields_of, stored_fields
from app.reports.queries import panel
from app.reports.query import Filters, Synthetic
from app.reports.readable import ReadableRow, readable
from app.reports.reader import Documents, Reader
from app.reports.rows import Row
from app.reports.windows import TimeWindow, today
from models import CallStatus, ServiceType
from models.money import ZERO, to_decimal

RECENT = 10


class PanelCost(Row):
    """In USD, exact to the last recorded call; a call without a price adds nothing."""

    month: Decimal
    """The calendar month in the deployment's time zone."""
    lifetime: Decimal
    currency: str = "USD"
    month_requests: int
    lifetime_requests: int


class RecentCall(ReadableRow):
    """One call: no text of it, and nothing that the caller put beside it. Null is what cannot be read."""

    never_null = frozenset(
        {"created_at", "feature", "service_type", "provider", "model", "status", "cached", "tokens_used"}
    )
    id: str
    created_at: datetime | None
    feature: str | None
    service_type: ServiceType | None
    provider: str | None
    model: str | None
    status: CallStatus | None
    cached: bool | None
    tokens_used: int | None
    cost: Decimal | None
    """Null also where no price is known."""


RECENT_FIELDS = stored_fields(RecentCall)


class Figures(NamedTuple):
    """Of one snapshot."""

    as_of: datetime
    cost: PanelCost
    recent: list[RecentCall]


async def figures(read: Reader, of: Filters, zone: ZoneInfo, synthetic: Synthetic, now: datetime) -> Figures:
    """Of a user, at one client or at all, or of a client, or of all."""
    month = month_of(now, zone)
    rows = await _costs(read, of, month, synthetic)
    calls = await read.ledger(panel.recent(of, synthetic, RECENT))
    return Figures(now, cost_of(rows), [readable(RecentCall, fields_of(call, RECENT_FIELDS)) for call in calls])


def month_of(now: datetime, zone: ZoneInfo) -> TimeWindow:
    """The calendar month of a moment."""
    start = today(now, zone).replace(day=1)
    later = (start + timedelta(days=31)).replace(day=1)
    return TimeWindow(start, later - timedelta(days=1), zone)


async def _costs(read: Reader, of: Filters, month: TimeWindow, synthetic: Synthetic) -> Documents:
    if of.user_id is None:
        rows = await read.cells(panel.costs_of_client(month, of.client_id, synthetic))
    else:
        rows = await read.cells(panel.costs_of_user(month, of.user_id, of.client_id, synthetic))
    said = {row["_id"] for row in rows}
    if panel.WHOLE in said and panel.FOREIGN not in said:
        return [row for row in rows if isinstance(row["_id"], bool)]
    return await read.ledger(panel.costs_in_ledger(month, of, synthetic))


def cost_of(rows: Documents) -> PanelCost:
    """From the rows within the month and outside of it."""
    costs, requests = ({row["_id"]: row[name] for row in rows} for name in ("cost", "requests"))
    return PanelCost(
        month=to_decimal(costs.get(True)),
        lifetime=sum(map(to_decimal, costs.values()), ZERO),
        month_requests=requests.get(True, 0),
        lifetime_requests=sum(requests.values()),
    )
