"""What a day or an hour costs is compared with the same weekday of the weeks before."""

from datetime import date, timedelta

import pytest

from app.alerts.spending.costs import ONE_DAY, ONE_WEEK, Judge, Span, Unusual
from app.alerts.spending.ranges import Range, Width, median, usual_range
from scripts.bench.years import BUSINESSES, DAYS, FIRST, HOLIDAYS, Business, year_of

MONDAY = date(2026, 11, 30)
USD = 10**15
FLOOR = 10 * USD


def _days(until: date, weeks: int, hour: int = USD) -> dict[date, list[int]]:
    """So many weeks of the same cost in each hour, and nothing on `until`."""
    return {until - back * ONE_DAY: [hour] * 24 for back in range(1, 7 * weeks + 1)}


def test_median_and_range_are_exact() -> None:
    assert median([5, 1, 4]) == 4
    assert median([1, 2, 4, 9]) == 3
    width = Width(times_percent=200, deviations=6, floor=10)
    assert usual_range([100] * 8, width) == Range(100, 200, 8)
    assert usual_range([1] * 8, width) == Range(1, 11, 8)
    # deviations 20, 10, 10, 20: 15 * 1.4826 = 22
    assert usual_range([80, 90, 110, 120], width) == Range(100, 232, 4)
    assert usual_range([100] * 8, width, level_percent=150) == Range(150, 300, 8)
    assert usual_range([100] * 3, width) is None


def test_a_day_is_told_as_soon_as_it_is_above_its_range() -> None:
    days = _days(MONDAY, 9)
    days[MONDAY] = [USD] * 8 + [11 * USD] + [0] * 15
    judge = Judge(days, FLOOR)
    assert judge.look(MONDAY, 7) is None
    assert judge.look(MONDAY, 8) is None  # 19 USD by 9:00, and the floor is 10 beyond 9
    days[MONDAY][8] += 1
    assert Judge(days, FLOOR).look(MONDAY, 8) == Unusual(Span.DAY, MONDAY, 8, 19 * USD + 1, Range(9 * USD, 19 * USD, 8))


def test_an_hour_is_told_where_the_day_is_not_unusual_and_only_its_first() -> None:
    days = _days(MONDAY, 9)
    days[MONDAY] = [USD] * 20 + [12 * USD, 12 * USD, USD, USD]
    judge = Judge(days, FLOOR)
    assert judge.look(MONDAY, 20) == Unusual(Span.HOUR, MONDAY, 20, 12 * USD, Range(USD, 11 * USD, 8))
    assert judge.look(MONDAY, 21) is None
    assert judge.look(MONDAY, 22) is None


def test_a_day_that_only_told_hours_make_unusual_is_not_told_as_well() -> None:
    days = _days(MONDAY, 9)
    days[MONDAY] = [USD] * 20 + [12 * USD, 15 * USD, USD, USD]
    judge, told = Judge(days, FLOOR), {20: 12 * USD}
    assert judge.look(MONDAY, 21) == Unusual(Span.DAY, MONDAY, 21, 47 * USD, Range(22 * USD, 44 * USD, 8))
    assert judge.look(MONDAY, 21, told) is None
    # what an hour went on to cost after it was told is news
    days[MONDAY][20] = 21 * USD
    day = Unusual(Span.DAY, MONDAY, 21, 56 * USD, Range(22 * USD, 44 * USD, 8))
    assert Judge(days, FLOOR).look(MONDAY, 21, told) == day


def test_weekdays_are_compared_with_their_like() -> None:
    days = _days(MONDAY, 9, hour=10 * USD)
    for day in days:
        if day.isoweekday() > 5:
            days[day] = [USD] * 24
    sunday = MONDAY - ONE_DAY
    days[sunday] = [3 * USD] * 24
    assert Judge(days, FLOOR).look(sunday, 23) == Unusual(Span.DAY, sunday, 23, 72 * USD, Range(24 * USD, 48 * USD, 8))
    days[MONDAY] = [10 * USD] * 24
    assert Judge(days, FLOOR).look(MONDAY, 23) is None


@pytest.mark.parametrize(("weeks", "enough"), [(3, False), (4, True)])
def test_nothing_is_said_before_there_are_four_such_weekdays(weeks: int, *, enough: bool) -> None:
    days = _days(MONDAY, weeks)
    days[MONDAY] = [100 * USD] * 24
    judge = Judge(days, FLOOR)
    assert judge.knows_enough(MONDAY) is enough
    assert (judge.look(MONDAY, 0) is not None) is enough


def test_a_holiday_among_the_weeks_before_changes_nothing() -> None:
    days = _days(MONDAY, 9)
    days[MONDAY - 2 * ONE_WEEK] = [0] * 24
    days[MONDAY] = [USD * 3 // 2] * 24
    assert Judge(days, FLOOR).look(MONDAY, 23) is None


def test_what_goes_on_is_told_on_two_days_and_one_dear_day_does_not_hide_the_next() -> None:
    days = _days(MONDAY, 9)
    for after in range(10):
        days[MONDAY + after * ONE_DAY] = [3 * USD] * 24
    judge = Judge(days, FLOOR)
    told = [after for after in range(10) if judge.look(MONDAY + after * ONE_DAY, 23)]
    assert told == [0, 1]
    days = _days(MONDAY, 9)
    for after in range(10):
        days[MONDAY + after * ONE_DAY] = [3 * USD if after % 2 else USD] * 24
    judge = Judge(days, FLOOR)
    assert [after for after in range(10) if judge.look(MONDAY + after * ONE_DAY, 23)] == [1, 3, 5, 7, 9]


def _told(days: dict[date, list[int]]) -> dict[date, int]:
    """The days on which something is told, and how often."""
    judge, told = Judge(days, FLOOR), {}
    for day in days:
        of_day = [found for hour in range(24) if (found := judge.look(day, hour))]
        hours = sum(found.span is Span.HOUR for found in of_day)
        if of_day:
            told[day] = hours + (hours < len(of_day))
    return told


@pytest.mark.parametrize("business", BUSINESSES[:5], ids=lambda business: business.name)
def test_a_year_has_few_false_alarms(business: Business) -> None:
    """At most one in a month; launches are in the next."""
    assert sum(_told(year_of(business, seed=1)).values()) <= 3


def test_a_launch_is_told_twice_and_then_is_usual() -> None:
    business = next(each for each in BUSINESSES if each.launches)
    launched = [day for day, _ in business.launches]
    told = _told(year_of(business, seed=1))
    assert set(told) <= {day + after * ONE_DAY for day in launched for after in (0, 1)}
    assert set(launched) <= set(told)


@pytest.mark.parametrize("business", BUSINESSES[:3], ids=lambda business: business.name)
def test_each_day_that_costs_three_times_as_much_is_found(business: Business) -> None:
    dear = {FIRST + timedelta(days=each) for each in range(70, DAYS, 17)} - HOLIDAYS
    told = _told(year_of(business, seed=1, injected=dict.fromkeys(dear, 3.0)))
    assert dear <= set(told)
