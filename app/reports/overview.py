"""The overview: today and month to date, from rollups; from the ledger as the truth they are checked against."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.reports.parts import day_rows, earlier
from app.reports.parts.active_users import active_in
from app.reports.parts.day_rows import within
from app.reports.parts.figures import summed
from app.reports.parts.health import Health, health
from app.reports.periods import Compared, Spans, spans
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.readiness import Freshness
from app.reports.rows import (
    PeriodTotals,
    Row,
    Totals,
    change,
    percent,
)
from models import CallStatus
from models.rollups import HOUR_TOTALS

PERCENTS = (50, 95, 99)


class Trend(Row):
    """Change from the previous period, in percent of that; null where there is nothing to compare with."""

    requests: Decimal | None
    cost: Decimal | None
    compared: str
    """The two periods that are compared, in words."""


class Trends(Row):
    """To this moment: today against yesterday, and the month against the one before, up to the same day and time."""

    today: Trend
    month: Trend


class Quality(Row):
    """Quality of the month to date. Percentiles of the request duration are within 1 % of the exact ones."""

    success_rate: Decimal | None
    error_rate: Decimal | None
    statuses: dict[str, int]
    p50: int | None
    p95: int | None
    p99: int | None


class OverviewReport(Row):
    """`GET /api/admin/ai/overview`."""

    today: PeriodTotals
    month: PeriodTotals
    trends: Trends
    quality: Quality
    health: Health
    freshness: Freshness
    """Of the whole deployment."""
    client_id: str | None
    """Null for all clients."""
    synthetic: Synthetic
    timezone: str
    generated_at: datetime


class Period(NamedTuple):
    """Today, or the month to date."""

    totals: Document
    active_users: int
    percentiles: dict[str, int | None]


@dataclass(frozen=True)
class OverviewParts:
    """The rows of the report, as MongoDB returns them or as sums of such."""

    spans: Spans
    day: Period
    month: Period
    statuses: dict[str, int]
    before_day: Document
    """Of what today is compared with: HOUR_TOTALS."""
    before_month: Document


async def from_cells(
    read: Reader, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None
) -> OverviewParts:
    """From the rollups."""
    of = spans(now, zone, synthetic, client_id)
    rows = await read.cells(rollups.by_day(of.month, latency_from=of.month.window.first.isoformat()))
    today = within(rows, of.day.window)
    active_today, active_this_month = await active_in(read, [of.day, of.month])
    return OverviewParts(
        spans=of,
        day=Period(summed(today), active_today, await _percentiles(read, of.day, today)),
        month=Period(summed(rows), active_this_month, await _percentiles(read, of.month, rows)),
        statuses={status: count for status in CallStatus if (count := sum(row[f"status_{status}"] for row in rows))},
        before_day=summed(await earlier.parts(read, of.of_day.before), HOUR_TOTALS),
        before_month=summed(await earlier.parts(read, of.of_month.before), HOUR_TOTALS),
    )


async def from_ledger(
    read: Reader, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None
) -> OverviewParts:
    """From the ledger. Percentiles are exact."""
    of = spans(now, zone, synthetic, client_id)

    async def totals(query: ReportQuery) -> Document:
        return first(await read.ledger(ledger.totals(query)))

    async def period(query: ReportQuery) -> Period:
        users = first(await read.ledger(ledger.active_users(query))).get("count", 0)
        found = first(await read.ledger(ledger.duration_percentiles(query, PERCENTS)))
        return Period(await totals(query), users, {f"p{percent}": found.get(f"p{percent}") for percent in PERCENTS})

    return OverviewParts(
        spans=of,
        day=await period(of.day),
        month=await period(of.month),
        statuses={row["_id"]: row["count"] for row in await read.ledger(ledger.statuses(of.month))},
        before_day=await totals(of.of_day.before),
        before_month=await totals(of.of_month.before),
    )


def overview_report(
    parts: OverviewParts, freshness: Freshness, synthetic: Synthetic, generated_at: datetime
) -> OverviewReport:
    """The report of these rows."""
    month = _period_totals(parts.month)
    return OverviewReport(
        today=_period_totals(parts.day),
        month=month,
        trends=Trends(
            today=_trend(parts.spans.of_day, parts.day.totals, parts.before_day),
            month=_trend(parts.spans.of_month, parts.month.totals, parts.before_month),
        ),
        quality=Quality(
            success_rate=month.success_rate,
            error_rate=percent(month.errors, month.requests),
            statuses=parts.statuses,
            **parts.month.percentiles,
        ),
        health=health(month, month.p95_duration),
        freshness=freshness,
        client_id=parts.spans.day.filters.client_id,
        synthetic=synthetic,
        timezone=parts.spans.day.window.zone.key,
        generated_at=generated_at,
    )


def _period_totals(period: Period) -> PeriodTotals:
    return PeriodTotals.from_stored(
        period.totals, active_users=period.active_users, p95_duration=period.percentiles["p95"]
    )


def _trend(compared: Compared, now: Document, before: Document) -> Trend:
    new, old = Totals.from_stored(now), Totals.from_stored(before)
    return Trend(requests=change(new.requests, old.requests), cost=change(new.cost, old.cost), compared=compared.words)


async def _percentiles(read: Reader, query: ReportQuery, rows: Documents) -> dict[str, int | None]:
    return dict(await day_rows.latency_of(read, query, rows))
