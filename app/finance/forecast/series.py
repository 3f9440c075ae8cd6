"""The series that are forecast: what each day cost that is over, and what today has cost so far.

Missing is not zero. A day without any call in the whole deployment is missing: an outage, or calls that have not been
imported yet. Unless at least half of the days of that weekday have none: then nobody works then, and it cost nothing.
A day on which others called, but this series did not, cost nothing. Before its first call a series has no days.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from app.finance.forecast.methods import HISTORY

DAY = timedelta(days=1)
LEAST_DAYS = 14
"""Full days of the last 8 weeks that a forecast needs."""


@dataclass(frozen=True)
class Series:
    """Costs of days in USD, from the series' first call up to yesterday, and of today so far."""

    first: date
    costs: tuple[Decimal | None, ...]
    """None on days that are missing."""
    of_today: Decimal
    unpriced: int
    """Calls without a known price, which are not in the costs."""

    @property
    def today(self) -> date:
        return self.first + len(self.costs) * DAY

    @property
    def missing(self) -> list[date]:
        return [self.first + place * DAY for place, cost in enumerate(self.costs) if cost is None]

    @property
    def full_days(self) -> int:
        """Of the last 8 weeks."""
        return sum(cost is not None for cost in self.costs[-HISTORY:])

    def spent_from(self, first: date) -> Decimal:
        """What has been spent from a day on, today's part included."""
        place = max(0, (first - self.first).days)
        return sum((cost for cost in self.costs[place:] if cost is not None), Decimal(0)) + self.of_today


@dataclass
class Days:
    """What is known of one series: its calls and their cost by day."""

    requests: dict[date, int]
    costs: dict[date, Decimal]
    unpriced: int = 0


def series_of(days: Days, today: date, missing: Collection[date]) -> Series:
    """The series of these days, of which `missing` are not known at all."""
    called = [day for day, count in days.requests.items() if count and day <= today]
    first = min(called, default=today)
    costs = tuple(
        None if (day := first + place * DAY) in missing else days.costs.get(day, Decimal(0))
        for place in range((today - first).days)
    )
    return Series(first, costs, days.costs.get(today, Decimal(0)), days.unpriced)


def missing_days(requests: Mapping[date, int], today: date) -> set[date]:
    """The days that are missing, by all calls of the deployment."""
    called = {day for day, count in requests.items() if count}
    if not called:
        return set()
    first = min(called)
    days = [first + place * DAY for place in range((today - first).days)]
    silent = Counter(day.weekday() for day in days if day not in called)
    all_days = Counter(day.weekday() for day in days)
    return {day for day in days if day not in called and 2 * silent[day.weekday()] < all_days[day.weekday()]}
