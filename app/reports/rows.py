"""What reports return. JSON names are camelCase; money is USD, durations are ms, rates and trends are percent."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from app.reports.stages import Synthetic
from models.base import camel
from models.money import to_decimal

_HUNDREDTH = Decimal("0.01")


class Row(BaseModel):
    """The base of every row: frozen, camelCase in JSON."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, frozen=True)


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
    """Calls whose tokens had to be guessed; their cost is part of `cost`."""
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


class DayTotals(Totals):
    """One day of the reporting time zone."""

    day: date


class HourTotals(Totals):
    """One hour of the day, 0 to 23, over all days of the window."""

    hour: int


class FeatureTotals(Totals):
    """One feature."""

    feature: str


class ModelTotals(Totals):
    """One model at one provider."""

    provider: str
    model: str


class ProviderTotals(Totals):
    """One provider."""

    provider: str


class UserTotals(Totals):
    """One user."""

    user_id: str


class Window(Row):
    """The days that a report covers, both included. JSON names are `from` and `to`."""

    first: date
    last: date
    days: int
    timezone: str

    model_config = ConfigDict(alias_generator=lambda name: {"first": "from", "last": "to"}.get(name, camel(name)))


class UsageReport(Row):
    """`GET /api/admin/ai/usage`."""

    window: Window
    synthetic: Synthetic
    totals: Totals
    daily: list[DayTotals]
    by_feature: list[FeatureTotals]
    by_model: list[ModelTotals]
    by_provider: list[ProviderTotals]
    by_hour: list[HourTotals]
    top_users: list[UserTotals]
    generated_at: datetime


class PeriodTotals(Totals):
    """A day or a month so far."""

    active_users: int
    p95_duration: int | None


class Trend(Row):
    """Change against the period before, in percent of that; null where there is nothing to compare with."""

    requests: Decimal | None
    cost: Decimal | None
    compared: str
    """The two spans that are compared, in words."""


class Trends(Row):
    """Like spans only: complete hours against the same hours, complete days against as many days."""

    today: Trend
    month: Trend


class Quality(Row):
    """How the calls of the month so far went. Percentiles of the request duration are exact, by nearest rank."""

    success_rate: Decimal | None
    error_rate: Decimal | None
    statuses: dict[str, int]
    p50: int | None
    p95: int | None
    p99: int | None


class OverviewReport(Row):
    """`GET /api/admin/ai/overview`."""

    today: PeriodTotals
    month: PeriodTotals
    trends: Trends
    quality: Quality
    synthetic: Synthetic
    timezone: str
    generated_at: datetime


class ImpossiblePair(Row):
    """Calls reported under a provider that does not sell the model. They count under the one that does."""

    reported_provider: str
    provider: str
    model: str
    requests: int


class UnmappedContentType(Row):
    """A content type that no feature is set for. It counts under its own name."""

    content_type: str
    requests: int


class DataQualityReport(Row):
    """`GET /api/admin/ai/data-quality`: what the figures of a window leave out, or rest on guesses. Each list has the
    hundred with the most requests.
    """

    window: Window
    synthetic: Synthetic
    totals: Totals
    unpriced_share: Decimal | None
    """Of all requests, in percent."""
    estimated_share: Decimal | None
    """Of all requests, in percent."""
    unpriced_models: list[ModelTotals]
    """With their tokens, so that one can see what is missing."""
    estimated_models: list[ModelTotals]
    impossible_pairs: list[ImpossiblePair]
    unmapped_content_types: list[UnmappedContentType]
    unreadable_usage: int
    """Calls whose response said what was used, but not in a form that could be read."""
    generated_at: datetime


class EventTotals(Row):
    """What the events say of one period."""

    requests: int
    cost: Decimal
    unique_users: int


class Activity(Row):
    """One AI event."""

    id: str
    user_id: str
    feature: str
    content_type: str
    model: str
    provider: str
    cached: bool
    success: bool
    cost: Decimal | None
    created_at: datetime


class StatsReport(Row):
    """`GET /api/admin/stats`: the main dashboard, from `analytics` alone."""

    ai_requests_today: int
    ai_requests_this_month: int
    ai_cost_today: Decimal
    ai_cost_this_month: Decimal
    unique_users_today: int
    recent_activity: list[Activity]
    synthetic: Synthetic
    timezone: str
    generated_at: datetime


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
