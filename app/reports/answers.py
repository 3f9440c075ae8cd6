"""What the routes answer: one class for each report, and the rows that only it has."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import ConfigDict

from app.reports.query import Synthetic
from app.reports.rows import (
    DayTotals,
    FeatureTotals,
    HourFigures,
    ModelTotals,
    ProviderTotals,
    Row,
    Tokens,
    Totals,
    UserFigures,
    WeekdayHour,
    Window,
)
from models import CallStatus, CostSource, ServiceType
from models.base import camel


class ListedUser(UserFigures):
    """One user in a list."""

    last_active: date


class Percentiles(Row):
    """Of the request duration, in ms, each within 1 % of the exact one. Null where it is not known."""

    p50: int | None
    p95: int | None
    p99: int | None


class UsageDay(DayTotals):
    """One day, with those who called and how the calls went."""

    active_users: int
    statuses: dict[str, int]
    """Calls by status; a status without any is left out."""
    p95: int | None
    """Of the request duration, in ms, within 1 %. Null where no call reports a duration, and under a filter by model or
    feature (but for one user's own): latency is kept by provider and service type."""


class ComparedTotals(Row):
    """As `Totals`. Null is what hours do not tell, where hours are compared."""

    requests: int
    cost: Decimal
    saved_cost: Decimal | None
    tokens: Tokens | None
    successes: int
    errors: int
    cached: int | None
    unpriced: int | None
    estimated: int | None
    success_rate: Decimal | None
    cache_hit_rate: Decimal | None
    average_duration: Decimal | None


class ComparedSpan(Row):
    """One of two like spans."""

    window: Window
    hours: int | None
    """How many hours of its one day, from 00:00 on, where hours are compared; null for whole days."""
    totals: ComparedTotals
    active_users: int | None
    """Null where hours are compared."""
    latency: Percentiles
    """Null where hours are compared, and under a filter by model or feature (but for one user's own)."""


class Changes(Row):
    """From the span before to this window's, each null where either is, or where there is nothing to compare with."""

    requests: Decimal | None
    """In percent, as all but the success rate."""
    cost: Decimal | None
    saved_cost: Decimal | None
    success_rate: Decimal | None
    """In percentage points."""
    p95: Decimal | None
    active_users: Decimal | None


class PreviousSpan(ComparedSpan):
    """The span of equal length directly before a window, like with like: of a window that ends today, its complete days
    against as many of the span before; of today alone, its complete hours against the same hours. So `window` and the
    figures may be of less than the whole span; `daily` has all of its days.
    """

    compared: str
    """The two spans, in words."""
    of_window: ComparedSpan
    """What of the window is compared with it."""
    changes: Changes
    daily: list[UsageDay]
    """Every day of the span, in the order of the window's own, so that they can be laid over one another."""


class SeriesPoint(Row):
    """One day of a provider, model or feature."""

    day: date
    name: str
    requests: int
    cost: Decimal


class UsageReport(Row):
    """`GET /api/admin/ai/usage`."""

    window: Window
    synthetic: Synthetic
    totals: Totals
    active_users: int
    latency: Percentiles
    """Null under a filter by model or feature (but for one user's own), as latency is kept by provider and service."""
    statuses: dict[str, int]
    """Calls by status; a status without any is left out."""
    daily: list[UsageDay]
    by_feature: list[FeatureTotals]
    by_model: list[ModelTotals]
    by_provider: list[ProviderTotals]
    by_hour: list[HourFigures]
    by_weekday_hour: list[WeekdayHour]
    """All 168 hours of a week, for a heat map."""
    top_users: list[UserFigures]
    previous: PreviousSpan | None
    """Null unless asked for with `compare=previous`."""
    series: list[SeriesPoint] | None
    """Every day of the ten with the most cost, and of `other`, which is all the rest; a model that several providers
    sell is one. Null unless asked for with `series=`."""
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
    """How the calls of the month so far went. Percentiles of the request duration are within 1 % of the exact ones."""

    success_rate: Decimal | None
    error_rate: Decimal | None
    statuses: dict[str, int]
    p50: int | None
    p95: int | None
    p99: int | None


class Health(Row):
    """How well the calls of the month so far went, in one figure from 0 to 100; see `app.reports.health`."""

    score: int | None
    success: int | None
    latency: int | None
    cost_coverage: int | None


class Freshness(Row):
    """How far what is read lies behind what was written. Reports are exact at once; only the views lag."""

    last_commit: datetime | None
    views_lag_seconds: Decimal
    """The age of the oldest commit that is not in the cells yet."""
    pending_deltas: int


class MonthEnd(Row):
    """The month's cost at this pace: that of its complete days so far, by their number, times the days of the month."""

    cost: Decimal | None
    """USD, to 15 decimals, half-even; null on the first day. Calls without a known price are not in it."""
    complete_days: int
    days_in_month: int


class OverviewReport(Row):
    """`GET /api/admin/ai/overview`."""

    today: PeriodTotals
    month: PeriodTotals
    month_end: MonthEnd
    trends: Trends
    quality: Quality
    health: Health
    freshness: Freshness
    """Of the whole deployment."""
    client_id: str | None
    """Null for all clients."""
    synthetic: Synthetic
    timezone: str
    generated_at: datetime


class ServiceTotals(Totals):
    """One service type of a provider."""

    service_type: ServiceType
    latency: Percentiles


class ProviderPerformance(ProviderTotals):
    """One provider, over all and by service type."""

    latency: Percentiles
    """Null under a filter by model or feature: latency is kept by provider and service type."""
    services: list[ServiceTotals]


class ProvidersReport(Row):
    """`GET /api/admin/ai/providers`, by requests."""

    window: Window
    synthetic: Synthetic
    providers: list[ProviderPerformance]
    generated_at: datetime


class ModelCosts(ModelTotals):
    """What one model cost, and for what."""

    input_cost: Decimal
    output_cost: Decimal
    generation_cost: Decimal
    average_cost: Decimal | None
    """USD a priced call, to 15 decimals."""
    images: int
    video_seconds: Decimal
    audio_seconds: Decimal
    unique_users: int
    service_types: list[ServiceType]


class ModelsReport(Row):
    """`GET /api/admin/ai/models`, by cost."""

    window: Window
    synthetic: Synthetic
    models: list[ModelCosts]
    generated_at: datetime


class UsersReport(Row):
    """`GET /api/admin/ai/users`: one page of the ranking."""

    window: Window
    synthetic: Synthetic
    active_users: int | None
    """How many there are; null under a filter by provider, model or feature."""
    users: list[ListedUser]
    next_cursor: str | None
    """Ask with `cursor=` for the next page; null on the last one."""
    generated_at: datetime


class WeekTotals(Totals):
    """One ISO week, Monday to Sunday. Changes are in percent of the week before; null for a week not over yet."""

    week: str
    """As `2026-W47`."""
    first: date
    complete: bool
    requests_change: Decimal | None
    cost_change: Decimal | None


class MonthTotals(Totals):
    """One month of the calendar."""

    month: str
    """As `2026-11`."""
    complete: bool


class ConversationFigures(Row):
    """One conversation."""

    conversation_id: str
    client_id: str
    requests: int
    tokens: int
    cost: Decimal
    last_active: date


class AnalyticsReport(Row):
    """`GET /api/analytics`. Parts that were not asked for are null."""

    window: Window
    client_id: str | None
    """Null for all clients."""
    user_id: str | None
    """Null for all users."""
    synthetic: Synthetic
    summary: PeriodTotals
    daily: list[DayTotals] | None
    weekly: list[WeekTotals] | None
    """The last 12 weeks up to the window's end."""
    monthly: list[MonthTotals] | None
    """The last 12 months up to the window's end."""
    by_conversation: list[ConversationFigures] | None
    """The 20 with the most tokens; null where a provider, model or feature is asked for, but for one user's own."""
    providers: list[ProviderTotals]
    generated_at: datetime


class LedgerCall(Row):
    """One entry of the ledger."""

    id: str
    user_id: str
    client_id: str
    conversation_id: str | None
    content_type: str
    feature: str
    service_type: ServiceType
    provider: str
    model: str
    status: CallStatus
    cached: bool
    error_message: str | None
    input_tokens: int
    output_tokens: int
    tokens_used: int
    cost: Decimal | None
    saved_cost: Decimal
    cost_source: CostSource
    price_version: str | None
    request_duration: int | None
    synthetic: bool
    created_at: datetime
    recorded_at: datetime


class CallDetail(LedgerCall):
    """One entry of the ledger with all that is known of it. Counts are in tokens where they do not say otherwise; input
    includes cache reads and writes and every modality, output includes reasoning. Null and zero is what was not
    reported.
    """

    clerk_user_id: str | None = None
    reported_provider: str | None = None
    """What the caller said, where that provider does not sell the model."""
    endpoint: str | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cache_audio_read_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    cache_image_read_tokens: int = 0
    input_video_tokens: int = 0
    web_searches: int = 0
    images: int = 0
    video_seconds: Decimal | None = None
    audio_seconds: Decimal | None = None
    characters: int = 0
    size: str | None = None
    quality: str | None = None
    unreadable_usage: bool = False
    """The response's usage could not be read; the call is unpriced."""
    unmapped: bool = False
    """The content type is not known; its own name is its feature."""
    service_tier: str | None = None
    batch: bool = False
    region: str | None = None
    input_cost: Decimal | None = None
    """A part of `cost`, in USD, as the two that follow; null where the cost has no parts."""
    output_cost: Decimal | None = None
    generation_cost: Decimal | None = None
    time_to_first_token: int | None = None
    """In ms."""
    ip_address: str | None = None
    """Kept only where the deployment asks for it."""
    user_agent: str | None = None
    campaign_id: str | None = None
    metadata: dict[str, Any] | None = None


class CallsReport(Row):
    """`GET /api/admin/ai/calls`: entries of the ledger, newest first."""

    window: Window
    synthetic: Synthetic
    calls: list[LedgerCall]
    next_cursor: str | None
    generated_at: datetime


class LatencyBar(Row):
    """Calls whose duration lies from `from` to `to`, in whole ms, both included."""

    first: int
    last: int
    count: int

    model_config = ConfigDict(alias_generator=lambda name: {"first": "from", "last": "to"}.get(name, camel(name)))


class ErrorKind(Row):
    """Calls to one provider that ended in one way other than success."""

    status: CallStatus
    provider: str
    count: int


class LatencyReport(Row):
    """`GET /api/admin/ai/latency`."""

    window: Window
    synthetic: Synthetic
    latency: Percentiles
    measured: int | None
    """Calls that report a duration. Null as the buckets are."""
    buckets: list[LatencyBar] | None
    """The distribution of the request duration, in about 40 bars of equal width on a log scale, side by side. Null
    under a filter by model or feature (but for one user's own): latency is kept by provider and service type."""
    errors: list[ErrorKind]
    """By status and provider, the most first."""
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


class FoldedNames(Row):
    """Calls with names beyond the client's cap: reports count them under `other`, the ledger has the names."""

    dimension: str
    """provider, model or feature."""
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
    folded_names: list[FoldedNames]
    generated_at: datetime


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
    """`GET /api/admin/stats`: the main dashboard. Requests are counted by the rollups, recent activity is events."""

    ai_requests_today: int
    ai_requests_this_month: int
    ai_cost_today: Decimal
    ai_cost_this_month: Decimal
    unique_users_today: int
    recent_activity: list[Activity]
    client_id: str | None
    """Null for all clients."""
    synthetic: Synthetic
    timezone: str
    generated_at: datetime
