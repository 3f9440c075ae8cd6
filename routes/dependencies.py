"""What handlers are given: services of the running application, and parameters that several routes share."""

from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from app.alerts.alerts import Alerts
from app.auth.api_keys import KeyRing
from app.auth.ownership import own_client, visible_client, visible_user
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
from app.reports.calls import CallFilters
from app.reports.periods import Compare, Days, Wish
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import MAX_DAYS, check_days, requested_window, timed_window
from app.settings import Settings
from app.tracking import Tracker
from models import CallStatus, CostSource, ServiceType

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
CompareFilter = Annotated[
    str | None,
    QueryParameter(
        max_length=32,
        description=(
            "Adds what an earlier period had, up to the same time of day where the window is not over: `previous`, as "
            "many days directly before the window; `week`, as many days with the same weekdays; `month`, the same days "
            "of the month before; `year`, the same dates of the year before. Or name the days with `compareFrom` and "
            "`compareTo`."
        ),
    ),
]
OF_CALLS = "Calls only."
MAX_DURATION = 10**12
"""In ms: above the upper end of every bar of a distribution."""
Choice = TypeVar("Choice", bound=StrEnum)


def chosen(field: str, value: str | None, choices: type[Choice]) -> Choice | None:
    """The choice of this name. Raises InvalidRequestError listing the choices."""
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError as error:
        raise invalid(field, f"must be one of {', '.join(choices)}") from error


def narrowed(principal: Principal, filters: Filters) -> Filters:
    """The filters, narrowed to what the caller may see. Raises NotAllowedError where they name another's."""
    return replace(
        filters,
        client_id=visible_client(principal, filters.client_id),
        user_id=visible_user(principal, filters.user_id),
    )


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


async def provide_ledger_query(
    request: Request[Principal, Any, Any],
    reports: NamedDependency[Reports],
    synthetic_mode: NamedDependency[Synthetic],
    *,
    days: Annotated[int | None, QueryParameter(description=f"1 to {MAX_DAYS} days up to today; 30 by default.")] = None,
    first: Annotated[date | None, QueryParameter(name="from", description="First day, instead of `days`.")] = None,
    last: Annotated[date | None, QueryParameter(name="to", description="Last day; today when left out.")] = None,
    feature: NameFilter = None,
    provider: NameFilter = None,
    model: NameFilter = None,
    user_id: Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)] = None,
    client_id: ClientFilter = None,
    timezone: Annotated[
        str | None, QueryParameter(max_length=64, description="Must be the reporting time zone, if given.")
    ] = None,
) -> ReportQuery:
    """The window and the filters of a request, narrowed to what the caller sees."""
    if timezone not in {None, reports.zone.key}:
        raise invalid("timezone", f"must be {reports.zone.key}: days are counted in the deployment's time zone")
    window = requested_window(days=days, first=first, last=last, now=reports.now(), zone=reports.zone)
    filters = narrowed(request.user, Filters(feature, provider, model, user_id, client_id))
    return ReportQuery(window, filters, synthetic_mode)


async def provide_timed_query(
    request: Request[Principal, Any, Any],
    report_query: NamedDependency[ReportQuery],
    from_time: Annotated[
        str | None,
        QueryParameter(
            name="fromTime",
            max_length=64,
            description="First instant, with its time zone (RFC 3339); with `toTime`, instead of days.",
        ),
    ] = None,
    to_time: Annotated[
        str | None,
        QueryParameter(name="toTime", max_length=64, description="The instant after the last one; at most 14 days on."),
    ] = None,
) -> ReportQuery:
    """The same, or between two instants: for what is read from the ledger, or hour by hour."""
    if from_time is None and to_time is None:
        return report_query
    if given := [name for name in ("days", "from", "to") if name in request.query_params]:
        raise invalid(given[0], "give either fromTime and toTime, or days")
    return replace(report_query, window=timed_window(from_time, to_time, report_query.window.zone))


