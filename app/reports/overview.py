"""The overview: today and month to date, from rollups; from the ledger as the truth they are checked against."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.reports.parts.active_users import active_in
from app.reports.parts.figures import summed, week_hours
from app.reports.parts.health import Health, health
from app.reports.periods import Comparison, Spans, spans
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
from models.latency import merged, percentiles

PERCENTS = (50, 95, 99)


class Trend(Row):
    """Change from the previous period, in percent of that; null where there is nothing to compare with."""

    requests: Decimal | None
    cost: Decimal | None
    compared: str
    """The two periods that are compared, in words."""


class Trends(Row):
    """Like for like only: complete hours against the same hours, complete days against as many days."""

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
    of_day: tuple[Document, Document]
    """Totals of the two periods that are compared."""
    of_month: tuple[Document, Document]


async def from_cells(
    read: Reader, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None
) -> OverviewParts:
    """From the rollups: one query for every figure but the users."""
    of = spans(now, zone, synthetic, client_id)
    yesterday = of.of_day.before
    assert yesterday is not None  # noqa: S101 - a day always has a previous one
    month_before = of.of_month.before or of.month
    earliest = min(month_before.window.first, yesterday.window.first)
    month_start = of.month.window.first.isoformat()
    rows = await read.cells(
        rollups.by_day(
            of.month.over(earliest, of.month.window.last),
            hours_from=yesterday.window.first.isoformat(),
            latency_from=month_start,
        )
    )
    today = _within(rows, of.day)
    month = _within(rows, of.month)
    active_today, active_this_month = await active_in(read, [of.day, of.month])
    return OverviewParts(
        spans=of,
        day=Period(summed(today), active_today, _percentiles(today)),
        month=Period(summed(month), active_this_month, _percentiles(month)),
        statuses={status: count for status in CallStatus if (count := sum(row[f"status_{status}"] for row in month))},
        of_day=(_hours_before(rows, of.of_day.now), _hours_before(rows, yesterday)),
        of_month=(summed(_within(rows, of.of_month.now)), summed(_within(rows, of.of_month.before))),
    )


async def from_ledger(
    read: Reader, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None
) -> OverviewParts:
    """From the ledger. Percentiles are exact."""
    of = spans(now, zone, synthetic, client_id)

    async def totals(query: ReportQuery | None) -> Document:
        return {} if query is None else first(await read.ledger(ledger.totals(query)))

    async def period(query: ReportQuery) -> Period:
        users = first(await read.ledger(ledger.active_users(query))).get("count", 0)
        found = first(await read.ledger(ledger.duration_percentiles(query, PERCENTS)))
        return Period(await totals(query), users, {f"p{percent}": found.get(f"p{percent}") for percent in PERCENTS})

    return OverviewParts(
        spans=of,
        day=await period(of.day),
        month=await period(of.month),
        statuses={row["_id"]: row["count"] for row in await read.ledger(ledger.statuses(of.month))},
        of_day=(await totals(of.of_day.now), await totals(of.of_day.before)),
        of_month=(await totals(of.of_month.now), await totals(of.of_month.before)),
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
            today=_trend(parts.spans.of_day, parts.of_day), month=_trend(parts.spans.of_month, parts.of_month)
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


def _trend(comparison: Comparison, totals: tuple[Document, Document]) -> Trend:
    if comparison.now is None:
        return Trend(requests=None, cost=None, compared=comparison.words)
    new, old = (Totals.from_stored(each) for each in totals)
    return Trend(
        requests=change(new.requests, old.requests), cost=change(new.cost, old.cost), compared=comparison.words
    )


def _within(rows: Documents, query: ReportQuery | None) -> Documents:
    if query is None:
        return []
    return [row for row in rows if query.window.first.isoformat() <= row["_id"] <= query.window.last.isoformat()]


def _hours_before(rows: Documents, query: ReportQuery | None) -> Document:
    """Requests and cost of the first hours of a day."""
    if query is None or query.hours_before is None:
        return {}
    hours = week_hours(_within(rows, query))
    return summed(row for (_, hour), of_hour in hours.items() if hour < query.hours_before for row in of_hour)


def _percentiles(rows: Documents) -> dict[str, int | None]:
    return percentiles(merged(sketch for row in rows for sketch in row["latency"]), PERCENTS)
