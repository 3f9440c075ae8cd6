"""The usage report: from rollups, or from the ledger where only that has the figures."""

import asyncio
from datetime import datetime
from typing import NamedTuple

from app.reports.comparison import LikeSpan, PreviousParts, PreviousSpan, like_span, like_spans, previous_span
from app.reports.parts import day_rows, user_days
from app.reports.parts.active_users import ActiveUsers, active_by_day
from app.reports.parts.figures import WeekHours, by_hour, by_weekday_hour, described, grouped, summed, week_hours
from app.reports.parts.known_users import KnownUsers
from app.reports.parts.ranking import Ranking, ranked_users
from app.reports.parts.series import SeriesBy, SeriesPoint, series
from app.reports.parts.user_days import rows_of_user
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Comparison, before
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import (
    FeatureTotals,
    HourFigures,
    ModelTotals,
    Percentiles,
    ProviderTotals,
    Row,
    Totals,
    UsageDay,
    UserFigures,
    WeekdayHour,
    Window,
)

TOP_USERS = 20


class UsageReport(Row):
    """`GET /api/admin/ai/usage`."""

    window: Window
    synthetic: Synthetic
    totals: Totals
    active_users: int
    latency: Percentiles
    """Null when filtered by model or feature (except for a single user): latency is kept by provider and service."""
    statuses: dict[str, int]
    """Calls by status; a status without any is left out."""
    daily: list[UsageDay]
    by_feature: list[FeatureTotals]
    by_model: list[ModelTotals]
    by_provider: list[ProviderTotals]
    by_hour: list[HourFigures]
    by_weekday_hour: list[WeekdayHour]
    """All 168 hours of a week, for a heat map."""
    top_users: list[UserFigures]
    previous: PreviousSpan | None
    """Null unless requested with `compare=previous`."""
    series: list[SeriesPoint] | None
    """Every day of the ten with the most cost, and of `other`, which is all the rest; a model that several providers
    sell is one. Null unless requested with `series=`."""
    generated_at: datetime


class UsageParts(NamedTuple):
    """The rows of the report, as MongoDB returns them or as sums of such."""

    totals: Document
    days: Documents
    """With statuses and latency sketches, see `day_rows`."""
    active_users: int
    active_by_day: dict[str, int]
    hours: WeekHours
    by_feature: list[tuple[str, Document]]
    by_model: list[tuple[tuple[str, str], Document]]
    by_provider: list[tuple[str, Document]]
    top_users: Documents
    previous: PreviousParts | None
    series: Documents | None
    """By day and name."""


async def from_cells(
    read: Reader,
    query: ReportQuery,
    state: Document,
    known: KnownUsers,
    sheets: UserSheets,
    *,
    comparison: Comparison | None = None,
    series_by: SeriesBy | None = None,
) -> UsageParts:
    """From the rollups, whose `state` this is. A comparison widens queries, so that it costs none of its own.

    `known` are users of windows that were counted before.
    """
    whole = query if comparison is None else query.over(before(query).window.first, query.window.last)
    compared = [] if comparison is None else like_spans(comparison)
    hours_from = min(span.window.first for span in (query, *compared) if span is query or span.hours_before is not None)
    rows = await day_rows.from_cells(read, whole, hours_from=hours_from)
    days = day_rows.within(rows, query.window)
    parts = await read.cells(rollups.by_part(query))
    windows = [span.window for span in (query, *compared)]
    active = await active_by_day(read, whole, windows, known, state["epoch"], sheets=sheets)
    return UsageParts(
        totals=summed(days),
        days=days,
        active_users=active.in_windows[0],
        active_by_day=active.by_day,
        hours=week_hours(days),
        # in threads: of many parts this takes long, and others must not wait for it
        by_feature=await asyncio.to_thread(grouped, parts, lambda row: row["_id"]["feature"]),
        by_model=await asyncio.to_thread(grouped, parts, lambda row: (row["_id"]["provider"], row["_id"]["model"])),
        by_provider=await asyncio.to_thread(grouped, parts, lambda row: row["_id"]["provider"]),
        top_users=await ranked_users(read, query, state, sheets, Ranking(limit=TOP_USERS)),
        previous=None if comparison is None else _previous_from_cells(query, comparison, rows, active),
        series=None if series_by is None else await read.cells(rollups.by_day_and_name(query, series_by)),
    )


def _previous_from_cells(
    query: ReportQuery, comparison: Comparison, rows: Documents, active: ActiveUsers
) -> PreviousParts:
    whole = before(query)
    (now, earlier), (_, users, users_before) = like_spans(comparison), active.in_windows
    return PreviousParts(
        whole=whole,
        words=comparison.words,
        now=like_span(now, rows, users),
        before=like_span(earlier, rows, users_before),
        days=day_rows.within(rows, whole.window),
        active_by_day=active.by_day,
    )


