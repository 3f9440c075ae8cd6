"""The previous period of a window, with which its figures are compared like for like."""

from decimal import Decimal
from typing import NamedTuple

from app.reports.parts.day_rows import latency, usage_days, within
from app.reports.parts.figures import described, summed, week_hours
from app.reports.periods import Comparison
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents
from app.reports.rows import (
    Percentiles,
    Row,
    Tokens,
    Totals,
    UsageDay,
    Window,
    change,
    percent,
)
from models.money import to_decimal
from models.rollups import HOUR_TOTALS

UNKNOWN = Percentiles(p50=None, p95=None, p99=None)


class ComparedTotals(Row):
    """As `Totals`. Where hours are compared, figures that are not kept by hour are null."""

    requests: int
    cost: Decimal
    saved_cost: Decimal | None
    tokens: Tokens | None
    successes: int
    errors: int
    cached: int | None
    unpriced: int | None
    estimated: int | None
    success_rate: Decimal | None
    cache_hit_rate: Decimal | None
    average_duration: Decimal | None


class ComparedSpan(Row):
    """One of two comparable periods."""

    window: Window
    hours: int | None
    """Where hours are compared: how many of its single day, from 00:00 on; null for whole days."""
    totals: ComparedTotals
    active_users: int | None
    """Null where hours are compared."""
    latency: Percentiles
    """Null where hours are compared, and when filtered by model or feature (except for a single user)."""


class Changes(Row):
    """From the previous period to this window, each null where either is, or where there is nothing to compare with."""

    requests: Decimal | None
    """In percent, as are all but the success rate."""
    cost: Decimal | None
    saved_cost: Decimal | None
    success_rate: Decimal | None
    """In percentage points."""
    p95: Decimal | None
    active_users: Decimal | None


class PreviousSpan(ComparedSpan):
    """The period of equal length directly before a window, like for like: for a window that ends today, its complete
    days against as many of the previous period; for today alone, its complete hours against the same hours. So `window`
    and the figures may cover less than the whole period; `daily` has all of its days.
    """

    compared: str
    """The two periods, in words."""
    of_window: ComparedSpan
    """The part of the window that is compared with it."""
    changes: Changes
    daily: list[UsageDay]
    """Every day of the period, in the order of the window's own, so that they can be overlaid."""


class LikeSpan(NamedTuple):
    """Days, or the first hours of one, with their figures."""

    query: ReportQuery
    totals: Document
    active_users: int
    latency: Percentiles


class PreviousParts(NamedTuple):
    """What the report needs from the previous period."""

    whole: ReportQuery
    words: str
    now: LikeSpan
    before: LikeSpan
    days: Documents
    """Of the whole period."""
    active_by_day: dict[str, int]


def like_spans(comparison: Comparison) -> tuple[ReportQuery, ReportQuery]:
    """Both periods of a comparison that has them, as that of a window always does."""
    now, earlier = comparison.now, comparison.before
    assert now is not None  # noqa: S101 - says so to the type checker
    assert earlier is not None  # noqa: S101 - as above
    return now, earlier


def like_span(query: ReportQuery, rows: Documents, active_users: int) -> LikeSpan:
    """A period's figures from the rows of days, with their hours where hours are requested."""
    chosen = within(rows, query.window)
    if query.hours_before is None:
        return LikeSpan(query, summed(chosen), active_users, latency(chosen))
    hours = week_hours(chosen)
    early = [row for (_, hour), of_hour in hours.items() if hour < query.hours_before for row in of_hour]
    return LikeSpan(query, summed(early, HOUR_TOTALS), active_users, UNKNOWN)


def previous_span(parts: PreviousParts) -> PreviousSpan:
    """The part of the response."""
    now, earlier = _compared(parts.now), _compared(parts.before)
    return PreviousSpan(
        **dict(earlier),
        compared=parts.words,
        of_window=now,
        changes=_changes(now, earlier),
        daily=usage_days(parts.whole.window, parts.days, parts.active_by_day),
    )


def _compared(span: LikeSpan) -> ComparedSpan:
    hours = span.query.hours_before
    return ComparedSpan(
        window=described(span.query.window),
        hours=hours,
        totals=_of_days(span.totals) if hours is None else _of_hours(span.totals),
        active_users=span.active_users if hours is None else None,
        latency=span.latency,
    )


def _of_days(stored: Document) -> ComparedTotals:
    return ComparedTotals(**dict(Totals.from_stored(stored)))


def _of_hours(stored: Document) -> ComparedTotals:
    requests, successes = stored["requests"], stored["successes"]
    return ComparedTotals(
        requests=requests,
        cost=to_decimal(stored["cost"]),
        successes=successes,
        errors=requests - successes,
        success_rate=percent(successes, requests),
        saved_cost=None,
        tokens=None,
        cached=None,
        unpriced=None,
        estimated=None,
        cache_hit_rate=None,
        average_duration=None,
    )


def _changes(now: ComparedSpan, before: ComparedSpan) -> Changes:
    new, old = now.totals, before.totals
    rates = new.success_rate, old.success_rate
    return Changes(
        requests=change(new.requests, old.requests),
        cost=change(new.cost, old.cost),
        saved_cost=_change(new.saved_cost, old.saved_cost),
        success_rate=None if rates[0] is None or rates[1] is None else rates[0] - rates[1],
        p95=_change(now.latency.p95, before.latency.p95),
        active_users=_change(now.active_users, before.active_users),
    )


def _change(new: Decimal | int | None, old: Decimal | int | None) -> Decimal | None:
    return None if new is None or old is None else change(new, old)
