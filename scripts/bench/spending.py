"""How well alerts about unusual spending tell: false alarms over generated years, and days made three times as dear."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import accumulate

from app.alerts.spending.costs import Judge
from scripts.bench.results import Row
from scripts.bench.years import BUSINESSES, DAYS, FIRST, HOLIDAYS, Business, Days, year_of

TIMES = 3
"""As much as usual costs a day that is to be found."""
FIRST_DEAR = 70
EVERY = 17
"""Days from one such day to the next."""
Told = Mapping[date, list[int]]
"""The hours of the alerts of each day."""


def measure(years: int, floor: int, advance: Callable[[int], None]) -> dict[str, Row]:
    """For each business: alerts of so many years as they were, on how many days a launch explains them, and what was
    found of days that cost three times as much. `floor` is in the smallest stored unit.
    """
    table: dict[str, Row] = {}
    for business in BUSINESSES:
        rows = []
        for seed in range(years):
            rows.append(_of_year(business, seed, floor))
            advance(1)
        table[business.name] = {column: sum(row[column] for row in rows) for column in rows[0]}
    return table


def _of_year(business: Business, seed: int, floor: int) -> Row:
    launched = {day + timedelta(days=after) for day, _ in business.launches for after in (0, 1)}
    as_it_was = _told(year_of(business, seed), floor)
    dear = {FIRST + timedelta(days=each) for each in range(FIRST_DEAR, DAYS, EVERY)} - HOLIDAYS
    year = year_of(business, seed, dict.fromkeys(dear, float(TIMES)))
    told = _told(year, floor)
    found = {day: min(told[day]) for day in dear & told.keys()}
    late = [hour - _hour_beyond(year[day], floor) for day, hour in found.items()]
    return {
        "alerts": sum(len(hours) for hours in as_it_was.values()),
        "of_launches": sum(len(hours) for day, hours in as_it_was.items() if day in launched),
        "dear_days": len(dear),
        "found": len(found),
        "in_the_hour": sum(hours <= 0 for hours in late),
        "by_the_next": sum(hours <= 1 for hours in late),
    }


def _told(days: Days, floor: int) -> Told:
    judge = Judge(days, floor)
    of_days = {day: [unusual.hour for unusual in judge.told_of(day)] for day in days}
    return {day: hours for day, hours in of_days.items() if hours}


def _hour_beyond(hours: list[int], floor: int) -> int:
    """The first in which the day so far is beyond the usual, a third of it, by more than the floor."""
    beyond = (cost * (TIMES - 1) // TIMES for cost in accumulate(hours))
    return next((hour for hour, more in enumerate(beyond) if more > floor), 0)
