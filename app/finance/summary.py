"""The summary with what other rooms know: the month's end, its budget, and what wants attention."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from app.alerts.alerts import Alerts
from app.finance.forecast.answers import SeriesForecast
from app.finance.forecast.forecasts import Forecasts
from app.limits import Limits
from app.limits.answers import LimitState
from app.limits.defining.limits import LimitBook
from app.limits.defining.owners import owner_of
from app.limits.meters import Applied
from app.reports.query import Filters, Synthetic
from app.reports.reader import Reader
from app.reports.reports import Reports
from app.reports.rows import Row, percent
from app.reports.summary import SummaryFigures
from models.alerts import Alert, AlertKind
from models.limits import Limit, Unit, Window
from models.subjects import EVERYONE_SUBJECT, subject_of

MOST_LIMITS = 20
MOST_ALERTS = 5
NEAR = 80
"""Percent of a limit from which on it wants attention."""
RECENT = timedelta(days=1)


class Severity(StrEnum):
    """How much something matters."""

    BAD = "bad"
    WARN = "warn"


class Attention(Row):
    """Something that wants attention."""

    kind: str
    text: str
    """In a sentence."""
    severity: Severity
    view: str
    """The page that says more, as its address after `/admin/`."""
    filters: dict[str, str]
    """What that page is to be narrowed to."""
    at: datetime | None


class MonthBudget(Row):
    """A limit in USD per month of all calls, or of the client."""

    limit_id: str
    name: str | None
    amount: Decimal
    used: Decimal
    used_percent: Decimal | None


class SummaryReport(SummaryFigures):
    """`GET /api/admin/ai/summary`: what the overview shows."""

    forecast: SeriesForecast
    """Of this month: see `/api/admin/finance/forecast`."""
    budgets: list[MonthBudget]
    """The smallest first."""
    attention: list[Attention]
    """What is bad first."""
    client_id: str | None
    synthetic: Synthetic
    timezone: str
    generated_at: datetime


class Summaries:
    """One per process."""

    def __init__(self, reports: Reports, forecasts: Forecasts, alerts: Alerts, limits: Limits, book: LimitBook) -> None:
        self._reports = reports
        self._forecasts = forecasts
        self._alerts = alerts
        self._limits = limits
        self._book = book

    async def summary(self, synthetic: Synthetic, client_id: str | None) -> SummaryReport:
        """The report, of one client or of all. Figures and forecast are of one moment.

        Raises DatabaseUnavailableError and RollupsNotReadyError.
        """
        filters = Filters(client_id=client_id)

        async def forecast(read: Reader) -> SeriesForecast:
            return await self._forecasts.of_all(read, filters, synthetic)

        figures, ahead = await self._reports.summary(synthetic, client_id, forecast)
        states, now = await self._states(client_id), self._reports.now()
        told = await self._alerts.records.alerts(client_id, size=MOST_ALERTS)
        recent = [each for each in told if now - each.at <= RECENT]
        return SummaryReport(
            **{name: getattr(figures, name) for name in SummaryFigures.model_fields},
            forecast=ahead,
            budgets=_budgets(states),
            attention=in_order([*_of_limits(states), *_of_alerts(recent), *_of_figures(figures)]),
            client_id=client_id,
            synthetic=synthetic,
            timezone=self._reports.zone.key,
            generated_at=now,
        )

    async def _states(self, client: str | None) -> Sequence[LimitState]:
        """Of limits on all calls, or on those of the client."""
        subject = EVERYONE_SUBJECT if client is None else subject_of("client", client)
        now, applied = datetime.now(UTC), list[Applied]()
        for one in await self._book.page(client, {"subject": subject}, ended=False, after=None, size=MOST_LIMITS):
            owner = await owner_of(self._book.database, one.scope, None)
            if (holds := await self._limits.definitions.applied_of(one, owner.subject, now)) is not None:
                applied.append(holds)
        return await self._limits.state_of(applied) if applied else []


def in_order(attention: Sequence[Attention]) -> list[Attention]:
    """What is bad first."""
    return sorted(attention, key=lambda each: each.severity is not Severity.BAD)


def _budgets(states: Sequence[LimitState]) -> list[MonthBudget]:
    of_month = [each for each in states if _is_of_month(each.limit)]
    return [
        MonthBudget(
            limit_id=each.limit.id,
            name=each.limit.name,
            amount=each.allowance,
            used=each.used,
            used_percent=_share(each),
        )
        for each in sorted(of_month, key=lambda each: each.allowance)
    ]


def _is_of_month(limit: Limit) -> bool:
    narrowed = any(value is not None for value in limit.filter.model_dump().values())
    return limit.unit is Unit.USD and limit.window is Window.MONTH and not narrowed


def _share(state: LimitState) -> Decimal | None:
    return percent(int(state.used * 10**6), int(state.allowance * 10**6)) if state.allowance else None


def _of_limits(states: Sequence[LimitState]) -> list[Attention]:
    found = []
    for each in states:
        share, limit = _share(each), each.limit
        if share is None or share < NEAR:
            continue
        over = share >= 100  # noqa: PLR2004 - percent
        usd = limit.unit is Unit.USD
        amount = f"${each.allowance:,.2f}" if usd else f"{each.allowance:,.0f} {limit.unit}"
        text = f"{limit.name or 'A limit'}: {share:.0f}% of {amount} per {limit.window} used"
        found.append(
            Attention(
                kind="limit",
                text=text,
                severity=Severity.BAD if over else Severity.WARN,
                view="settings/limits",
                filters={},
                at=None,
            )
        )
    return found


def _of_alerts(told: Sequence[Alert]) -> list[Attention]:
    wanted = [each for each in told if each.kind is not AlertKind.TEST]
    return [
        Attention(
            kind=each.kind, text=each.text, severity=Severity.WARN, view="settings/alerts", filters={}, at=each.at
        )
        for each in wanted
    ]


def _of_figures(figures: SummaryFigures) -> list[Attention]:
    found = [
        Attention(
            kind="errors",
            text=(
                f"{each.provider}: {each.error_rate:.1f}% of today's calls failed ({each.errors:,} of "
                f"{each.requests:,}), usually {each.usual_rate:.1f}%"
            ),
            severity=Severity.BAD,
            view="reliability",
            filters={"provider": each.provider, "days": "1"},
            at=None,
        )
        for each in figures.failing
    ]
    if unpriced := figures.month.totals.unpriced:
        calls = "1 call" if unpriced == 1 else f"{unpriced:,} calls"
        found.append(
            Attention(
                kind="unpriced",
                text=f"{calls} this month without a price: not in any cost",
                severity=Severity.WARN,
                view="reliability/data-quality",
                filters={},
                at=None,
            )
        )
    return found
