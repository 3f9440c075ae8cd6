"""When a budget is used up."""

from datetime import date, timedelta
from decimal import Decimal

from app.finance.forecast.forecasting import has_forecast, predictions
from app.finance.forecast.reaching import MOST_DAYS, Prospect, Reached, days_ahead, reaching
from app.finance.forecast.series import Series

FIRST = date(2024, 4, 1)
TODAY = date(2024, 4, 21)
DAY = timedelta(days=1)


def reached(amount: str, used: str, *, of_today: str = "0", last: date | None = None, full_days: int = 20) -> Reached:
    """Of a series that costs 2 USD a day."""
    series = Series(TODAY - full_days * DAY, (Decimal(2),) * full_days, Decimal(of_today), 0)
    days = days_ahead(series, last)
    predicted = predictions(series, [days])[days] if has_forecast(series) else None
    return reaching(series, predicted, Decimal(amount), Decimal(used))


def test_a_budget_is_used_up_on_the_day_that_its_pace_says() -> None:
    found = reached("50", "40", last=date(2024, 4, 30))  # today 2, and 2 on each of the four days that follow

    assert (found.prospect, found.on, found.earliest, found.latest) == (Prospect.EXPECTED, *[date(2024, 4, 25)] * 3)
    assert (found.until, found.cost) == (date(2024, 4, 30), Decimal(60))


def test_what_today_has_cost_already_is_used_and_does_not_come_again() -> None:
    assert reached("50", "41", of_today="1").on == date(2024, 4, 25)  # one more today, and eight by the 25th
    assert reached("50", "45", of_today="5").on == date(2024, 4, 24)  # today is over what it should be: nothing more


def test_a_budget_that_lasts_is_told_so() -> None:
    found = reached("61", "40", last=date(2024, 4, 30))

    assert (found.prospect, found.on, found.cost) == (Prospect.UNLIKELY, None, Decimal(60))


def test_a_budget_that_is_used_up_needs_no_forecast() -> None:
    assert reached("40", "40", last=date(2024, 4, 30)).prospect is Prospect.USED_UP
    found = reached("40", "41", full_days=5)
    assert (found.prospect, found.on, found.refused is not None) == (Prospect.USED_UP, None, True)


def test_without_days_enough_nobody_says_when() -> None:
    found = reached("50", "40", full_days=13)

    assert (found.prospect, found.on, found.cost) == (None, None, None)
    assert found.refused is not None
    assert found.refused.possible_from == TODAY + DAY


def test_a_budget_that_never_resets_is_followed_for_a_year() -> None:
    found = reached("1000", "40")

    assert found.until == TODAY + (MOST_DAYS - 1) * DAY
    assert (found.prospect, found.cost) == (Prospect.UNLIKELY, Decimal(40 + 2 * MOST_DAYS))
