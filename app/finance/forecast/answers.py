"""What is answered about forecasts. Money is USD; what is forecast has 6 decimals, what was spent is exact."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.finance.forecast.methods import Method
from app.reports.query import Synthetic
from app.reports.rows import Row


class By(StrEnum):
    """What a forecast can be made of, one by one."""

    CLIENT = "client"
    MODEL = "model"
    FEATURE = "feature"


class Backtest(Row):
    """How far forecasts of earlier days, each made of the days before it alone, were off."""

    days: int
    """The sums that were tested are of so many days: fewer than are forecast where the history is too short."""
    origins: int
    """So many were made."""
    wape: Decimal | None
    """What the sums were off, in percent of what they came to. Null where nothing came, or nothing could be tested."""
    wape_naive: Decimal | None
    """The same of the naive forecast: each day costs what the last one cost."""
    wape_seasonal_naive: Decimal | None
    """The same of the seasonal naive one: each day costs what the last one of its weekday cost."""
    bands: int
    """For so many of them there was history enough for a band."""
    coverage: Decimal | None
    """Of these bands, the percent that held what came true. 80 is meant. Null where there are none."""


class Forecast(Row):
    """What some days will cost, today's included."""

    until: date
    """The last of the days."""
    days: int
    """So many are forecast, today among them."""
    spent: Decimal
    """What has been spent of it already, exactly."""
    cost: Decimal
    """With what has been spent."""
    low: Decimal
    """The 80 % band: in 4 of 5 cases the cost is within it."""
    high: Decimal
    method: Method
    beats_naive: bool | None
    """Whether the method was off less than both naive ones; null where nothing could be tested."""
    backtest: Backtest


class Refused(Row):
    """Why there is no forecast."""

    why: str
    possible_from: date | None
    """The first day with a forecast, if there are calls from now on; null where there has been none yet."""


class SeriesForecast(Row):
    """What one series will cost."""

    name: str | None
    """Of the client, model or feature; null for all."""
    first_day: date | None
    """Of the data: full days up to yesterday."""
    last_day: date | None
    full_days: int
    """Of the last 8 weeks; a forecast needs 14."""
    missing_days: list[date]
    """Days without any call in the whole deployment are not zero: nothing is known of them. The latest 31."""
    unpriced: int
    """Calls of the data without a known price: they are in no figure."""
    spent_today: Decimal
    """A floor, never data: the day is not over."""
    month_to_date: Decimal
    refused: Refused | None
    month_end: Forecast | None
    next_30_days: Forecast | None
    next_90_days: Forecast | None


class ForecastReport(Row):
    """`GET /api/admin/finance/forecast`."""

    today: date
    timezone: str
    synthetic: Synthetic
    client_id: str | None
    whole: SeriesForecast
    """Of all calls that the filters match."""
    by: By | None
    parts: list[SeriesForecast]
    """One by one, those that cost most in the last 8 weeks first. Each is forecast by itself: they need not sum to the
    whole."""
    parts_left_out: int
    """Beyond the 20 with the highest cost."""
    generated_at: datetime
