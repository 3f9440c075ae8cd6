"""Which days are data: full ones, of which something is known."""

from datetime import date, timedelta
from decimal import Decimal

from app.finance.forecast.series import Days, Series, missing_days, series_of

MONDAY = date(2024, 4, 1)
DAY = timedelta(days=1)


def days(*costs: int | None, first: date = MONDAY) -> Days:
    """One call a day at these costs; none where there is no cost."""
    known = {first + place * DAY: cost for place, cost in enumerate(costs) if cost is not None}
    return Days(dict.fromkeys(known, 1), {day: Decimal(cost) for day, cost in known.items()})


def test_a_day_without_any_call_in_the_deployment_is_missing() -> None:
    calls = {MONDAY + place * DAY: 5 for place in range(21) if place not in {8, 9}}

    assert missing_days(calls, MONDAY + 21 * DAY) == {MONDAY + 8 * DAY, MONDAY + 9 * DAY}


def test_weekends_on_which_nobody_ever_calls_cost_nothing() -> None:
    calls = {MONDAY + place * DAY: 5 for place in range(28) if place % 7 < 5 and place != 9}

    assert missing_days(calls, MONDAY + 28 * DAY) == {MONDAY + 9 * DAY}


def test_there_are_no_missing_days_before_the_first_call_of_a_deployment() -> None:
    assert missing_days({}, MONDAY) == set()
    assert missing_days({MONDAY: 1}, MONDAY + DAY) == set()


def test_a_day_without_calls_of_a_series_alone_cost_nothing_and_today_is_no_data() -> None:
    today = MONDAY + 5 * DAY

    series = series_of(days(None, 3, None, None, 4, 9), today, {MONDAY + 3 * DAY})

    assert series == Series(MONDAY + DAY, (Decimal(3), Decimal(0), None, Decimal(4)), Decimal(9), 0)
    assert series.today == today
    assert series.missing == [MONDAY + 3 * DAY]
    assert (series.full_days, series.spent_from(MONDAY), series.spent_from(today)) == (3, Decimal(16), Decimal(9))


def test_a_call_of_tomorrow_is_in_nothing() -> None:
    series = series_of(days(None, None, 1), MONDAY, set())

    assert series == Series(MONDAY, (), Decimal(0), 0)
