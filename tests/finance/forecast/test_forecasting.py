"""What is answered of a series: refused below 14 full days, and never below what has been spent."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.finance.forecast.answers import SeriesForecast
from app.finance.forecast.forecasting import has_forecast, horizons, predictions, series_forecast
from app.finance.forecast.methods import Method
from app.finance.forecast.series import Series

FIRST = date(2024, 4, 1)
DAY = timedelta(days=1)


def forecast_of(costs: list[int | None], of_today: str = "0", first: date = FIRST) -> SeriesForecast:
    known = tuple(None if cost is None else Decimal(cost) for cost in costs)
    series = Series(first, known, Decimal(of_today), 0)
    days = [days for _, days in horizons(series.today)]
    return series_forecast(None, series, predictions(series, days) if has_forecast(series) else None)


def test_thirteen_full_days_are_too_few_whatever_today_cost() -> None:
    found = forecast_of([2] * 13, "5")

    assert found.refused is not None
    assert found.refused.why == (
        "a forecast needs 14 full days of the last 8 weeks, and there are 13: today is not over, and nothing is known "
        "of days without any call in the deployment"
    )
    assert found.refused.possible_from == date(2024, 4, 15)
    assert (found.month_end, found.next_30_days, found.next_90_days) == (None, None, None)
    assert (found.month_to_date, found.spent_today) == (Decimal(31), Decimal(5))


def test_missing_days_are_no_full_days() -> None:
    found = forecast_of([2] * 10 + [None] * 4 + [2] * 3)

    assert found.refused is not None
    assert (found.full_days, found.refused.possible_from) == (13, date(2024, 4, 19))
    assert found.missing_days == [date(2024, 4, day) for day in (11, 12, 13, 14)]


def test_without_any_call_nobody_can_say_from_when() -> None:
    found = forecast_of([])

    assert found.refused is not None
    assert found.refused.possible_from is None
    assert (found.first_day, found.last_day) == (None, None)


def test_days_of_long_ago_are_no_reason_for_a_forecast() -> None:
    found = forecast_of([2] * 30 + [None] * 50)

    assert found.refused is not None
    assert (found.full_days, found.refused.possible_from) == (6, FIRST + (80 + 14) * DAY)


def test_a_month_ends_as_its_days_went() -> None:
    found = forecast_of([2] * 20)  # today is 21 April, a month of 30 days

    assert found.month_end is not None
    assert (found.month_end.until, found.month_end.days) == (date(2024, 4, 30), 10)
    assert (found.month_end.spent, found.month_end.cost) == (Decimal(40), Decimal(60))
    assert (found.month_end.low, found.month_end.high) == (Decimal(60), Decimal(60))
    assert found.next_30_days is not None
    assert (found.next_30_days.until, found.next_30_days.cost) == (date(2024, 5, 20), Decimal(60))
    assert found.next_90_days is not None
    assert found.next_90_days.cost == 180


def test_a_month_never_ends_below_what_it_has_cost_already() -> None:
    """2 USD a day, and 100.000000000000001 USD today: what is beyond comes on top of the days that follow."""
    found = forecast_of([2] * 20, "100.000000000000001")

    assert found.month_end is not None
    assert found.month_end.spent == Decimal("140.000000000000001")
    assert found.month_end.cost == Decimal(158)  # 40, today's 100, and nine days at 2
    assert found.month_end.low == found.month_end.spent
    assert found.month_end.high == Decimal(158)


def test_on_the_last_day_of_a_month_what_is_spent_is_the_least() -> None:
    found = forecast_of([2] * 29, "7")

    assert found.month_end is not None
    assert (found.month_end.days, found.month_end.low, found.month_end.cost) == (1, Decimal(65), Decimal(65))


def test_what_was_tested_is_said_beside_the_number() -> None:
    costs: list[int | None] = [10 + (place * 7) % 5 for place in range(60)]
    found = forecast_of(costs)

    assert found.next_30_days is not None
    test = found.next_30_days.backtest
    assert (test.days, test.origins > 12, test.bands > 0) == (17, True, True)  # no 30 days fit three times into 53
    assert test.wape is not None
    assert test.wape_naive is not None
    assert test.wape <= test.wape_naive
    assert test.coverage is not None
    assert 0 <= test.coverage <= 100


def test_where_a_naive_forecast_is_as_good_nobody_claims_more() -> None:
    costs: list[int | None] = [10, 12, 11, 9, 10, 2, 1] * 8
    found = forecast_of(costs)

    assert found.month_end is not None
    assert (found.month_end.method, found.month_end.beats_naive) == (Method.SEASONAL_NAIVE, False)


days_of = st.lists(st.none() | st.integers(0, 10**6), min_size=14, max_size=80)


@given(days_of, st.integers(0, 10**7), st.integers(0, 40))
@settings(max_examples=40)
def test_no_forecast_and_no_edge_of_a_band_is_below_what_is_spent(
    costs: list[int | None], of_today: int, later: int
) -> None:
    found = forecast_of(costs, f"{of_today}.000000000000001", FIRST + later * DAY)

    for forecast in (found.month_end, found.next_30_days, found.next_90_days):
        assert (forecast is None) == (found.refused is not None)
        if forecast is not None:
            assert forecast.spent <= forecast.low <= forecast.cost <= forecast.high
    if found.month_end is not None:
        assert found.month_end.spent == found.month_to_date
