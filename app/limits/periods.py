"""Which period of a window a moment falls in: by the calendar of a zone, or n intervals after an anchor.

Periods of one window follow each other without gap or overlap, and a moment on a boundary is in the later one. Each
boundary is found from the calendar or the anchor, never from the boundary before it: a month that begins on the 31st
begins on the 28th of February, and on the 31st of March again.

Clocks that are put back show some times twice, and when put forward some never. A boundary is the first moment at which
clocks show it; where they skip it, the moment at which they do. So a day has 23 to 25 hours, and an hour of local time
that happens twice is two periods.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.fields import OLDEST
from models.limits import NEVER, Interval, Period, Window

_MINUTE, _QUARTER = timedelta(minutes=1), timedelta(minutes=15)
_DAYS = {Interval.DAY: 1, Interval.WEEK: 7}
_MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.YEAR: 12}


LIFETIME = Period(OLDEST, NEVER)
"""The one period of what never begins anew: no call is older."""


class Cycle(NamedTuple):
    """The periods of a subscription: each begins a whole number of intervals after the anchor."""

    anchor: date
    interval: Interval
    zone: ZoneInfo
    since: datetime | None = None
    """From when it holds: the end of a period of the cycle before it; None for the first one."""


def period_of(moment: datetime, window: Window, zone: ZoneInfo, cycles: Sequence[Cycle] = ()) -> Period:
    """The period that `moment` (aware) is in. `Window.PERIOD` needs `cycles`, in order, which have zones of their own.

    Raises ValueError where there is none.
    """
    moment = moment.astimezone(UTC)
    match window:
        case Window.LIFETIME:
            return LIFETIME
        case Window.MINUTE:
            start = moment.replace(second=0, microsecond=0)  # offsets are whole minutes
            return Period(start, start + _MINUTE)
        case Window.HOUR:
            return _hour(moment, zone)
        case Window.PERIOD:
            return _subscribed(moment, cycles)
    day = moment.astimezone(zone).date()
    cycle = {
        Window.DAY: Cycle(day, Interval.DAY, zone),
        Window.WEEK: Cycle(day - timedelta(days=day.weekday()), Interval.WEEK, zone),
        Window.MONTH: Cycle(day.replace(day=1), Interval.MONTH, zone),
        Window.YEAR: Cycle(day.replace(month=1, day=1), Interval.YEAR, zone),
    }[window]
    return _natural(moment, cycle)


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins in `zone`: its midnight, the first of two, or the moment at which clocks skip it."""
    wall = datetime.combine(day, time())
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(found, zone) == wall:
        return found
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # the other reading of a skipped time
    seconds = int((found - before).total_seconds())
    low, high = 0, seconds
    while low < high:
        middle = (low + high) // 2
        if _wall(before + timedelta(seconds=middle), zone) < wall:
            low = middle + 1
        else:
            high = middle
    return before + timedelta(seconds=low)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _hour(moment: datetime, zone: ZoneInfo) -> Period:
    """From one full hour of local time to the next, or to a change of clocks in between. Both are at full quarters."""
    start = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    end = start + _QUARTER
    while not _begins(start, zone):
        start -= _QUARTER
    while not _begins(end, zone):
        end += _QUARTER
    return Period(start, end)


def _begins(quarter: datetime, zone: ZoneInfo) -> bool:
    local, before = quarter.astimezone(zone), (quarter - _QUARTER).astimezone(zone)
    return local.minute == 0 or local.utcoffset() != before.utcoffset()


def _subscribed(moment: datetime, cycles: Sequence[Cycle]) -> Period:
    if not cycles:
        raise ValueError("a period of a subscription needs its anchor")
    n = max((n for n, cycle in enumerate(cycles) if n == 0 or _since(cycle) <= moment))
    found = _natural(moment, cycles[n])
    if n > 0:
        first = _first(cycles[n], cycles[n - 1].zone)
        if moment < first.end:
            found = first
    return found if n + 1 == len(cycles) else Period(found.start, min(found.end, _since(cycles[n + 1])))


def _first(cycle: Cycle, zone_before: ZoneInfo) -> Period:
    """The first period of a later cycle: from the end of the last one of the cycle before it, which is kept, to the end
    of the period that begins on the same day here.
    """
    since = _since(cycle)
    day = since.astimezone(zone_before).date()
    end = _natural(first_moment(day, cycle.zone), cycle).end
    while end <= since:
        end = _natural(end, cycle).end
    return Period(since, end)


def _since(cycle: Cycle) -> datetime:
    return OLDEST if cycle.since is None else cycle.since


def _natural(moment: datetime, cycle: Cycle) -> Period:
    """The period around `moment`, had the cycle been there always."""
    n = _guess(moment.astimezone(cycle.zone).date(), cycle)
    period = Period(_boundary(cycle, n), _boundary(cycle, n + 1))
    while moment < period.start:  # clocks and short months shift it by one
        n -= 1
        period = Period(_boundary(cycle, n), period.start)
    while moment >= period.end:
        n += 1
        period = Period(period.end, _boundary(cycle, n + 1))
    return period


def _boundary(cycle: Cycle, n: int) -> datetime:
    """When the n-th period begins."""
    return first_moment(intervals_later(cycle.anchor, cycle.interval, n), cycle.zone)


def intervals_later(day: date, interval: Interval, n: int) -> date:
    """The day on which the n-th interval after `day` begins; of a shorter month the last."""
    days = _DAYS.get(interval)
    return _months_later(day, n * _MONTHS[interval]) if days is None else day + timedelta(days=n * days)


def _guess(day: date, cycle: Cycle) -> int:
    """Which period a day is in, give or take one."""
    days = _DAYS.get(cycle.interval)
    if days is not None:
        return (day - cycle.anchor).days // days
    months = (day.year - cycle.anchor.year) * 12 + day.month - cycle.anchor.month
    return months // _MONTHS[cycle.interval]


def _months_later(day: date, months: int) -> date:
    """The same day of another month; its last one where it has no such day."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, monthrange(years, month + 1)[1]))
