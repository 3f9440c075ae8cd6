"""The periods of the overview, and the periods with which others are compared."""

from dataclasses import replace
from datetime import date, datetime, time
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.errors import invalid
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.windows import DAY, TimeWindow, today

WEEK = 7 * DAY
MILLISECOND = 1_000
"""In microseconds. The ledger's times have no more."""


class Compare(StrEnum):
    """What a window can be compared with."""

    PREVIOUS = "previous"
    """As many days directly before it."""
    WEEK = "week"
    """As many days directly before it, or a few further back, so that weekdays are the same."""
    MONTH = "month"
    """The same days of the month before, or all of it where the window is a whole month."""
    YEAR = "year"
    """The same dates of the year before."""


class Days(NamedTuple):
    """Both included."""

    first: date
    last: date


Wish = Compare | Days
"""With what a window is to be compared: days by name may be of any number."""


class Comparison(NamedTuple):
    """Two comparable periods."""

    now: ReportQuery
    before: ReportQuery
    words: str


class Compared(NamedTuple):
    """A window and what it is compared with."""

    now: ReportQuery
    before: ReportQuery
    """The same span: where the window is not over, up to the same time of as many days."""
    whole: ReportQuery
    """Every day of the earlier period, in the order of the window's own, so that they can be overlaid."""
    words: str
    complete: Comparison | None
    """Where the window is not over: its complete days, against as many. None where it has none."""


class Spans(NamedTuple):
    """The periods of an overview at one moment."""

    day: ReportQuery
    month: ReportQuery
    of_day: Compared
    """Today against yesterday, to the same time."""
    of_month: Compared
    """The month to date against the same days of the month before, as far as it has them, to the same time."""


def spans(now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None = None) -> Spans:
    """The periods at `now`, of one client or of all."""
    this_day = today(now, zone)
    day = ReportQuery(TimeWindow(this_day, this_day, zone), Filters(client_id=client_id), synthetic)
    month = day.over(this_day.replace(day=1), this_day)
    return Spans(day, month, compared(day, now), compared(month, now, Compare.MONTH))


def before(query: ReportQuery) -> ReportQuery:
    """The period of equal length directly before a window."""
    return query.over(*_earlier(query.window, Compare.PREVIOUS))


def compared(query: ReportQuery, moment: datetime, wish: Wish = Compare.PREVIOUS) -> Compared:
    """A window and the period that it is compared with, like for like: what of a window is still to come is compared
    with nothing, and a day that is not over with another up to the same time, as clocks showed it.
    """
    window, whole = query.window, query.over(*_earlier(query.window, wish))
    this_day = today(moment, window.zone)
    if not window.first <= this_day <= window.last:
        return Compared(query, whole, whole, _words(query, whole), None)
    last = _like(this_day, window, whole.window, wish)
    until = None if last is None else _clock(moment, window.zone)
    earlier = whole if last is None else replace(whole.over(whole.window.first, last), until=until)
    words = _words(query.over(window.first, this_day), earlier)
    return Compared(query, earlier, whole, words, None if until is None else complete_days(query, moment, wish))


def complete_days(query: ReportQuery, moment: datetime, wish: Wish = Compare.PREVIOUS) -> Comparison | None:
    """The days of a window that are over against those that stand for them; None where no day is over."""
    window, whole = query.window, query.over(*_earlier(query.window, wish))
    this_day = today(moment, window.zone)
    if window.first == this_day:
        return None
    if not window.first < this_day <= window.last:
        return against(query, *whole.window.bounds)
    last = _like(this_day - DAY, window, whole.window, wish) or whole.window.last
    return against(query.over(window.first, this_day - DAY), whole.window.first, last)


def against(query: ReportQuery, first: date, last: date) -> Comparison:
    """A window against other days, which may be of any number."""
    earlier = query.over(first, last)
    return Comparison(query, earlier, _words(query, earlier))


def _like(day: date, window: TimeWindow, earlier: TimeWindow, wish: Wish) -> date | None:
    """The day that stands for this one of the window; None where there is none: in a shorter month, and among days by
    name that are not as many.
    """
    if wish is Compare.YEAR:
        return _year_before(day)
    if isinstance(wish, Days) and len(earlier.days) != len(window.days):
        return None
    like = earlier.first + (day - window.first)
    return like if like <= earlier.last else None


def _earlier(window: TimeWindow, wish: Wish) -> Days:
    if isinstance(wish, Days):
        return wish
    if wish is Compare.YEAR:
        return Days(_year_before(window.first), _year_before(window.last))
    if wish is Compare.MONTH:
        return _month_before(window)
    length = len(window.days) * DAY
    if wish is Compare.WEEK:
        length = -(-length // WEEK) * WEEK
    return Days(window.first - length, window.last - length)


def _month_before(window: TimeWindow) -> Days:
    def month_before(day: date) -> date:
        end = day.replace(day=1) - DAY
        return end.replace(day=min(day.day, end.day))

    first, last = window.first, window.last
    if (first.year, first.month) != (last.year, last.month):
        message = "compares within a month: the window is in several; use previous, week or year"
        raise invalid("compare", message)
    whole_month = first.day == 1 and (last + DAY).day == 1
    return Days(month_before(first), first - DAY if whole_month else month_before(last))


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _clock(moment: datetime, zone: ZoneInfo) -> time:
    clock = moment.astimezone(zone).time()
    return clock.replace(microsecond=clock.microsecond // MILLISECOND * MILLISECOND, fold=0)


def _words(now: ReportQuery, earlier: ReportQuery) -> str:
    """Such as `2026-11-01 to 2026-11-14 against 2026-10-01 to 2026-10-14, to 09:30`."""

    def days(window: TimeWindow) -> str:
        return str(window.first) if window.first == window.last else f"{window.first} to {window.last}"

    clock = "" if earlier.until is None else f", to {earlier.until:%H:%M}"
    return f"{days(now.window)} against {days(earlier.window)}{clock}"
