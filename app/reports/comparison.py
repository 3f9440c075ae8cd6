"""What a window is compared with: an earlier period up to the same moment, so that a change is that of its figure."""

from decimal import Decimal
from typing import NamedTuple

from app.reports.parts.day_rows import latency, usage_days
from app.reports.parts.figures import described, summed
from app.reports.periods import Compared, Comparison
from app.reports.reader import Document, Documents
from app.reports.rows import (
    Earlier,
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
    """As `Totals`. Up to a time of the last day, what is not kept by the hour is null."""

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
    """Whole days."""

    window: Window
    totals: Totals
    active_users: int
    latency: Percentiles


class CompleteDays(Row):
    """The days of a window that are over, against as many earlier ones: for what is not kept by the hour."""

    compared: str
    """The two periods, in words."""
    now: ComparedSpan
    earlier: ComparedSpan


class Changes(Row):
    """From the earlier period to this window, each null where either is, or where there is nothing to compare with.

    Those of requests, cost and success rate are of the whole window, to this moment. The others are as well where it is
    over, else of its complete days; and null on its first day.
    """

    requests: Decimal | None
    """In percent, as are all but the success rate."""
    cost: Decimal | None
    saved_cost: Decimal | None
    success_rate: Decimal | None
    """In percentage points."""
    p95: Decimal | None
    active_users: Decimal | None


class PreviousSpan(Row):
    """What a window is compared with: for one that is not over, an earlier period up to the same moment."""

    window: Window
    """Of which the last day counts up to `until`."""
    until: str | None
    """Hours and minutes, as clocks showed them; null for whole days."""
    compared: str
    """The two periods, in words."""
    totals: ComparedTotals
    changes: Changes
    complete_days: CompleteDays | None
    """Null where the window is over, and on its first day."""
    daily: list[UsageDay]
    """Every day of the earlier period, in the order of the window's own, so that they can be overlaid."""


class Span(NamedTuple):
    """Whole days with their figures."""

    window: Window
    totals: Document
    active_users: int
    latency: Percentiles


class PreviousParts(NamedTuple):
    """What the report needs of the earlier period."""

    compared: Compared
    totals: Document
    """To the time of its last day where there is one: HOUR_TOTALS."""
    now: Span | None
    """The complete days of the window; all of it where it is over. None on its first day."""
    before: Span | None
    """Those that they are compared with."""
    days: Documents
    """Of the whole earlier period."""
    active_by_day: dict[str, int]
    by_part: Documents
    """As `parts.earlier.parts`."""
    top_users: dict[str, Earlier | None]


def whole_days(compared: Compared) -> Comparison | None:
    """The whole days that can be compared."""
    if compared.before.until is not None:
        return compared.complete
    return Comparison(compared.now, compared.before, compared.words)


def previous_span(parts: PreviousParts, totals: Document) -> PreviousSpan:
    """The part of the response; `totals` are the window's."""
    compared = parts.compared
    running = compared.before.until is not None
    earlier = _of_hours(summed([parts.totals], HOUR_TOTALS)) if running else _of_days(parts.totals)
    spans = None if parts.now is None or parts.before is None else (_span(parts.now), _span(parts.before))
    complete = None
    if running and spans is not None and compared.complete is not None:
        complete = CompleteDays(compared=compared.complete.words, now=spans[0], earlier=spans[1])
    return PreviousSpan(
        window=described(compared.before.window),
        until=f"{compared.before.until:%H:%M}" if compared.before.until else None,
        compared=compared.words,
        totals=earlier,
        changes=_changes(Totals.from_stored(totals), earlier, spans),
        complete_days=complete,
        daily=usage_days(compared.whole.window, parts.days, parts.active_by_day),
    )


def span(of: Comparison, rows: tuple[Documents, Documents], users: tuple[int, int]) -> tuple[Span, Span]:
    """Both sides, from the rows of their days."""
    now, before = (
        Span(described(query.window), summed(days), count, latency(days))
        for query, days, count in zip((of.now, of.before), rows, users, strict=True)
    )
    return now, before


def _span(of: Span) -> ComparedSpan:
    return ComparedSpan(
        window=of.window, totals=Totals.from_stored(of.totals), active_users=of.active_users, latency=of.latency
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


def _changes(new: Totals, old: ComparedTotals, spans: tuple[ComparedSpan, ComparedSpan] | None) -> Changes:
    rates = new.success_rate, old.success_rate
    saved = p95 = users = None
    if spans is not None:
        now, before = spans
        saved = change(now.totals.saved_cost, before.totals.saved_cost)
        p95 = _change(now.latency.p95, before.latency.p95)
        users = change(now.active_users, before.active_users)
    return Changes(
        requests=change(new.requests, old.requests),
        cost=change(new.cost, old.cost),
        saved_cost=saved,
        success_rate=None if rates[0] is None or rates[1] is None else rates[0] - rates[1],
        p95=p95,
        active_users=users,
    )


def _change(new: Decimal | int | None, old: Decimal | int | None) -> Decimal | None:
    return None if new is None or old is None else change(new, old)
