"""A client's view of its own calls: by day, week, month and conversation."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from app.reports.parts import day_rows
from app.reports.parts.active_users import active_users
from app.reports.parts.figures import daily, described, grouped, summed
from app.reports.parts.user_sheets import UserSheets
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import (
    DayTotals,
    PeriodTotals,
    ProviderTotals,
    Row,
    Totals,
    Window,
    change,
)
from app.reports.windows import DAY, today
from models.money import to_decimal

WEEKS = 12
MONTHS = 12
TOP_CONVERSATIONS = 20
WEEK = timedelta(days=7)


class WeekTotals(Totals):
    """One ISO week, Monday to Sunday. Changes are in percent of the week before; null for a partial week."""

    week: str
    """As `2026-W47`."""
    first: date
    complete: bool
    requests_change: Decimal | None
    cost_change: Decimal | None


class MonthTotals(Totals):
    """One month of the calendar."""

    month: str
    """As `2026-11`."""
    complete: bool


class ConversationFigures(Row):
    """One conversation."""

    conversation_id: str
    client_id: str
    requests: int
    tokens: int
    cost: Decimal
    last_active: date


class AnalyticsReport(Row):
    """`GET /api/analytics`. Parts that were not requested are null."""

    window: Window
    client_id: str | None
    """Null for all clients."""
    user_id: str | None
    """Null for all users."""
    synthetic: Synthetic
    summary: PeriodTotals
    daily: list[DayTotals] | None
    weekly: list[WeekTotals] | None
    """The last 12 weeks up to the window's end."""
    monthly: list[MonthTotals] | None
    """The last 12 months up to the window's end."""
    by_conversation: list[ConversationFigures] | None
    """The 20 with the most tokens; null when filtered by provider, model or feature, except for a single user."""
    providers: list[ProviderTotals]
    generated_at: datetime


class AnalyticsType(StrEnum):
    """The requested parts."""

    ALL = "all"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CONVERSATION = "conversation"


class AnalyticsParts(NamedTuple):
    """The rows of the report, as MongoDB returns them or as sums of such."""

    days: Documents
    """From the first day of any part on."""
    active_users: int
    p95: int | None
    providers: list[tuple[str, Document]]
    conversations: Documents | None


async def from_cells(read: Reader, query: ReportQuery, wanted: AnalyticsType, sheets: UserSheets) -> AnalyticsParts:
    """From the rollups."""
    first_day = query.window.first.isoformat()
    days = await read.cells(rollups.by_day(_whole_span(query, wanted), latency_from=first_day))
    parts = await read.cells(rollups.by_part(query))
    top = rollups.conversations(query, TOP_CONVERSATIONS)
    # the cells of conversations do not distinguish providers, models and features
    told = _wants(wanted, AnalyticsType.CONVERSATION) and not query.filters.any_part()
    return AnalyticsParts(
        days=days,
        active_users=await active_users(read, query, sheets),
        p95=(await day_rows.latency_of(read, query, _asked(days, query))).p95,
        providers=grouped(parts, lambda row: row["_id"]["provider"]),
        conversations=await read.cells(top) if told else None,
    )


async def from_ledger(read: Reader, query: ReportQuery, wanted: AnalyticsType) -> AnalyticsParts:
    """From the ledger: what one user did, by the index of users. The percentile is exact.

    Weeks and months reach back up to a year, whatever the window: for one user that is little.
    """
    top = ledger.conversations(query, TOP_CONVERSATIONS)
    return AnalyticsParts(
        days=await read.ledger(ledger.daily(_whole_span(query, wanted))),
        active_users=first(await read.ledger(ledger.active_users(query))).get("count", 0),
        p95=first(await read.ledger(ledger.duration_percentiles(query, (95,)))).get("p95"),
        providers=[(row["_id"], row) for row in await read.ledger(ledger.by_provider(query))],
        conversations=await read.ledger(top) if _wants(wanted, AnalyticsType.CONVERSATION) else None,
    )


