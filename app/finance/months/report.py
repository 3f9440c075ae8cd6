"""The report of a month: one model, from which page, PDF, table and JSON are made."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from app.reports.explained import ExplainReport
from app.reports.parts.series import SeriesPoint
from app.reports.quality import UnpricedCalls
from app.reports.query import Synthetic
from app.reports.rows import DayTotals, ModelTotals, Row, Totals, UserFigures, Window, change


class MonthStatus(StrEnum):
    """What the figures are."""

    PREVIEW = "preview"
    """The month is not over: they are of its days up to now."""
    OPEN = "open"
    """It is over. A call that comes late, or is repriced, still changes them."""
    CLOSED = "closed"
    """They are those that were kept when it was closed."""


class Share(Row):
    """A model, feature or provider: its part of the month, and what it cost in the month before."""

    name: str
    requests: int
    cost: Decimal
    tokens: int
    saved_cost: Decimal
    unpriced: int
    cost_before: Decimal
    change: Decimal
    """`cost` less `cost_before`, USD."""


class ModelShare(Share):
    """One model at one provider."""

    provider: str


class Changed(Row):
    """Against the month before."""

    window: Window
    totals: Totals
    cost: Decimal
    """USD more than then."""
    cost_percent: Decimal | None
    requests: int
    requests_percent: Decimal | None

    @classmethod
    def between(cls, now: Totals, before: Totals, window: Window) -> Self:
        return cls(
            window=window,
            totals=before,
            cost=now.cost - before.cost,
            cost_percent=change(now.cost, before.cost),
            requests=now.requests - before.requests,
            requests_percent=change(now.requests, before.requests),
        )


class Saved(Row):
    """What calls would have cost that caches answered."""

    calls: int
    saved_cost: Decimal
    gateway_calls: int
    """Of them, those that the gateway's own cache answered."""
    gateway_saved_cost: Decimal


class PriceVersion(Row):
    """The prices by which calls were priced, as their entries name them."""

    version: str | None
    """Null for calls that name none: their cost was reported by who called, or they have none."""
    calls: int
    cost: Decimal


class Budget(Row):
    """A limit in USD per month against what was spent."""

    limit: str
    name: str | None
    scope: str
    """Whose calls it counts, without the user's name: `client acme`, `user`, `everyone`."""
    user_id: str | None
    kind: str
    amount: Decimal
    """With what was granted for the month."""
    spent: Decimal
    percent: Decimal | None
    """Of the amount; null where that is 0."""
    timezone: str
    """In which the month of the limit begins."""

    @property
    def of(self) -> str:
        """Whose calls it counts, in words."""
        return self.scope if self.user_id is None else self.scope.replace("user", f"user {self.user_id}", 1)


class Explanation(Row):
    """One reason for which a provider's invoice may differ from the ledger."""

    cause: str
    """unpriced, estimated or tiers."""
    words: str
    calls: int
    up_to: Decimal | None
    """How much of the difference it can explain at most, USD; null where nobody knows."""
    explained: Decimal
    """How much it is taken to explain."""


class ReconciledProvider(Row):
    """One provider's invoices against the ledger."""

    provider: str
    invoices: int
    invoiced: Decimal | None
    """USD; null where none was entered."""
    recorded: Decimal
    """The cost of its calls."""
    difference: Decimal | None
    """`invoiced` less `recorded`. What is explained and what is not sum to it exactly."""
    explanations: list[Explanation]
    unexplained: Decimal | None


class RevenueOfMonth(Row):
    """Revenue and cost of the same days, USD."""

    recognised: Decimal
    billed: Decimal
    cost: Decimal
    margin: Decimal
    margin_percent: Decimal | None
    return_on_cost: Decimal | None


class Drift(Row):
    """What the ledger says today of a closed month, less what was kept."""

    requests: int
    cost: Decimal
    late_calls: int | None
    """Recorded after the closing; null where the month has too many calls to look at each."""
    late_cost: Decimal | None
    repriced_calls: int | None
    """Priced again after the closing."""
    repriced_cost: Decimal | None
    """By how much their cost changed."""
    other_cost: Decimal | None
    """The rest: calls that were deleted, or changed by hand."""


class MonthReport(Row):
    """`GET /api/admin/reports/month/{yyyy-mm}.json`."""

    month: str
    """As `2026-10`."""
    window: Window
    client_id: str | None
    """Null for all clients."""
    user_id: str | None
    synthetic: Synthetic
    status: MonthStatus
    closed_at: datetime | None
    closed_by: str | None
    totals: Totals
    active_users: int
    changed: Changed
    explained: ExplainReport
    """Why the cost changed: its effects sum to the change exactly."""
    daily: list[DayTotals]
    series: list[SeriesPoint]
    """Every day of the ten models with the most cost, and of `other`."""
    by_model: list[ModelShare]
    """By cost, as the next two are. What only the month before had is there, too."""
    by_feature: list[Share]
    by_provider: list[Share]
    top_users: list[UserFigures]
    """The twenty with the most requests."""
    saved: Saved
    unpriced: list[UnpricedCalls]
    """Calls without a price, by model and reason: their cost is in no figure here. The hundred with the most calls."""
    estimated: list[ModelTotals]
    """Calls whose tokens were estimated; their cost is in every figure here. The hundred with the most calls."""
    price_versions: list[PriceVersion] | None
    """Null where the month has too many calls to look at each before it is closed."""
    budgets: list[Budget]
    """The hundred that are used most."""
    revenue: RevenueOfMonth | None
    """Null for one user without revenue of its own, and where there is none."""
    reconciliation: list[ReconciledProvider] | None
    """Null for one user: providers invoice no users."""
    drift: Drift | None
    """Null where the month is not closed, or the ledger still says the same."""
    generated_at: datetime

    @property
    def of(self) -> str:
        """Whose it is, in words."""
        whose = [
            f"{what} {name}" for what, name in (("user", self.user_id), ("client", self.client_id)) if name is not None
        ]
        return " of ".join(whose) or "all clients"

    @property
    def days(self) -> list[date]:
        return [each.day for each in self.daily]
