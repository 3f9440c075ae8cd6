"""The usage report: from rollups, or from the ledger where only that has the figures."""

import asyncio
from datetime import datetime
from typing import NamedTuple

from app.reports.comparison import PreviousParts, PreviousSpan, previous_span, span, whole_days
from app.reports.parts import day_rows, earlier, speeds, user_days
from app.reports.parts.active_users import active_by_day
from app.reports.parts.figures import WeekHours, by_hour, by_weekday_hour, described, grouped, summed, week_hours
from app.reports.parts.known_users import KnownUsers
from app.reports.parts.ranking import Ranking, ranked_users
from app.reports.parts.series import SeriesBy, SeriesPoint, series
from app.reports.parts.user_days import rows_of_user
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Compared
from app.reports.queries import ledger, rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, first
from app.reports.rows import (
    Earlier,
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
from app.reports.windows import DAY, TimeWindow
from models.rollups import HOUR_TOTALS

TOP_USERS = 20


class UsageReport(Row):
    """`GET /api/admin/ai/usage`."""

    window: Window
    synthetic: Synthetic
    totals: Totals
    active_users: int
    latency: Percentiles
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
    """Null unless requested with `compare=`."""
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
    compared: Compared | None = None,
    series_by: SeriesBy | None = None,
) -> UsageParts:
    """From the rollups, whose `state` this is. `known` are users of windows that were counted before."""
    days = await day_rows.from_cells(read, query, state, hours_from=query.window.first)
    parts = await read.cells(rollups.by_part(query))
    windows = [query.window, *_complete(compared)]
    active = await active_by_day(read, query, windows, known, state["epoch"], sheets=sheets)
    top_users = await ranked_users(read, query, state, sheets, Ranking(limit=TOP_USERS))
    previous = None
    if compared is not None:
        of_whole = _complete(compared, earlier=True)
        whole = compared.whole
        active_before = await active_by_day(read, whole, of_whole, known, state["epoch"], sheets=sheets)
        users = (active.in_windows[-1], active_before.in_windows[0]) if of_whole else (0, 0)
        previous = _previous(
            compared,
            days=(days, await day_rows.from_cells(read, whole, state, hours_from=whole.window.last + DAY)),
            users=users,
            active_by_day=active_before.by_day,
            by_part=await earlier.parts(read, compared.before),
            top_users=await earlier.users(read, compared.before, sheets, [row["_id"] for row in top_users]),
        )
    return UsageParts(
        totals=summed(days),
        days=days,
        active_users=active.in_windows[0],
        active_by_day=active.by_day,
        hours=week_hours(days),
        # in threads: of many parts this takes long, and others must not wait for it
        by_feature=await asyncio.to_thread(grouped, parts, _feature),
        by_model=await asyncio.to_thread(grouped, parts, _model),
        by_provider=await asyncio.to_thread(grouped, parts, _provider),
        top_users=top_users,
        previous=previous,
        series=None if series_by is None else await read.cells(rollups.by_day_and_name(query, series_by)),
    )


def _complete(compared: Compared | None, *, earlier: bool = False) -> list[TimeWindow]:
    """The complete days of one side, where there are any."""
    whole = None if compared is None else whole_days(compared)
    return [] if whole is None else [(whole.before if earlier else whole.now).window]


def _previous(
    compared: Compared,
    *,
    days: tuple[Documents, Documents],
    users: tuple[int, int],
    active_by_day: dict[str, int],
    by_part: Documents,
    top_users: dict[str, Earlier | None],
) -> PreviousParts:
    now = before = None
    if (whole := whole_days(compared)) is not None:
        rows = day_rows.within(days[0], whole.now.window), day_rows.within(days[1], whole.before.window)
        now, before = span(whole, rows, users)
    running = compared.before.until is not None
    return PreviousParts(
        compared=compared,
        totals=summed(by_part, HOUR_TOTALS) if running else summed(days[1]),
        now=now,
        before=before,
        days=days[1],
        active_by_day=active_by_day,
        by_part=by_part,
        top_users=top_users,
    )


async def of_user(
    read: Reader,
    query: ReportQuery,
    compared: Compared | None = None,
    series_by: SeriesBy | None = None,
) -> UsageParts:
    """Of one user, from what is kept of its days, else from the ledger."""
    rows = await rows_of_user(read, query)
    of_query = await _days_of_user(read, query, rows)
    parts = await asyncio.to_thread(_of_user, query, rows, of_query, series_by)
    if compared is None:
        return parts
    days = parts.days, await _days_of_user(read, compared.whole, await rows_of_user(read, compared.whole))
    windows = _complete(compared), _complete(compared, earlier=True)
    now, before = (
        sum(bool(day_rows.within(of, window)) for window in spans) for of, spans in zip(days, windows, strict=True)
    )
    by_part = await earlier.parts(read, compared.before)
    own = {query.filters.user_id or "": Earlier.from_stored(summed(by_part, HOUR_TOTALS))}
    previous = _previous(
        compared,
        days=days,
        users=(now, before),
        active_by_day={day["_id"]: 1 for day in days[1]},
        by_part=by_part,
        top_users=own,
    )
    return parts._replace(previous=previous)


