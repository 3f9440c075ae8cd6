"""A calendar month in the deployment's time zone."""

import re
from datetime import date, datetime
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from app.errors import ConflictError, invalid
from app.reports.windows import DAY, TimeWindow, today

_TEXT = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
EARLIEST, LATEST = 2000, 8999
"""Years."""


class Month(NamedTuple):
    """As the calendar has it."""

    year: int
    number: int

    @classmethod
    def of_text(cls, text: str) -> Self:
        """From `2026-10`. Raises InvalidRequestError."""
        found = _TEXT.fullmatch(text)
        if found is None or not EARLIEST <= int(found[1]) <= LATEST:
            raise invalid("month", f"must be a month as 2026-10, from {EARLIEST}-01 on")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_day(cls, day: date) -> Self:
        return cls(day.year, day.month)

    @property
    def text(self) -> str:
        return f"{self.year}-{self.number:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        return self.after.first - DAY

    @property
    def before(self) -> "Month":
        return Month.of_day(self.first - DAY)

    @property
    def after(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def window(self, zone: ZoneInfo) -> TimeWindow:
        """All of its days."""
        return TimeWindow(self.first, self.last, zone)

    def is_over(self, now: datetime, zone: ZoneInfo) -> bool:
        return now >= self.window(zone).end

    def check_closable(self, now: datetime, zone: ZoneInfo) -> None:
        """Raises ConflictError where it is not over."""
        end = self.window(zone).end
        if now < end:
            at = end.astimezone(zone).isoformat()
            raise ConflictError(f"{self.text} is not over: it can be closed from {at} ({zone.key})")

    def check_over(self, now: datetime, zone: ZoneInfo, *, preview: bool) -> None:
        """Raises ConflictError where it is not over, or, for a preview, has not begun."""
        if self.is_over(now, zone):
            return
        end = self.window(zone).end.astimezone(zone).isoformat()
        if today(now, zone) < self.first:
            begins = self.window(zone).start.astimezone(zone).isoformat()
            raise ConflictError(f"{self.text} has not begun: it begins at {begins}, and its report is there from {end}")
        if not preview:
            way = "add preview=true for what there is up to now, marked as a preview"
            raise ConflictError(f"{self.text} is not over: its report is there from {end} ({zone.key}); {way}")

    def so_far(self, now: datetime, zone: ZoneInfo) -> TimeWindow:
        """Its days up to today."""
        return TimeWindow(self.first, min(self.last, today(now, zone)), zone)

    def as_many_days(self, window: TimeWindow) -> TimeWindow:
        """All of its days; of a window that is not all of its month, as many from the first on."""
        of_window = Month.of_day(window.first)
        if window.last == of_window.last:
            return self.window(window.zone)
        return TimeWindow(self.first, min(self.last, self.first + (window.last - window.first)), window.zone)
