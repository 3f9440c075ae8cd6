"""What one page says at a glance: what calls cost this month, of what, for whom, why it changed, and what fails."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.reports import explain
from app.reports.explain import ExplainParts
from app.reports.explained import ExplainedPart
from app.reports.parts import earlier
from app.reports.parts.figures import K, described, grouped, summed
from app.reports.parts.ranking import Ranking, ranked_users
from app.reports.parts.series import SeriesPoint, series
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Compared, Comparison, compared, complete_days, spans
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import (
    Earlier,
    FeatureTotals,
    ModelTotals,
    Row,
    Totals,
    UserFigures,
    Window,
    change,
    percent,
)
from app.reports.windows import DAY
from models import CallStatus
from models.rollups import HOUR_TOTALS

DAYS = 30
TOP = 5
MOST_MODELS = 7
"""In the chart; all others are one."""
WEEK = timedelta(days=7)
FEWEST_CALLS = 20
"""Of a provider on a day, for a share of errors that says something."""
WORSE = Decimal(2)
"""Errors are up where there are so many times as many as usual, and at least `LEAST_ERRORS`."""
LEAST_ERRORS = Decimal(5)
"""Percent."""


class SpanCost(Row):
    """What a period has cost up to now, and what it is compared with."""

    window: Window
    totals: Totals
    earlier: Earlier | None
    """Up to the same minute; null where there was no call."""
    change: Decimal | None
    """Of the cost, in percent."""
    compared: str
    """The two periods, in words."""


class ProviderErrors(Row):
    """A provider whose calls fail more often today."""

    provider: str
    requests: int
    errors: int
    error_rate: Decimal
    usual_rate: Decimal
    """Of the days before, in percent."""


class Failure(Row):
    """A call that failed."""

    id: str
    created_at: datetime
    user_id: str
    feature: str
    provider: str
    model: str
    status: CallStatus


class CostChange(Row):
    """Which parts of the cost changed most: complete days against as many before them."""

    compared: str
    change: Decimal
    """In USD, of all parts."""
    earlier_cost: Decimal
    parts: list[ExplainedPart]
    rest: Decimal
    """What all other parts changed together."""


class SummaryFigures(Row):
    """Figures of one moment."""

    today: SpanCost
    month: SpanCost
    window: Window
    """Of the chart and the lists."""
    compared: str
    """It and what `earlier` of the lists is of."""
    cost: Decimal
    """Of the window."""
    series: list[SeriesPoint]
    """Every day of the seven models with the most cost, and of `other`."""
    changed: CostChange | None
    """Null where no call is in either period."""
    features: list[FeatureTotals]
    """Those with the most cost, as in the lists below."""
    models: list[ModelTotals]
    users: list[UserFigures]
    failing: list[ProviderErrors]
    failures: list[Failure]
    """The latest of today."""


class SummaryParts(NamedTuple):
    """The rows of the report, as MongoDB returns them."""

    query: Compared
    days: Documents
    """Of the month."""
    before_day: Documents
    before_month: Documents
    series: Documents
    parts: Documents
    parts_before: Documents
    parts_today: Documents
    users: Documents
    users_before: dict[str, Earlier | None]
    comparison: Comparison
    explained: ExplainParts
    failures: Documents


async def read_parts(
    read: Reader, state: Document, sheets: UserSheets, query: ReportQuery, now: datetime
) -> SummaryParts:
    """From the rollups; the latest failures from the ledger's own index of them. `query` is today's."""
    of, this_day = spans(now, query.window.zone, query.synthetic, query.filters.client_id), query.window.last
    beside = compared(query.over(this_day - (DAYS - 1) * DAY, this_day), now)
    last = query.over(this_day - WEEK, this_day - DAY)
    comparison = complete_days(last, now)
    assert comparison is not None  # noqa: S101 - these days are over
    users = await ranked_users(read, beside.now, state, sheets, Ranking("cost", limit=TOP))
    return SummaryParts(
        query=beside,
        days=await read.cells(rollups.by_day(of.month)),
        before_day=await earlier.parts(read, of.of_day.before),
        before_month=await earlier.parts(read, of.of_month.before),
        series=await read.cells(rollups.by_day_and_name(beside.now, "model")),
        parts=await read.cells(rollups.by_part(beside.now)),
        parts_before=await earlier.parts(read, beside.before),
        parts_today=await read.cells(rollups.by_part(query)),
        users=users,
        users_before=await earlier.users(read, beside.before, sheets, [row["_id"] for row in users]),
        comparison=comparison,
        explained=await explain.from_cells(read, comparison, sheets),
        failures=await read.ledger(ledger.failures(query, TOP)),
    )


def today_query(now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None) -> ReportQuery:
    """Today's calls, of one client or of all."""
    return spans(now, zone, synthetic, client_id).day