async def _days_of_user(read: Reader, query: ReportQuery, rows: Documents) -> Documents:
    days = await asyncio.to_thread(user_days.by_day, rows)
    if sum(day["requests"] for day in days) > speeds.EXACT_CALLS:
        return days
    durations = await read.ledger(ledger.durations_by_day(query))
    if sum(row["count"] for row in durations) < sum(day_rows.sketch(days).values()):
        return days  # retention has deleted calls of which the days are kept
    return day_rows.with_latency(query, days, durations)


def _of_user(query: ReportQuery, rows: Documents, days: Documents, series_by: SeriesBy | None) -> UsageParts:
    totals = summed(days)
    return UsageParts(
        totals=totals,
        days=days,
        active_users=int(bool(days)),
        active_by_day={day["_id"]: 1 for day in days},
        hours=week_hours(days),
        by_feature=grouped(rows, lambda row: row["feature"]),
        by_model=grouped(rows, lambda row: (row["provider"], row["model"])),
        by_provider=grouped(rows, lambda row: row["provider"]),
        top_users=[{"_id": query.filters.user_id, **totals}] if days else [],
        previous=None,
        series=None if series_by is None else user_days.by_day_and_name(rows, series_by),
    )


async def from_ledger(
    read: Reader,
    query: ReportQuery,
    compared: Compared | None = None,
    series_by: SeriesBy | None = None,
) -> UsageParts:
    """From the ledger, in a few passes over the window: what the others must be equal to."""
    (found,) = await read.ledger(ledger.usage(query))
    names = {SeriesBy.MODEL: "aiModel"}
    by_name = None if series_by is None else ledger.by_day_and_name(query, names.get(series_by, series_by))
    days = day_rows.with_latency(query, found["days"], await read.ledger(ledger.durations_by_day(query)))
    users = [row["_id"] for row in found["topUsers"]]
    return UsageParts(
        totals=first(found["totals"]),
        days=days,
        active_users=first(found["activeUsers"]).get("count", 0),
        active_by_day={row["_id"]: row["count"] for row in found["activeByDay"]},
        hours={(row["_id"]["weekday"], row["_id"]["hour"]): [row] for row in found["byHour"]},
        by_feature=[(row["_id"], row) for row in found["byFeature"]],
        by_model=[((row["_id"]["provider"], row["_id"]["model"]), row) for row in found["byModel"]],
        by_provider=[(row["_id"], row) for row in found["byProvider"]],
        top_users=found["topUsers"],
        previous=None if compared is None else await _previous_from_ledger(read, compared, days, users),
        series=None if by_name is None else await read.ledger(by_name),
    )


async def _previous_from_ledger(read: Reader, compared: Compared, days: Documents, users: list[str]) -> PreviousParts:
    before, whole = compared.before, whole_days(compared)
    counts = (
        (0, 0) if whole is None else (await _active_users(read, whole.now), await _active_users(read, whole.before))
    )
    window = before.window
    spans = window.before(before.until) if before.until else [(window.start, window.end)]
    of_users = {row["_id"]: row for row in await read.ledger(ledger.users_within(before, spans, users))}
    return _previous(
        compared,
        days=(days, await day_rows.from_ledger(read, compared.whole)),
        users=counts,
        active_by_day=await _active_by_day(read, compared.whole),
        by_part=await read.ledger(ledger.parts_within(before, spans)),
        top_users={user: Earlier.from_stored(of_users.get(user)) for user in users},
    )


async def _active_users(read: Reader, query: ReportQuery) -> int:
    count: int = first(await read.ledger(ledger.active_users(query))).get("count", 0)
    return count


async def _active_by_day(read: Reader, query: ReportQuery) -> dict[str, int]:
    return {row["_id"]: row["count"] for row in await read.ledger(ledger.active_by_day(query))}


def _feature(row: Document) -> str:
    name: str = row["_id"]["feature"]
    return name


def _model(row: Document) -> tuple[str, str]:
    return row["_id"]["provider"], row["_id"]["model"]


def _provider(row: Document) -> str:
    name: str = row["_id"]["provider"]
    return name


def usage_report(query: ReportQuery, parts: UsageParts, generated_at: datetime) -> UsageReport:
    """The report of these rows."""
    before = [] if parts.previous is None else parts.previous.by_part
    features, models, providers = (earlier.earlier_by(before, key) for key in (_feature, _model, _provider))
    users = {} if parts.previous is None else parts.previous.top_users
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
        by_feature=[
            FeatureTotals.from_stored(row, feature=feature, earlier=features.get(feature))
            for feature, row in parts.by_feature
        ],
        by_model=[
            ModelTotals.from_stored(row, provider=name[0], model=name[1], earlier=models.get(name))
            for name, row in parts.by_model
        ],
        by_provider=[
            ProviderTotals.from_stored(row, provider=provider, earlier=providers.get(provider))
            for provider, row in parts.by_provider
        ],
        top_users=[UserFigures.from_stored(row, earlier=users.get(row["_id"])) for row in parts.top_users],
        previous=None if parts.previous is None else previous_span(parts.previous, parts.totals),
        series=None if parts.series is None else series(query.window, parts.series),
        generated_at=generated_at,
    )
