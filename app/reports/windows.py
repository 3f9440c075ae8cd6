"""Windows in the reporting time zone: of days, or from one instant to another. Only Python's zone data is used: MongoDB
gets UTC and offsets.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.errors import invalid

MAX_DAYS = 366
DEFAULT_DAYS = 30
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MAX_INSTANTS = 14 * DAY + HOUR
"""The longest window between two instants: fourteen days, on one of which clocks may be set back."""
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})", re.IGNORECASE)


@dataclass(frozen=True)
class TimeWindow:
    """The days from `first` to `last`, both included, as the zone counts them; of these only what lies between two
    instants, where there are such.
    """

    first: date
    last: date
    zone: ZoneInfo
    begin: datetime | None = None
    """On the first day, UTC; it belongs to the window."""
    until: datetime | None = None
    """On the last day or at its end, UTC; it does not belong to the window."""

    @property
    def is_timed(self) -> bool:
        """Whether it lies between two instants, instead of having whole days."""
        return self.begin is not None

    @property
    def start(self) -> datetime:
        """The first instant, UTC."""
        return midnight(self.first, self.zone) if self.begin is None else self.begin

    @property
    def end(self) -> datetime:
        """The instant after the last one, UTC."""
        return midnight(self.last + DAY, self.zone) if self.until is None else self.until

    @property
    def bounds(self) -> tuple[date, date]:
        """The first day and the last one."""
        return self.first, self.last

    @property
    def days(self) -> list[date]:
        return [self.first + i * DAY for i in range((self.last - self.first).days + 1)]

    def offsets(self) -> list[tuple[datetime, timedelta]]:
        """The zone's offsets from UTC within the window, as (instant from which it holds, offset), in order."""
        found = [(self.start, self._offset(self.start))]
        for earlier, later in pairwise([midnight(day, self.zone) for day in [*self.days, self.last + DAY]]):
            if self._offset(earlier) != self._offset(later):
                changed = self._change_between(earlier, later)
                if self.start < changed < self.end:
                    found.append((changed, self._offset(changed)))
        return found

    def spans(self, *, weekday: int | None, hour: int | None) -> list[tuple[datetime, datetime]]:
        """The instants of one weekday (1 for Monday to 7), of one hour of each day, or of both: from, up to before.

        Where clocks are set back, an hour occurs twice; where they are set forward, one is missing.
        """
        start, length = time() if hour is None else time(hour), DAY if hour is None else timedelta(hours=1)
        offsets = self.offsets()
        found: list[tuple[datetime, datetime]] = []
        for (begin, offset), until in zip(offsets, [*[change for change, _ in offsets[1:]], self.end], strict=True):
            for day in self.days:
                first = datetime.combine(day, start, UTC) - offset
                span = max(first, begin), min(first + length, until)
                if span[0] < span[1] and weekday in {None, day.isoweekday()}:
                    found.append(span)
        return found

    def before(self, clock: time) -> list[tuple[datetime, datetime]]:
        """The instants of all its days but the last, and of the last those at which clocks show less than this."""
        days_before = [(self.start, midnight(self.last, self.zone))] if self.first < self.last else []
        return [*days_before, *self.of_last_day(time(), clock)]

    def of_last_day(self, since: time, until: time | None = None) -> list[tuple[datetime, datetime]]:
        """The instants of the last day at which clocks show at least `since` and less than `until`: from, up to before.

        What clocks show twice is there twice; what they skip is not.
        """
        day = TimeWindow(self.last, self.last, self.zone)
        offsets = day.offsets()
        found: list[tuple[datetime, datetime]] = []
        for (begin, offset), end in zip(offsets, [*[change for change, _ in offsets[1:]], day.end], strict=True):
            first = max(begin, datetime.combine(self.last, since, UTC) - offset)
            last = end if until is None else min(end, datetime.combine(self.last, until, UTC) - offset)
            if first < last:
                found.append((first, last))
        return found

    def _offset(self, instant: datetime) -> timedelta:
        return instant.astimezone(self.zone).utcoffset() or timedelta()

    def _change_between(self, earlier: datetime, later: datetime) -> datetime:
        """The instant of the one change between two midnights. Zones change on whole minutes."""
        minute = timedelta(minutes=1)
        low, high = 0, (later - earlier) // minute
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(earlier + middle * minute) == self._offset(earlier):
                low = middle
            else:
                high = middle
        return earlier + high * minute


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of `day`, UTC; where the clock skips midnight, the first instant that the day has."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def today(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date()


def requested_window(
    *, days: int | None, first: date | None, last: date | None, now: datetime, zone: ZoneInfo
) -> TimeWindow:
    """The window of a request: `days` up to today, or `from` and `to` (today when left out); 30 days by default.

    Raises InvalidRequestError naming the parameter at fault.
    """
    if days is not None and (first is not None or last is not None):
        raise invalid("days", "give either days, or from and to")
    if first is None and last is None:
        days = DEFAULT_DAYS if days is None else days
        if not 1 <= days <= MAX_DAYS:
            raise invalid("days", f"must be between 1 and {MAX_DAYS}")
        last = today(now, zone)
        return TimeWindow(last - (days - 1) * DAY, last, zone)
    if first is None:
        raise invalid("from", "is missing: to needs from")
    last = today(now, zone) if last is None else last
    check_days(first, last)
    return TimeWindow(first, last, zone)


def timed_window(begin: str | None, until: str | None, zone: ZoneInfo) -> TimeWindow:
    """The window from one instant up to before another, both as RFC 3339 has them.

    Raises InvalidRequestError naming the parameter at fault.
    """
    first, last = _instant("fromTime", begin), _instant("toTime", until)
    if first >= last:
        raise invalid("fromTime", f"must be before toTime ({until})")
    if last - first > MAX_INSTANTS:
        raise invalid("fromTime", "is more than 14 days before toTime; request a shorter window, or days")
    end = (last - timedelta(milliseconds=1)).astimezone(zone).date()
    return TimeWindow(first.astimezone(zone).date(), end, zone, first, last)


def _instant(field: str, value: str | None) -> datetime:
    """In whole ms, UTC."""
    if value is None:
        raise invalid(field, "is missing: fromTime and toTime belong together")
    if _INSTANT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if date(2000, 1, 1) <= moment.date() <= date(9000, 1, 1):
                return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            raise invalid(field, "must be between 2000-01-01 and 9000-01-01")
    way_out = "must be a date and a time with its time zone, as 2026-11-28T12:00:00Z (in an address, + is written %2B)"
    raise invalid(field, way_out)


def check_days(first: date, last: date, from_name: str = "from", to_name: str = "to") -> None:
    """Raises InvalidRequestError naming the parameter at fault where these can be no window."""
    if first > last:
        raise invalid(from_name, f"must not be after {to_name} ({last})")
    if (last - first).days >= MAX_DAYS:
        raise invalid(from_name, f"is more than {MAX_DAYS} days before {to_name}; request a shorter window")
    if not date(2000, 1, 1) <= first <= last <= date(9000, 1, 1):
        raise invalid(from_name, f"must be between 2000-01-01 and 9000-01-01, and so must {to_name}")