async def summary_figures(found: SummaryParts, now: datetime) -> SummaryFigures:
    """The figures of these rows; in a thread, as there may be many parts."""
    return await asyncio.to_thread(_figures, found, now)


def _figures(found: SummaryParts, now: datetime) -> SummaryFigures:
    query = found.query.now
    of = spans(now, query.window.zone, query.synthetic, query.filters.client_id)
    today = [row for row in found.days if row["_id"] == of.day.window.first.isoformat()]
    return SummaryFigures(
        today=_span(of.of_day, today, found.before_day),
        month=_span(of.of_month, found.days, found.before_month),
        window=described(query.window),
        compared=found.query.words,
        cost=Totals.from_stored(summed(found.parts)).cost,
        series=series(query.window, found.series, MOST_MODELS),
        changed=_changed(found, now),
        features=[
            FeatureTotals.from_stored(row, feature=name, earlier=before)
            for name, row, before in _dearest(found, lambda row: row["_id"]["feature"])
        ],
        models=[
            ModelTotals.from_stored(row, provider=name[0], model=name[1], earlier=before)
            for name, row, before in _dearest(found, lambda row: (row["_id"]["provider"], row["_id"]["model"]))
        ],
        users=[UserFigures.from_stored(row, earlier=found.users_before.get(row["_id"])) for row in found.users],
        failing=_failing(found.parts, found.parts_today),
        failures=[_failure(row) for row in found.failures],
    )


def _span(of: Compared, rows: Documents, before: Documents) -> SpanCost:
    totals = Totals.from_stored(summed(rows))
    old = Earlier.from_stored(summed(before, HOUR_TOTALS))
    return SpanCost(
        window=described(of.now.window),
        totals=totals,
        earlier=old,
        change=None if old is None else change(totals.cost, old.cost),
        compared=of.words,
    )


def _dearest(found: SummaryParts, key: Callable[[Document], K]) -> list[tuple[K, Document, Earlier | None]]:
    before = earlier.earlier_by(found.parts_before, key)
    groups = [(name, row, before.get(name)) for name, row in grouped(found.parts, key)]
    return sorted(groups, key=lambda group: -group[1]["cost"].to_decimal())[:TOP]


def _changed(found: SummaryParts, now: datetime) -> CostChange | None:
    report = explain.explain_report(found.comparison, found.explained, now)
    if not report.totals.now.requests and not report.totals.earlier.requests:
        return None
    parts = [part for part in report.top if part.change][:TOP]
    return CostChange(
        compared=report.compared,
        change=report.totals.change,
        earlier_cost=report.totals.earlier.cost,
        parts=parts,
        rest=report.totals.change - sum((part.change for part in parts), Decimal(0)),
    )


def _failing(parts: Documents, today: Documents) -> list[ProviderErrors]:
    """The worst first."""
    of_window = dict(grouped(parts, lambda row: row["_id"]["provider"]))
    found = []
    for provider, row in grouped(today, lambda row: row["_id"]["provider"]):
        requests, errors = row["requests"], row["requests"] - row["successes"]
        past = of_window[provider]["requests"] - requests
        usual = percent(past - (of_window[provider]["successes"] - row["successes"]), past) or Decimal(0)
        rate = percent(errors, requests) or Decimal(0)
        if requests >= FEWEST_CALLS and rate >= max(LEAST_ERRORS, WORSE * usual):
            found.append(
                ProviderErrors(provider=provider, requests=requests, errors=errors, error_rate=rate, usual_rate=usual)
            )
    return sorted(found, key=lambda each: -each.errors)


def _failure(row: Document) -> Failure:
    return Failure(
        id=str(row["_id"]),
        created_at=row["createdAt"],
        user_id=row["userId"],
        feature=row["feature"],
        provider=row["provider"],
        model=row["aiModel"],
        status=row["status"],
    )
