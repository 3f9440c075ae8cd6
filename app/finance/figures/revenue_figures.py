"""Revenue of a window, as one view has it. What is after now is not in it, as no cost is. To be used in threads."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from app.finance.figures.known import View
from app.finance.figures.known_revenue import Holder, moment
from app.finance.figures.recognised import Scope, total
from app.reports.queries.rollup_rows import synthetic_of
from app.reports.query import ReportQuery
from app.reports.windows import DAY, TimeWindow, midnight, today

K = TypeVar("K")


def scope_of(query: ReportQuery) -> Scope:
    """Whose revenue a query counts."""
    return Scope(query.filters.client_id, query.filters.user_id, frozenset(synthetic_of(query.synthetic)))


def end_of(window: TimeWindow, now: datetime) -> datetime:
    """Up to when a window is counted: its end, or now; its start where it has not begun."""
    return max(window.start, min(window.end, now))


def begun(window: TimeWindow, until: datetime) -> list[datetime]:
    """The first moments of its days that have begun, and `until`, where they end."""
    starts = [start for day in window.days if (start := midnight(day, window.zone)) < until]
    return [*starts, until]


def by_day(view: View, query: ReportQuery, until: datetime) -> list[int]:
    """Recognised units of each day that has begun."""
    scope, window = scope_of(query), query.window
    bounds = [moment(start) for start in begun(window, until)]
    whole = bounds if until == window.end or _is_start(until, window) else bounds[:-1]
    sums = view.recognised.by_day(whole, view.booked, scope) if len(whole) > 1 else []
    if len(sums) < len(bounds) - 1:  # a day that is not over is another one at each moment
        part = view.recognised.of_today(_day(until, window), bounds[-1], view.booked)
        sums.append(total(part, view.recognised.wanted(scope)))
    return sums


def by_name(view: View, query: ReportQuery, until: datetime, name: Callable[[Holder], K]) -> dict[K, int]:
    """Recognised units of a window, by something of their holders."""
    window, start, end = query.window, moment(query.window.start), moment(until)
    over = end if until == window.end else min(end, _day(until, window)[0])
    parts = [view.recognised.by_holder(start, over, view.booked)] if over > start else []
    if end > max(over, start):
        parts.append(view.recognised.of_today(_day(until, window), end, view.booked))
    wanted, holders = view.recognised.wanted(scope_of(query)), view.entries.holders
    found: dict[K, int] = {}
    for part in parts:
        for number, units in part.items():
            if wanted[number]:
                key = name(holders[number])
                found[key] = found.get(key, 0) + units
    return found


def billed(view: View, query: ReportQuery, until: datetime) -> int:
    """Units that came due in a window."""
    due = view.entries.billed(moment(query.window.start), moment(until), view.booked)
    return total(due, view.recognised.wanted(scope_of(query)))


def _day(until: datetime, window: TimeWindow) -> tuple[int, int]:
    """The day that a moment is in: its first moment, and that of the next one."""
    day = today(until, window.zone)
    return moment(midnight(day, window.zone)), moment(midnight(day + DAY, window.zone))


def _is_start(until: datetime, window: TimeWindow) -> bool:
    return until == midnight(today(until, window.zone), window.zone)
