"""What a client sees of its own calls: by day, week, month and conversation."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.reports import cells
from app.reports.active_users import active_users
from app.reports.answers import AnalyticsReport, ConversationFigures, MonthTotals, PeriodTotals, WeekTotals
from app.reports.figures import daily, described, grouped, summed
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import ProviderTotals, Totals, change
from app.reports.windows import DAY, today
from models.latency import merged, percentiles
from models.money import to_decimal

WEEKS = 12
MONTHS = 12
TOP_CONVERSATIONS = 20
WEEK = timedelta(days=7)


class AnalyticsType(StrEnum):
    """Which parts are wanted."""

    ALL = "all"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CONVERSATION = "conversation"


async def analytics(read: Reader, query: ReportQuery, wanted: AnalyticsType, now: datetime) -> AnalyticsReport:
    """The parts that are wanted; the summary and the providers always."""
    window = query.window

    def wants(part: AnalyticsType) -> bool:
        return wanted in {AnalyticsType.ALL, part}

    week_starts, month_starts = _weeks(window.last), _months(window.last)
    starts = [window.first]
    starts += week_starts[:1] if wants(AnalyticsType.WEEKLY) else []
    starts += month_starts[:1] if wants(AnalyticsType.MONTHLY) else []
    days = await read.cells(cells.by_day(query.over(min(starts), window.last), latency_from=window.first.isoformat()))
    asked = [row for row in days if row["_id"] >= window.first.isoformat()]
    summary = percentiles(merged(sketch for row in asked for sketch in row["latency"]), (95,))
    parts = await read.cells(cells.by_part(query))
    over = min(window.last + DAY, today(now, window.zone))
    conversations = None
    if wants(AnalyticsType.CONVERSATION):
        conversations = await read.cells(cells.conversations(query, TOP_CONVERSATIONS))
    return AnalyticsReport(
        window=described(window),
        client_id=query.filters.client_id,
        synthetic=query.synthetic,
        summary=PeriodTotals.from_stored(
            summed(asked), active_users=await active_users(read, query), p95_duration=summary["p95"]
        ),
        daily=daily(window, asked) if wants(AnalyticsType.DAILY) else None,
        weekly=_weekly(days, week_starts, over) if wants(AnalyticsType.WEEKLY) else None,
        monthly=_monthly(days, month_starts, over) if wants(AnalyticsType.MONTHLY) else None,
        by_conversation=None if conversations is None else [_conversation(row) for row in conversations],
        providers=[
            ProviderTotals.from_stored(row, provider=provider)
            for provider, row in grouped(parts, lambda row: row["_id"]["provider"])
        ],
        generated_at=now,
    )


def _weeks(last: date) -> list[date]:
    """The Mondays of the last twelve weeks, the one of `last` included; and of one before, to compare with."""
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
    """The first days of the last twelve months, the one of `last` included."""
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


def _conversation(row: Document) -> ConversationFigures:
    return ConversationFigures(
        conversation_id=row["_id"]["conversation"],
        client_id=row["_id"]["client"],
        requests=row["requests"],
        tokens=row["tokensUsed"],
        cost=to_decimal(row["cost"]),
        last_active=date.fromisoformat(row["lastDay"]),
    )
