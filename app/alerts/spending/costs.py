"""Whether what a day or an hour costs is above what is usual for that weekday and hour.

All of it is judged from the costs of hours alone, so that a back-test says what was, or would have been, told.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from app.alerts.spending.ranges import FEWEST, PERCENT, Range, Width, median, usual_range

HOURS = 24
WEEKS = 8
"""Of which the same weekday is compared."""
LEVEL_DAYS = 7
HISTORY_DAYS = 7 * WEEKS + LEVEL_DAYS + 1
"""As many days before one are read to judge it."""
DAY_TIMES_PERCENT = 200
DAY_DEVIATIONS = 6
HOUR_TIMES_PERCENT = 300
HOUR_DEVIATIONS = 16
ONE_DAY = timedelta(days=1)
ONE_WEEK = timedelta(weeks=1)

Hours = Sequence[int]
"""Of a day, 24 of them, in the smallest stored unit of USD."""
Days = Mapping[date, Hours]
"""Without those on which nothing was called."""
NOTHING: Hours = (0,) * HOURS
NOTHING_TOLD: Mapping[int, int] = {}


class Span(StrEnum):
    """What is unusual."""

    DAY = "day"
    HOUR = "hour"


class Unusual(NamedTuple):
    """A cost above its usual range."""

    span: Span
    day: date
    hour: int
    """Up to its end a day was compared."""
    cost: int
    range: Range


def alike(day: date, first: date) -> list[date]:
    """The same weekday of the weeks before, from the first day on that anything is known of."""
    return [each for week in range(1, WEEKS + 1) if (each := day - week * ONE_WEEK) >= first]


class Judge:
    """Judges one scope: a client, or everyone."""

    def __init__(self, days: Days, floor: int) -> None:
        """`floor` is how much more than usual it must be."""
        self._days = days
        self.first = min(days, default=date.max)
        self._of_day = Width(DAY_TIMES_PERCENT, DAY_DEVIATIONS, floor)
        self._of_hour = Width(HOUR_TIMES_PERCENT, HOUR_DEVIATIONS, floor)
        self._before: dict[date, list[date]] = {}
        self._levels: dict[date, int] = {}
        self._sums: dict[date, list[int]] = {}
        """Up to the end of each hour."""

    def knows_enough(self, day: date) -> bool:
        """Whether there is history enough to judge a day."""
        return len(self._alike(day)) >= FEWEST

    def look(self, day: date, hour: int, told: Mapping[int, int] = NOTHING_TOLD) -> Unusual | None:
        """What is unusual once `hour` of `day` has begun. An hour is not told where the day is unusual, nor where the
        hour before was so already. `told`: hours of this day that were told by themselves, and their cost as it was
        told; a day that is unusual by nothing else is not told as well.
        """
        if (of_day := self._day(day, hour, told)) is not None:
            return of_day
        found = self._hour(day, hour)
        before = (day, hour - 1) if hour else (day - ONE_DAY, HOURS - 1)
        return None if found is None or self._hour(*before) is not None else found

    def untold(self, day: date, hour: int, told: Mapping[int, int], *, day_told: bool) -> Unusual | None:
        """What is unusual and not told yet, of a day not by its hours either. `told` as in `look`."""
        found = self.look(day, hour)
        if found is not None and found.span is Span.DAY:
            found = None if day_told else self.look(day, hour, told)
        return None if found is not None and found.span is Span.HOUR and found.hour in told else found

    def told_of(self, day: date) -> Iterator[Unusual]:
        """What is told of a day that is looked at once in each hour."""
        told, day_told = dict[int, int](), False
        for hour in range(HOURS):
            if (found := self.untold(day, hour, told, day_told=day_told)) is None:
                continue
            if found.span is Span.DAY:
                day_told = True
            else:
                told[hour] = found.cost
            yield found

    def _day(self, day: date, hour: int, told: Mapping[int, int]) -> Unusual | None:
        if (cost := self._until(day, hour)) <= self._of_day.floor:
            return None
        samples = [self._until(each, hour) for each in self._alike(day)]
        found = usual_range(samples, self._of_day, self._level(day))
        known = sum(self._beyond_usual(day, each, dear) for each, dear in told.items())
        if found is None or cost - known <= found.upper:
            return None
        return Unusual(Span.DAY, day, hour, cost, found)

    def _hour(self, day: date, hour: int) -> Unusual | None:
        if (cost := self._hours(day)[hour]) <= self._of_hour.floor:
            return None
        found = self._range_of_hour(day, hour)
        return None if found is None or cost <= found.upper else Unusual(Span.HOUR, day, hour, cost, found)

    def _beyond_usual(self, day: date, hour: int, cost: int) -> int:
        found = self._range_of_hour(day, hour)
        return 0 if found is None else max(0, cost - found.usual)

    def _range_of_hour(self, day: date, hour: int) -> Range | None:
        samples = [self._hours(each)[hour] for each in self._alike(day)]
        return usual_range(samples, self._of_hour, self._level(day))

    def _alike(self, day: date) -> list[date]:
        if (found := self._before.get(day)) is None:
            found = self._before[day] = alike(day, self.first)
        return found

    def _level(self, day: date) -> int:
        """How much more than before everything costs of late, in percent: at least 100.

        That of most of the last seven days, which follows growth; or of both of the last two, so that what goes on is
        told twice at most. One expensive day does not hide the next.
        """
        if (known := self._levels.get(day)) is None:
            shares = [self._share(day - back * ONE_DAY) for back in range(1, LEVEL_DAYS + 1)]
            known = self._levels[day] = max(PERCENT, median(shares), min(shares[:2]))
        return known

    def _share(self, day: date) -> int:
        alike = self._alike(day)
        usual = median(self._until(each) for each in alike) if len(alike) >= FEWEST else 0
        return self._until(day) * PERCENT // usual if usual else PERCENT

    def _until(self, day: date, hour: int = HOURS - 1) -> int:
        if (sums := self._sums.get(day)) is None:
            sums = self._sums[day] = list(accumulate(self._hours(day)))
        return sums[hour]

    def _hours(self, day: date) -> Hours:
        return self._days.get(day, NOTHING)