async def provide_wish(
    compare: CompareFilter = None,
    compare_from: Annotated[
        date | None, QueryParameter(name="compareFrom", description="First day to compare with.")
    ] = None,
    compare_to: Annotated[
        date | None, QueryParameter(name="compareTo", description="Last day to compare with.")
    ] = None,
) -> Wish | None:
    """What to compare with. Raises InvalidRequestError naming the parameter at fault."""
    if compare_from is None and compare_to is None:
        return chosen("compare", compare, Compare)
    if compare is not None:
        raise invalid("compare", "give either compare, or compareFrom and compareTo")
    if compare_from is None or compare_to is None:
        missing = "compareTo" if compare_to is None else "compareFrom"
        raise invalid(missing, "is missing: name the first day and the last one")
    check_days(compare_from, compare_to, "compareFrom", "compareTo")
    return Days(compare_from, compare_to)


async def provide_call_filters(
    *,
    status: Annotated[str | None, QueryParameter(max_length=32, description=OF_CALLS)] = None,
    cost_source: Annotated[str | None, QueryParameter(name="costSource", max_length=32, description=OF_CALLS)] = None,
    conversation_id: Annotated[
        str | None, QueryParameter(name="conversationId", min_length=1, max_length=256, description=OF_CALLS)
    ] = None,
    service_type: Annotated[str | None, QueryParameter(name="serviceType", max_length=32, description=OF_CALLS)] = None,
    reported_provider: Annotated[
        str | None, QueryParameter(name="reportedProvider", min_length=1, max_length=256, description=OF_CALLS)
    ] = None,
    campaign_id: Annotated[
        str | None, QueryParameter(name="campaignId", min_length=1, max_length=256, description=OF_CALLS)
    ] = None,
    experiment: Annotated[str | None, QueryParameter(min_length=1, max_length=256, description=OF_CALLS)] = None,
    variant: Annotated[
        str | None, QueryParameter(min_length=1, max_length=256, description=f"{OF_CALLS} Of the experiment.")
    ] = None,
    upstream: Annotated[
        str | None, QueryParameter(min_length=1, max_length=256, description=f"{OF_CALLS} Of the gateway.")
    ] = None,
    weekday: Annotated[
        int | None, QueryParameter(ge=1, le=7, description=f"{OF_CALLS} 1 for Monday to 7 for Sunday.")
    ] = None,
    hour: Annotated[
        int | None, QueryParameter(ge=0, le=23, description=f"{OF_CALLS} In the reporting time zone.")
    ] = None,
    min_duration: Annotated[
        int | None,
        QueryParameter(name="minDuration", ge=0, le=MAX_DURATION, description=f"{OF_CALLS} In ms, inclusive."),
    ] = None,
    max_duration: Annotated[
        int | None,
        QueryParameter(name="maxDuration", ge=0, le=MAX_DURATION, description=f"{OF_CALLS} In ms, inclusive."),
    ] = None,
    aggregated: Annotated[
        bool | None, QueryParameter(description="true: sums of many calls alone, which other lists leave out.")
    ] = None,
) -> CallFilters:
    """The filters of calls beyond those of every report."""
    if min_duration is not None and max_duration is not None and min_duration > max_duration:
        raise invalid("minDuration", f"must not exceed maxDuration ({max_duration})")
    return CallFilters(
        status=chosen("status", status, CallStatus),
        cost_source=chosen("costSource", cost_source, CostSource),
        conversation_id=conversation_id,
        service_type=chosen("serviceType", service_type, ServiceType),
        reported_provider=reported_provider,
        campaign_id=campaign_id,
        experiment=experiment,
        variant=variant,
        upstream=upstream,
        weekday=weekday,
        hour=hour,
        min_duration=min_duration,
        max_duration=max_duration,
        aggregated=aggregated,
    )


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
    "report_query": Provide(provide_ledger_query),
    "timed_query": Provide(provide_timed_query),
    "compare_with": Provide(provide_wish),
    "call_filters": Provide(provide_call_filters),
}
