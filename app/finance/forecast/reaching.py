"""When a budget will be used up: the first day on which what is used and what is forecast come to its amount."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from app.finance.forecast.answers import Refused
from app.finance.forecast.backtest import Predicted
from app.finance.forecast.forecasting import PLACES, refused
from app.finance.forecast.series import DAY, Series
from app.reports.query import NO_FILTERS, Filters
from app.reports.rows import Row

MOST_DAYS = 366
"""So far ahead is looked."""


@dataclass(frozen=True)
class Spending:
    """Whose calls a budget counts."""

    filters: Filters = NO_FILTERS
    campaign: str | None = None


class Prospect(StrEnum):
    """Whether a budget will be used up in its period."""

    USED_UP = "used-up"
    """It is already."""
    EXPECTED = "expected"
    """The forecast says so."""
    POSSIBLE = "possible"
    """The upper edge of the band alone says so."""
    UNLIKELY = "unlikely"


class Reached(Row):
    """When a budget will be used up, in days of the deployment's zone; within 366 days."""

    prospect: Prospect | None
    """Null where there is no forecast."""
    on: date | None
    """By the forecast."""
    earliest: date | None
    """By the upper edge of its 80 % band."""
    latest: date | None
    """By the lower edge."""
    until: date | None
    """The last day of the period, or that 366 days ahead; null where there is no forecast."""
    cost: Decimal | None
    """USD by then, with what is used; at least that."""
    low: Decimal | None
    high: Decimal | None
    refused: Refused | None


def days_ahead(series: Series, last: date | None) -> int:
    """How many days are forecast for a period with this last day."""
    return MOST_DAYS if last is None else max(1, min(MOST_DAYS, (last - series.today).days + 1))


def reaching(series: Series, predicted: Predicted | None, amount: Decimal, used: Decimal) -> Reached:
    """When `used` (USD), and what is to come, are `amount`. `predicted` is up to the end of the period."""
    if predicted is None:
        return unknown(refused(series)).model_copy(update=_already(used, amount))
    today = float(series.of_today)
    beyond = max(0.0, today - predicted.sums[1])
    part_low, part_high = (edge / predicted.cost if predicted.cost else 1.0 for edge in (predicted.low, predicted.high))

    def ahead(part: float) -> Callable[[int], float]:
        return lambda days: max(0.0, predicted.sums[days] * part + beyond - today)

    low, likely, high = ahead(part_low), ahead(1.0), ahead(part_high)
    last = len(predicted.sums) - 1

    def first_day(ahead: Callable[[int], float]) -> date | None:
        if used >= amount:
            return None
        left = float(amount - used)
        return next((series.today + (days - 1) * DAY for days in range(1, last + 1) if ahead(days) >= left), None)

    def by_then(ahead: Callable[[int], float]) -> Decimal:
        return used + Decimal(ahead(last)).quantize(PLACES)

    on, earliest = first_day(likely), first_day(high)
    prospect = Prospect.EXPECTED if on else Prospect.POSSIBLE if earliest else Prospect.UNLIKELY
    return Reached(
        prospect=Prospect.USED_UP if used >= amount else prospect,
        on=on,
        earliest=earliest,
        latest=first_day(low),
        until=series.today + (last - 1) * DAY,
        cost=by_then(likely),
        low=by_then(low),
        high=by_then(high),
        refused=None,
    )


def unknown(why: Refused) -> Reached:
    """Without a forecast."""
    nothing = dict.fromkeys(("prospect", "on", "earliest", "latest", "until", "cost", "low", "high"))
    return Reached(**nothing, refused=why)


def _already(used: Decimal, amount: Decimal) -> dict[str, Prospect]:
    return {"prospect": Prospect.USED_UP} if used >= amount else {}
