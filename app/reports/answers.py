"""What the routes answer: one class for each report, and the rows that only it has."""

from datetime import date, datetime
from decimal import Decimal

from app.reports.query import Synthetic
from app.reports.rows import (
    DayTotals,
    FeatureTotals,
    HourFigures,
    ModelTotals,
    ProviderTotals,
    Row,
    Totals,
    UserFigures,
    WeekdayHour,
    Window,
)
from models import CallStatus, CostSource, ServiceType


class ListedUser(UserFigures):
    """One user in a list."""

    last_active: date


class UsageReport(Row):
    """`GET /api/admin/ai/usage`."""

    window: Window
    synthetic: Synthetic
    totals: Totals
    daily: list[DayTotals]
    by_feature: list[FeatureTotals]
    by_model: list[ModelTotals]
    by_provider: list[ProviderTotals]
    by_hour: list[HourFigures]
    by_weekday_hour: list[WeekdayHour]
    """All 168 hours of a week, for a heat map."""
    top_users: list[UserFigures]
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


class OverviewReport(Row):
    """`GET /api/admin/ai/overview`."""

    today: PeriodTotals
    month: PeriodTotals
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


class Percentiles(Row):
    """Of the request duration, in ms, each within 1 % of the exact one. Null where it is not known."""

    p50: int | None
    p95: int | None
    p99: int | None


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


class CallsReport(Row):
    """`GET /api/admin/ai/calls`: entries of the ledger, newest first."""

    window: Window
    synthetic: Synthetic
    calls: list[LedgerCall]
    next_cursor: str | None
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