async def of_user(
    read: Reader,
    query: ReportQuery,
    comparison: Comparison | None = None,
    series_by: SeriesBy | None = None,
) -> UsageParts:
    """Of one user, from what is kept of its days, else from the ledger. A comparison widens the query, as above."""
    whole = query if comparison is None else query.over(before(query).window.first, query.window.last)
    return await asyncio.to_thread(_of_user, query, await rows_of_user(read, whole), comparison, series_by)


def _of_user(
    query: ReportQuery, rows: Documents, comparison: Comparison | None, series_by: SeriesBy | None
) -> UsageParts:
    days_of_whole = user_days.by_day(rows)
    days = day_rows.within(days_of_whole, query.window)
    totals = summed(days)
    among = {day["_id"] for day in days}
    parts = [row for row in rows if row["day"] in among]
    compared = [] if comparison is None else like_spans(comparison)
    windows = [span.window for span in (query, *compared)]
    active = ActiveUsers(
        {day["_id"]: 1 for day in days_of_whole},
        [int(bool(day_rows.within(days_of_whole, window))) for window in windows],
    )
    return UsageParts(
        totals=totals,
        days=days,
        active_users=active.in_windows[0],
        active_by_day=active.by_day,
        hours=week_hours(days),
        by_feature=grouped(parts, lambda row: row["feature"]),
        by_model=grouped(parts, lambda row: (row["provider"], row["model"])),
        by_provider=grouped(parts, lambda row: row["provider"]),
        top_users=[{"_id": query.filters.user_id, **totals}] if days else [],
        previous=None if comparison is None else _previous_from_cells(query, comparison, days_of_whole, active),
        series=None if series_by is None else user_days.by_day_and_name(parts, series_by),
    )


async def from_ledger(
    read: Reader,
    query: ReportQuery,
    comparison: Comparison | None = None,
    series_by: SeriesBy | None = None,
) -> UsageParts:
    """From the ledger, in a few passes over the window: what the others must be equal to."""
    (found,) = await read.ledger(ledger.usage(query))
    names = {SeriesBy.MODEL: "aiModel"}
    by_name = None if series_by is None else ledger.by_day_and_name(query, names.get(series_by, series_by))
    return UsageParts(
        totals=first(found["totals"]),
        days=day_rows.with_latency(found["days"], await read.ledger(ledger.durations_by_day(query))),
        active_users=first(found["activeUsers"]).get("count", 0),
        active_by_day={row["_id"]: row["count"] for row in found["activeByDay"]},
        hours={(row["_id"]["weekday"], row["_id"]["hour"]): [row] for row in found["byHour"]},
        by_feature=[(row["_id"], row) for row in found["byFeature"]],
        by_model=[((row["_id"]["provider"], row["_id"]["model"]), row) for row in found["byModel"]],
        by_provider=[(row["_id"], row) for row in found["byProvider"]],
        top_users=found["topUsers"],
        previous=None if comparison is None else await _previous_from_ledger(read, query, comparison),
        series=None if by_name is None else await read.ledger(by_name),
    )


async def _previous_from_ledger(read: Reader, query: ReportQuery, comparison: Comparison) -> PreviousParts:
    whole = before(query)

    async def span(of: ReportQuery) -> LikeSpan:
        rows = [] if of.hours_before is not None else await day_rows.from_ledger(read, of)
        totals = summed(await read.ledger(ledger.totals(of)))
        return LikeSpan(of, totals, await _active_users(read, of), day_rows.latency(rows))

    now, earlier = [await span(of) for of in like_spans(comparison)]
    days = await day_rows.from_ledger(read, whole)
    return PreviousParts(whole, comparison.words, now, earlier, days, await _active_by_day(read, whole))


async def _active_users(read: Reader, query: ReportQuery) -> int:
    count: int = first(await read.ledger(ledger.active_users(query))).get("count", 0)
    return count


async def _active_by_day(read: Reader, query: ReportQuery) -> dict[str, int]:
    return {row["_id"]: row["count"] for row in await read.ledger(ledger.active_by_day(query))}


def usage_report(query: ReportQuery, parts: UsageParts, generated_at: datetime) -> UsageReport:
    """The report of these rows."""
    return UsageReport(
        window=described(query.window),
        synthetic=query.synthetic,
        totals=Totals.from_stored(parts.totals),
        active_users=parts.active_users,
        latency=day_rows.latency(parts.days),
        statuses=day_rows.statuses(parts.days),
        daily=day_rows.usage_days(query.window, parts.days, parts.active_by_day),
        by_hour=by_hour(parts.hours),
        by_weekday_hour=by_weekday_hour(parts.hours),
        by_feature=[FeatureTotals.from_stored(row, feature=feature) for feature, row in parts.by_feature],
        by_model=[
            ModelTotals.from_stored(row, provider=provider, model=model) for (provider, model), row in parts.by_model
        ],
        by_provider=[ProviderTotals.from_stored(row, provider=provider) for provider, row in parts.by_provider],
        top_users=[UserFigures.from_stored(row) for row in parts.top_users],
        previous=None if parts.previous is None else previous_span(parts.previous),
        series=None if parts.series is None else series(query.window, parts.series),
        generated_at=generated_at,
    )
