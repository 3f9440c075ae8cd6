"""The periods of the overview, and the comparable periods of its trends."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.windows import DAY, TimeWindow, today


class Comparison(NamedTuple):
    """Two comparable periods. None where there is nothing to compare yet."""

    now: ReportQuery | None
    before: ReportQuery | None
    words: str


class Spans(NamedTuple):
    """The periods of an overview at one moment."""

    day: ReportQuery
    month: ReportQuery
    of_day: Comparison
    """Today's complete hours against the same hours of yesterday, in local time."""
    of_month: Comparison
    """The month's complete days against as many days of the previous month, as far as it has that many."""


def spans(now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None) -> Spans:
    """The periods at `now`, of one client or of all."""
    this_day = today(now, zone)
    day = ReportQuery(TimeWindow(this_day, this_day, zone), Filters(client_id=client_id), synthetic)
    month = day.over(this_day.replace(day=1), this_day)
    return Spans(day, month, _of_day(day, now.astimezone(zone).hour), _of_month(month))


def before(query: ReportQuery) -> ReportQuery:
    """The period of equal length directly before a window."""
    window = query.window
    length = len(window.days) * DAY
    return query.over(window.first - length, window.last - length)


def of_window(query: ReportQuery, moment: datetime) -> Comparison:
    """A window against the period of equal length directly before it, day by day.

    For a window that ends today, its complete days against as many of the previous period; for today alone, its
    complete hours against the same hours.
    """
    window, earlier = query.window, before(query).window
    this_day = today(moment, window.zone)
    if window.first == this_day:
        hour = moment.astimezone(window.zone).hour
        now = replace(query.over(window.first, window.first), hours_before=hour)
        words = f"{window.first} against {earlier.first}, 00:00 to {hour:02}:00"
        return Comparison(now, now.over(earlier.first, earlier.first), words)
    last = min(window.last, this_day - DAY) if window.first < this_day else window.last
    last_before = earlier.first + (last - window.first)
    words = f"{window.first} to {last} against {earlier.first} to {last_before}"
    return Comparison(query.over(window.first, last), query.over(earlier.first, last_before), words)


def year_before(query: ReportQuery, moment: datetime) -> Comparison:
    """A window against the same dates a year earlier, where 29 February is 28 February. For a window that ends today or
    later, its complete days; for today alone, its complete hours.
    """
    window, this_day = query.window, today(moment, query.window.zone)
    if window.first == this_day:
        query = replace(query, hours_before=moment.astimezone(window.zone).hour)
    last = min(window.last, this_day - DAY) if window.first < this_day else window.last
    return against(query.over(window.first, last), _year_before(window.first), _year_before(last))


def against(query: ReportQuery, first: date, last: date) -> Comparison:
    """A window against other days, which may be of any number."""
    window = query.window
    return Comparison(query, query.over(first, last), f"{window.first} to {window.last} against {first} to {last}")


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _of_day(day: ReportQuery, hour: int) -> Comparison:
    this_day, yesterday = day.window.first, day.window.first - DAY
    complete = replace(day, hours_before=hour)
    words = f"{this_day} against {yesterday}, 00:00 to {hour:02}:00"
    return Comparison(complete, complete.over(yesterday, yesterday), words)


def _of_month(month: ReportQuery) -> Comparison:
    first = month.window.first
    first_before = (first - DAY).replace(day=1)
    days = min((month.window.last - first).days, (first - first_before).days)
    if days == 0:
        return Comparison(None, None, "the month has no complete day yet")
    span = timedelta(days=days - 1)
    words = f"{first} to {first + span} against {first_before} to {first_before + span}"
    return Comparison(month.over(first, first + span), month.over(first_before, first_before + span), words)
