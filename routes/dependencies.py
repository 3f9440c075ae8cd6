"""What handlers are given: services of the running application, and parameters that several routes share."""

from enum import StrEnum
from typing import Annotated, Any, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from app.alerts.alerts import Alerts
from app.auth.api_keys import KeyRing
from app.auth.ownership import own_client
from app.auth.principals import Principal
from app.errors import invalid
from app.events.recording import EventRecorder
from app.finance.campaigns.campaigns import Campaigns
from app.finance.experiments.experiments import Experiments
from app.finance.figures.finance import Finance
from app.finance.forecast.forecasts import Forecasts
from app.finance.months.months import Months
from app.finance.months.printing.printer import Printer
from app.finance.revenue.book import RevenueBook
from app.finance.revenue.rates import Rates
from app.finance.summary import Summaries
from app.finance.upgrades.upgrades import FeatureUpgradesReports
from app.limits import Limits
from app.limits.defining.grants import GrantBook
from app.limits.defining.limits import LimitBook
from app.limits.defining.plans import PlanBook
from app.limits.defining.subscriptions import SubscriptionBook
from app.pricing.price_book import PriceBook
from app.reports.query import Synthetic
from app.reports.reports import Reports
from app.settings import Settings
from app.tracking import Tracker

NameFilter = Annotated[str | None, QueryParameter(min_length=1, max_length=256)]
Cursor = Annotated[
    str | None, QueryParameter(max_length=1_000, description="`nextCursor` of the previous page; omit for the first.")
]
ClientFilter = Annotated[
    str | None,
    QueryParameter(
        name="clientId",
        min_length=1,
        max_length=256,
        description="Only this client's calls; a caller bound to one client sees no other.",
    ),
]
SyntheticFilter = Annotated[
    str | None,
    QueryParameter(
        description="Whether demo data is included: exclude, include or only; the deployment's setting by default.",
        max_length=32,
    ),
]
Choice = TypeVar("Choice", bound=StrEnum)


def chosen(field: str, value: str | None, choices: type[Choice]) -> Choice | None:
    """The choice of this name. Raises InvalidRequestError listing the choices."""
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError as error:
        raise invalid(field, f"must be one of {', '.join(choices)}") from error


async def provide_tracker(state: State) -> Tracker:
    tracker: Tracker = state.tracker
    return tracker


async def provide_event_recorder(state: State) -> EventRecorder:
    recorder: EventRecorder = state.event_recorder
    return recorder


async def provide_price_book(state: State) -> PriceBook:
    price_book: PriceBook = state.price_book
    return price_book


async def provide_reports(state: State) -> Reports:
    reports: Reports = state.reports
    return reports


async def provide_campaigns(state: State) -> Campaigns:
    campaigns: Campaigns = state.campaigns
    return campaigns


async def provide_experiments(state: State) -> Experiments:
    experiments: Experiments = state.experiments
    return experiments


async def provide_finance(state: State) -> Finance:
    finance: Finance = state.finance
    return finance


async def provide_forecasts(state: State) -> Forecasts:
    forecasts: Forecasts = state.forecasts
    return forecasts


async def provide_summaries(
    state: State, reports: NamedDependency[Reports], forecasts: NamedDependency[Forecasts]
) -> Summaries:
    book = LimitBook(state.database, state.limits.definitions)
    return Summaries(reports, forecasts, state.alerts, state.limits, book)


async def provide_months(state: State) -> Months:
    months: Months = state.months
    return months


async def provide_printer(state: State) -> Printer:
    printer: Printer = state.printer
    return printer


async def provide_feature_upgrades(state: State) -> FeatureUpgradesReports:
    feature_upgrades: FeatureUpgradesReports = state.feature_upgrades
    return feature_upgrades


async def provide_api_keys(state: State) -> KeyRing:
    api_keys: KeyRing = state.api_keys
    return api_keys


async def provide_limits(state: State) -> Limits:
    limits: Limits = state.limits
    return limits


async def provide_plan_book(state: State) -> PlanBook:
    return PlanBook(state.database, state.limits.definitions)


async def provide_subscription_book(state: State) -> SubscriptionBook:
    return SubscriptionBook(state.database, state.limits.definitions)


async def provide_limit_book(state: State) -> LimitBook:
    return LimitBook(state.database, state.limits.definitions)


async def provide_grant_book(state: State) -> GrantBook:
    return GrantBook(state.database, state.limits.definitions)


async def provide_revenue_book(state: State) -> RevenueBook:
    return RevenueBook(state.database, state.settings.zone)


async def provide_revenue_rates(state: State) -> Rates:
    return Rates(state.database)


async def provide_alerts(state: State) -> Alerts:
    alerts: Alerts = state.alerts
    return alerts


async def provide_synthetic(state: State, synthetic: SyntheticFilter = None) -> Synthetic:
    """As requested, else the deployment's setting."""
    settings: Settings = state.settings
    if (wanted := chosen("synthetic", synthetic, Synthetic)) is not None:
        return wanted
    return Synthetic.INCLUDE if settings.show_synthetic else Synthetic.EXCLUDE


async def provide_client(request: Request[Principal, Any, Any], client_id: ClientFilter = None) -> str | None:
    """The requested client, None for all: never one that the caller may not see."""
    return own_client(request.user, client_id)


DEPENDENCIES = {
    "tracker": Provide(provide_tracker),
    "event_recorder": Provide(provide_event_recorder),
    "price_book": Provide(provide_price_book),
    "reports": Provide(provide_reports),
    "campaigns": Provide(provide_campaigns),
    "experiments": Provide(provide_experiments),
    "finance": Provide(provide_finance),
    "forecasts": Provide(provide_forecasts),
    "feature_upgrades": Provide(provide_feature_upgrades),
    "summaries": Provide(provide_summaries),
    "months": Provide(provide_months),
    "printer": Provide(provide_printer),
    "api_keys": Provide(provide_api_keys),
    "usage_limits": Provide(provide_limits),
    "plan_book": Provide(provide_plan_book),
    "subscription_book": Provide(provide_subscription_book),
    "limit_book": Provide(provide_limit_book),
    "grant_book": Provide(provide_grant_book),
    "alerts": Provide(provide_alerts),
    "revenue_book": Provide(provide_revenue_book),
    "revenue_rates": Provide(provide_revenue_rates),
    "synthetic_mode": Provide(provide_synthetic),
    "scoped_client": Provide(provide_client),
}
