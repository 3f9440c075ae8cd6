"""What reports return. JSON names are camelCase; money is USD, durations are ms, rates and trends are percent."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from models.base import camel
from models.money import to_decimal

_HUNDREDTH = Decimal("0.01")


class Row(BaseModel):
    """The base of every row: frozen, camelCase in JSON."""

    model_config = ConfigDict(
        alias_generator=camel, populate_by_name=True, frozen=True, use_attribute_docstrings=True, defer_build=True
    )


class Tokens(Row):
    """Input includes cache reads and writes, output includes reasoning."""

    input: int
    output: int
    total: int
    """Input and output, and what callers reported only as a total."""


class Totals(Row):
    """The additive figures of a group of calls, and the ratios that follow from them."""

    requests: int
    cost: Decimal
    """The sum over the priced calls; `unpriced` says how many are not in it."""
    saved_cost: Decimal
    tokens: Tokens
    successes: int
    errors: int
    cached: int
    unpriced: int
    estimated: int
    """Calls whose tokens had to be estimated; their cost is part of `cost`."""
    success_rate: Decimal | None
    cache_hit_rate: Decimal | None
    average_duration: Decimal | None
    """Over the calls that report a duration."""

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], **more: Any) -> Self:
        """From one document of a grouping by `stages.group_totals`; an empty one gives zeros."""
        requests = stored.get("requests", 0)
        successes, cached = stored.get("successes", 0), stored.get("cached", 0)
        return cls(
            requests=requests,
            cost=to_decimal(stored.get("cost")),
            saved_cost=to_decimal(stored.get("savedCost")),
            tokens=Tokens(
                input=stored.get("inputTokens", 0),
                output=stored.get("outputTokens", 0),
                total=stored.get("tokensUsed", 0),
            ),
            successes=successes,
            errors=requests - successes,
            cached=cached,
            unpriced=stored.get("unpriced", 0),
            estimated=stored.get("estimated", 0),
            success_rate=percent(successes, requests),
            cache_hit_rate=percent(cached, requests),
            average_duration=ratio(stored.get("duration", 0), stored.get("durations", 0)),
            **more,
        )


class Earlier(Row):
    """What something had in the period that a window is compared with: for a window that is not over, up to the same
    time of its last day.
    """

    requests: int
    cost: Decimal
    errors: int
    success_rate: Decimal | None

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """From a row of sums; None where there was no call."""
        if stored is None or not stored["requests"]:
            return None
        requests, successes = stored["requests"], stored["successes"]
        return cls(
            requests=requests,
            cost=to_decimal(stored["cost"]),
            errors=requests - successes,
            success_rate=percent(successes, requests),
        )


class DayTotals(Totals):
    """One day of the reporting time zone."""

    day: date


class HourFigures(Row):
    """One hour in local time, 0 to 23, over all days of the window."""

    hour: int
    requests: int
    successes: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class WeekdayHour(HourFigures):
    """One hour of one weekday, 1 for Monday to 7 for Sunday (ISO 8601)."""

    weekday: int


class FeatureTotals(Totals):
    """One feature."""

    feature: str
    earlier: Earlier | None = None
    """Null unless compared, and where there was no call."""


class ModelTotals(Totals):
    """One model at one provider."""

    provider: str
    model: str
    earlier: Earlier | None = None
    """As of a feature."""


class ProviderTotals(Totals):
    """One provider."""

    provider: str
    earlier: Earlier | None = None
    """As of a feature."""


class UserFigures(Row):
    """One user."""

    user_id: str
    requests: int
    cost: Decimal
    saved_cost: Decimal
    tokens: int
    """Input and output together."""
    success_rate: Decimal | None
    earlier: Earlier | None = None
    """As of a feature."""

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], **more: Any) -> Self:
        """From a row whose `_id` is the user."""
        requests = stored["requests"]
        return cls(
            user_id=stored["_id"],
            requests=requests,
            cost=to_decimal(stored.get("cost")),
            saved_cost=to_decimal(stored.get("savedCost")),
            tokens=stored.get("tokensUsed", 0),
            success_rate=percent(stored.get("successes", 0), requests),
            **more,
        )


class Window(Row):
    """The days that a report covers, inclusive. JSON names are `from` and `to`."""

    first: date
    last: date
    days: int
    timezone: str

    model_config = ConfigDict(alias_generator=lambda name: {"first": "from", "last": "to"}.get(name, camel(name)))


class TimedWindow(Window):
    """The same with its instants: `fromTime` belongs to the window, `toTime` does not."""

    from_time: datetime
    to_time: datetime


class Percentiles(Row):
    """Of the request duration, in ms, by nearest rank: the least duration that at least so many in a hundred calls do
    not exceed. Exact up to 300 calls; of more within 1 % of the exact one, and by model or feature within 2 %. Null
    where it is not known.
    """

    p50: int | None
    p95: int | None
    p99: int | None


class FirstToken(Row):
    """Percentiles of the time to first token, in ms, likewise: of the calls that report it."""

    p50: int | None
    p95: int | None


class OutputSpeed(Row):
    """Percentiles of output tokens per second, likewise, to one decimal: of successful calls that were not answered
    from a cache. The tokens of a call over the time from its first token to its end, where that is known and the model
    was not reasoning; else over its whole duration.
    """

    p5: Decimal | None
    """What the slowest twentieth stays below."""
    p50: Decimal | None
    p95: Decimal | None


class Timed(Row):
    """How long a group of calls took, and how fast its models answered."""

    latency: Percentiles
    time_to_first_token: FirstToken
    tokens_per_second: OutputSpeed
    exact: bool
    """Whether the percentiles are: those of a group of 300 calls or fewer, unless they would take long to find."""


class UsageDay(DayTotals):
    """One day, with its users, statuses and latency."""

    active_users: int
    statuses: dict[str, int]
    """Calls by status; a status without any is left out."""
    p95: int | None
    """Of the request duration, in ms, as the percentiles. Null where no call reports a duration."""


class ListedUser(UserFigures):
    """One user in a list."""

    last_active: date


class PeriodTotals(Totals):
    """Today, or the month to date."""

    active_users: int
    p95_duration: int | None


def ratio(part: Decimal | int, whole: int) -> Decimal | None:
    """`part / whole` to two decimals, half-even; None where there is no whole."""
    return None if whole == 0 else (Decimal(part) / whole).quantize(_HUNDREDTH, rounding=ROUND_HALF_EVEN)


def percent(part: int, whole: int) -> Decimal | None:
    """`part` in percent of `whole`, to two decimals."""
    return ratio(100 * part, whole)


def change(now: Decimal | int, before: Decimal | int) -> Decimal | None:
    """From `before` to `now`, in percent of `before`, to two decimals; None where `before` is zero."""
    if before == 0:
        return None
    return (100 * (Decimal(now) - before) / before).quantize(_HUNDREDTH, rounding=ROUND_HALF_EVEN)
