"""The steps of a window: days, hours or minutes, in the reporting time zone.

Hours are those of the clock. One that occurs twice, because clocks are set back, is two buckets; one that is skipped is
none.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from app.errors import invalid
from app.reports.windows import DAY, HOUR, MAX_INSTANTS, TimeWindow, midnight

MINUTE = timedelta(minutes=1)
QUARTER_MINUTES = 15
QUARTER = timedelta(minutes=QUARTER_MINUTES)
"""Since 2000 every zone has changed only at full quarters of an hour."""
LONGEST_OF_MINUTES = DAY + HOUR
"""A day on which clocks are set back."""


class Step(StrEnum):
    """How long the buckets of a window are."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Buckets(NamedTuple):
    """A window in steps. Amid them are hours that cells know, and the rest."""

    starts: Sequence[datetime]
    """When each begins, UTC, in order; the last one ends with the window."""
    hours: dict[tuple[str, int], int]
    """By local day and hour: the bucket in which that hour lies as a whole, and just once."""
    odd: Sequence[tuple[datetime, datetime]]
    """What of the window is in no such hour: from, up to before."""

    def place(self, moment: datetime) -> int:
        """The bucket of a moment. What is before the first one was rounded down."""
        return max(0, bisect_right(self.starts, moment) - 1)


def chosen_step(window: TimeWindow, wanted: Step | None) -> Step:
    """The step that is wanted, else the shortest that the window may have. Raises InvalidRequestError."""
    length = window.end - window.start
    if wanted is None:
        return Step.MINUTE if length <= LONGEST_OF_MINUTES else Step.HOUR if length <= MAX_INSTANTS else Step.DAY
    if wanted is Step.MINUTE and length > LONGEST_OF_MINUTES:
        raise invalid("step", "minute covers at most 24 hours; request hour, or a shorter window")
    if wanted is Step.HOUR and length > MAX_INSTANTS:
        raise invalid("step", "hour covers at most 14 days; request day, or a shorter window")
    return wanted


def buckets_of(window: TimeWindow, step: Step) -> Buckets:
    """The buckets of a window. Minutes, and whole days, are in no hour that cells know."""
    if step is Step.MINUTE:
        first = window.start.replace(second=0, microsecond=0)
        minutes = -((first - window.end) // MINUTE)
        return Buckets(
            [max(window.start, first + i * MINUTE) for i in range(minutes)], {}, [(window.start, window.end)]
        )
    days = [max(window.start, midnight(day, window.zone)) for day in window.days]
    if step is Step.DAY and not window.is_timed:
        return Buckets(days, {}, [])
    hours = _hours(window)
    counted = Counter((day, hour) for _, _, day, hour in hours)
    within = [(max(start, window.start), min(end, window.end), day, hour) for start, end, day, hour in hours]
    shown = [(bucket, full) for bucket, full in zip(within, hours, strict=True) if bucket[0] < bucket[1]]
    starts = days if step is Step.DAY else [bucket[0] for bucket, _ in shown]
    odd: list[tuple[datetime, datetime]] = []
    found = Buckets(starts, {}, odd)
    for (start, end, day, hour), full in shown:
        if (start, end) == full[:2] and counted[day, hour] == 1:
            found.hours[day, hour] = found.place(start)
        elif odd and odd[-1][1] == start:
            odd[-1] = odd[-1][0], end
        else:
            odd.append((start, end))
    return found


def _hours(window: TimeWindow) -> list[tuple[datetime, datetime, str, int]]:
    """Start, end, local day and local hour of every hour of the window's days."""
    start, end = midnight(window.first, window.zone), midnight(window.last + DAY, window.zone)
    found: list[tuple[datetime, datetime, str, int]] = []
    before: tuple[object, ...] = ()
    for number in range((end - start) // QUARTER):
        moment = start + number * QUARTER
        local = moment.astimezone(window.zone)
        of = local.date().isoformat(), local.hour
        if (*of, local.utcoffset()) == before:
            found[-1] = found[-1][0], moment + QUARTER, *of
        else:
            found.append((moment, moment + QUARTER, *of))
        before = *of, local.utcoffset()
    return found