def analytics_report(
    query: ReportQuery, parts: AnalyticsParts, wanted: AnalyticsType, generated_at: datetime
) -> AnalyticsReport:
    """The requested parts; the summary and the providers always."""
    window, asked = query.window, _asked(parts.days, query)
    over = min(window.last + DAY, today(generated_at, window.zone))
    return AnalyticsReport(
        window=described(window),
        client_id=query.filters.client_id,
        user_id=query.filters.user_id,
        synthetic=query.synthetic,
        summary=PeriodTotals.from_stored(summed(asked), active_users=parts.active_users, p95_duration=parts.p95),
        daily=daily(window, asked) if _wants(wanted, AnalyticsType.DAILY) else None,
        weekly=_weekly(parts.days, _weeks(window.last), over) if _wants(wanted, AnalyticsType.WEEKLY) else None,
        monthly=_monthly(parts.days, _months(window.last), over) if _wants(wanted, AnalyticsType.MONTHLY) else None,
        by_conversation=None if parts.conversations is None else [*map(conversation_figures, parts.conversations)],
        providers=[ProviderTotals.from_stored(row, provider=provider) for provider, row in parts.providers],
        generated_at=generated_at,
    )


def _wants(wanted: AnalyticsType, part: AnalyticsType) -> bool:
    return wanted in {AnalyticsType.ALL, part}


def _whole_span(query: ReportQuery, wanted: AnalyticsType) -> ReportQuery:
    """The days of every requested part."""
    starts = [query.window.first]
    starts += _weeks(query.window.last)[:1] if _wants(wanted, AnalyticsType.WEEKLY) else []
    starts += _months(query.window.last)[:1] if _wants(wanted, AnalyticsType.MONTHLY) else []
    return query.over(min(starts), query.window.last)


def _asked(days: Documents, query: ReportQuery) -> Documents:
    return [row for row in days if row["_id"] >= query.window.first.isoformat()]


def _weeks(last: date) -> list[date]:
    """The Mondays of the last twelve weeks, including that of `last`, and of one before, to compare with."""
    monday = last - timedelta(days=last.weekday())
    return [monday - n * WEEK for n in range(WEEKS, -1, -1)]


def _weekly(days: Documents, mondays: list[date], over: date) -> list[WeekTotals]:
    sums = [summed(_between(days, monday, monday + WEEK)) for monday in mondays]
    rows = []
    for monday, before, stored in zip(mondays[1:], sums, sums[1:], strict=False):
        complete = monday + WEEK <= over
        now, earlier = Totals.from_stored(stored), Totals.from_stored(before)
        year, week, _ = monday.isocalendar()
        rows.append(
            WeekTotals.from_stored(
                stored,
                week=f"{year}-W{week:02}",
                first=monday,
                complete=complete,
                requests_change=change(now.requests, earlier.requests) if complete else None,
                cost_change=change(now.cost, earlier.cost) if complete else None,
            )
        )
    return rows


def _months(last: date) -> list[date]:
    """The first days of the last twelve months, including that of `last`."""
    firsts = [last.replace(day=1)]
    while len(firsts) < MONTHS:
        firsts.append((firsts[-1] - DAY).replace(day=1))
    return firsts[::-1]


def _monthly(days: Documents, firsts: list[date], over: date) -> list[MonthTotals]:
    ends = [*firsts[1:], (firsts[-1] + timedelta(days=31)).replace(day=1)]
    return [
        MonthTotals.from_stored(summed(_between(days, first, end)), month=first.isoformat()[:7], complete=end <= over)
        for first, end in zip(firsts, ends, strict=True)
    ]


def _between(days: Documents, first: date, end: date) -> Iterable[Document]:
    return [row for row in days if first.isoformat() <= row["_id"] < end.isoformat()]


def conversation_figures(row: Document) -> ConversationFigures:
    """One conversation, from a row of cells or of the ledger."""
    return ConversationFigures(
        conversation_id=row["_id"]["conversation"],
        client_id=row["_id"]["client"],
        requests=row["requests"],
        tokens=row["tokensUsed"],
        cost=to_decimal(row["cost"]),
        last_active=date.fromisoformat(row["lastDay"]),
    )
