"""A series becomes its forecast.

Methods work on floats, which hold 15 digits: enough for an estimate. What has been spent stays Decimal, and no forecast
is below it.
"""

from calendar import monthrange
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from app.finance.forecast import answers, backtest
from app.finance.forecast.answers import Forecast, Refused, SeriesForecast
from app.finance.forecast.methods import HISTORY, WEEK, Method
from app.finance.forecast.series import DAY, LEAST_DAYS, Series
from app.reports.rows import percent

PLACES = Decimal("0.000001")
TENTH = Decimal("0.1")
MOST_MISSING = 31
HORIZONS = (30, 90)


class Horizon(NamedTuple):
    """Some days, today the first of those that are forecast."""

    start: date
    """The first of those whose cost is asked for."""
    days: int


def horizons(today: date) -> tuple[Horizon, Horizon, Horizon]:
    """The month, the next 30 and the next 90 days."""
    left = monthrange(today.year, today.month)[1] - today.day + 1
    month = Horizon(today.replace(day=1), left)
    return month, Horizon(today, HORIZONS[0]), Horizon(today, HORIZONS[1])


def predictions(series: Series, wanted: Collection[int]) -> dict[int, backtest.Predicted]:
    """By number of days ahead, from full days alone. Takes some milliseconds."""
    tests = backtest.Backtest([None if cost is None else float(cost) for cost in series.costs])
    return {days: tests.predicted(days) for days in wanted}


def has_forecast(series: Series) -> bool:
    """Whether there are full days enough."""
    return series.full_days >= LEAST_DAYS


def series_forecast(
    name: str | None, series: Series, predicted: Mapping[int, backtest.Predicted] | None
) -> SeriesForecast:
    """The answer of one series."""
    spans = horizons(series.today)
    month, next_30, next_90 = (
        None if predicted is None else _forecast(series, span, predicted[span.days]) for span in spans
    )
    any_day = bool(series.costs)
    return SeriesForecast(
        name=name,
        first_day=series.first if any_day else None,
        last_day=series.today - DAY if any_day else None,
        full_days=series.full_days,
        missing_days=series.missing[-MOST_MISSING:],
        unpriced=series.unpriced,
        spent_today=series.of_today,
        month_to_date=series.spent_from(spans[0].start),
        refused=refused(series) if predicted is None else None,
        month_end=month,
        next_30_days=next_30,
        next_90_days=next_90,
    )


def _forecast(series: Series, span: Horizon, predicted: backtest.Predicted) -> Forecast:
    today = float(series.of_today)
    # where today has cost more than it should have all day, that comes on top
    beyond = max(0.0, today - predicted.sums[1])
    spent = series.spent_from(span.start)
    before = spent - series.of_today

    def with_spent(ahead: float) -> Decimal:
        return max(spent, (before + Decimal(ahead)).quantize(PLACES))

    return Forecast(
        until=series.today + (span.days - 1) * DAY,
        days=span.days,
        spent=spent,
        cost=with_spent(predicted.cost + beyond),
        low=with_spent(predicted.low),
        high=with_spent(predicted.high + beyond),
        method=predicted.method,
        beats_naive=_beats_naive(predicted),
        backtest=_tested(predicted),
    )


def _beats_naive(predicted: backtest.Predicted) -> bool | None:
    tested = predicted.tested
    if not tested.origins:
        return None
    mine = tested.errors[predicted.method].absolute
    return all(mine < tested.errors[naive].absolute for naive in (Method.NAIVE, Method.SEASONAL_NAIVE))


def _tested(predicted: backtest.Predicted) -> answers.Backtest:
    tested = predicted.tested

    def wape(method: Method) -> Decimal | None:
        off = tested.errors[method].percent
        return None if off is None else Decimal(off).quantize(TENTH)

    return answers.Backtest(
        days=tested.days,
        origins=tested.origins,
        wape=wape(predicted.method),
        wape_naive=wape(Method.NAIVE),
        wape_seasonal_naive=wape(Method.SEASONAL_NAIVE),
        bands=tested.judged,
        coverage=percent(tested.covered, tested.judged),
    )


def refused(series: Series) -> Refused:
    """Why a series has no forecast, and from when there may be one."""
    full = series.full_days
    if not series.costs and not series.of_today:
        return Refused(why=f"a forecast needs {LEAST_DAYS} full days, and there are no calls yet", possible_from=None)
    why = (
        f"a forecast needs {LEAST_DAYS} full days of the last {HISTORY // WEEK} weeks, and there are {full}: "
        "today is not over, and nothing is known of days without any call in the deployment"
    )
    return Refused(why=why, possible_from=_possible_from(series))


def _possible_from(series: Series) -> date:
    """If nothing is missing from now on. The oldest days leave the last 8 weeks meanwhile."""
    known = [cost is not None for cost in series.costs[-HISTORY:]]
    day = series.today
    while sum(known) < LEAST_DAYS:
        known = [*known, True][-HISTORY:]
        day += DAY
    return day
