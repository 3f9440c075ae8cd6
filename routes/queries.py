"""The query of a report as a request has it: its window, its filters, and those of lists of calls."""

from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from app.auth.ownership import visible_client, visible_user
from app.auth.principals import Principal
from app.errors import invalid
from app.reports.call_lists import CallFilters
from app.reports.periods import Compare, Days, Wish
from app.reports.query import Filters, ReportQuery, Synthetic, Wanted, names
from app.reports.reports import Reports
from app.reports.windows import MAX_DAYS, check_days, requested_window, timed_window
from models import CallStatus, CostSource, ServiceType
from routes.dependencies import chosen

OF_CALLS = "Calls only."
ANY_OF = "Several times: any of them."
NONE_OF = "All but this; several times: none of them."
MOST_NAMES = 50
LONGEST_NAME = 256
MAX_DURATION = 10**12
"""In ms: above the upper end of every bar of a distribution."""
MAX_COST = Decimal(10**12)
SEVERAL = "several_owners"
SEVERAL_OWNERS = {SEVERAL: True}
"""Of a handler that lists calls: it may be asked for several users and clients at once."""
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
UserNames = Annotated[
    list[str] | None, QueryParameter(name="userId", max_items=MOST_NAMES, description="Of lists of calls several.")
]
ClientNames = Annotated[
    list[str] | None,
    QueryParameter(
        name="clientId",
        max_items=MOST_NAMES,
        description="Only this client's calls, of lists of calls several; a caller bound to one client sees no other.",
    ),
]


def wanted_names(field: str, among: list[str] | None, without: list[str] | None = None) -> Wanted:
    """What is asked for of one filter. Raises InvalidRequestError."""
    negated = f"not{field[0].upper()}{field[1:]}"
    for name, values in ((field, among), (negated, without)):
        for value in values or ():
            if not 1 <= len(value) <= LONGEST_NAME:
                raise invalid(name, f"must have 1 to {LONGEST_NAME} characters")
    return names(among, without)


def _one(field: str, values: list[str] | None, *, several: bool) -> str | None:
    """The one name that is asked for; None also where a list of calls is asked for several."""
    wanted = wanted_names(field, values)
    if wanted is None or isinstance(wanted, str):
        return wanted
    if several:
        return None
    raise invalid(field, "may be given once: several narrow lists of calls alone")


def _several(field: str, among: list[str] | None, without: list[str] | None) -> Wanted:
    """What is asked for where one name, which every report knows, does not say it."""
    wanted = wanted_names(field, among, without)
    return None if isinstance(wanted, str) else wanted


def _amount(field: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= MAX_COST):
        raise invalid(field, f"must be an amount in USD, such as 0.25, of at most {MAX_COST:,}")
    return amount


def narrowed(principal: Principal, filters: Filters) -> Filters:
    """The filters, narrowed to what the caller may see. Raises NotAllowedError where they name another's."""
    return replace(
        filters,
        client_id=visible_client(principal, filters.client_id),
        user_id=visible_user(principal, filters.user_id),
    )


async def provide_ledger_query(
    request: Request[Principal, Any, Any],
    reports: NamedDependency[Reports],
    synthetic_mode: NamedDependency[Synthetic],
    *,
    days: Annotated[int | None, QueryParameter(description=f"1 to {MAX_DAYS} days up to today; 30 by default.")] = None,
    first: Annotated[date | None, QueryParameter(name="from", description="First day, instead of `days`.")] = None,
    last: Annotated[date | None, QueryParameter(name="to", description="Last day; today when left out.")] = None,
    feature: Annotated[list[str] | None, QueryParameter(max_items=MOST_NAMES, description=ANY_OF)] = None,
    provider: Annotated[list[str] | None, QueryParameter(max_items=MOST_NAMES, description=ANY_OF)] = None,
    model: Annotated[list[str] | None, QueryParameter(max_items=MOST_NAMES, description=ANY_OF)] = None,
    not_feature: Annotated[
        list[str] | None, QueryParameter(name="notFeature", max_items=MOST_NAMES, description=NONE_OF)
    ] = None,
    not_provider: Annotated[
        list[str] | None, QueryParameter(name="notProvider", max_items=MOST_NAMES, description=NONE_OF)
    ] = None,
    not_model: Annotated[
        list[str] | None, QueryParameter(name="notModel", max_items=MOST_NAMES, description=NONE_OF)
    ] = None,
    user_id: UserNames = None,
    client_id: ClientNames = None,
    timezone: Annotated[
        str | None, QueryParameter(max_length=64, description="Must be the reporting time zone, if given.")
    ] = None,
) -> ReportQuery:
    """The window and the filters of a request, narrowed to what the caller sees."""
    if timezone not in {None, reports.zone.key}:
        raise invalid("timezone", f"must be {reports.zone.key}: days are counted in the deployment's time zone")
    window = requested_window(days=days, first=first, last=last, now=reports.now(), zone=reports.zone)
    several = bool(request.route_handler.opt.get(SEVERAL))
    filters = Filters(
        feature=wanted_names("feature", feature, not_feature),
        provider=wanted_names("provider", provider, not_provider),
        model=wanted_names("model", model, not_model),
        user_id=_one("userId", user_id, several=several),
        client_id=_one("clientId", client_id, several=several),
    )
    filters = narrowed(request.user, filters)
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
    request: Request[Principal, Any, Any],
    *,
    status: Annotated[
        list[str] | None, QueryParameter(max_items=MOST_NAMES, description=f"{OF_CALLS} {ANY_OF}")
    ] = None,
    not_status: Annotated[
        list[str] | None,
        QueryParameter(name="notStatus", max_items=MOST_NAMES, description=f"{OF_CALLS} {NONE_OF}"),
    ] = None,
    user_id: UserNames = None,
    not_user: Annotated[
        list[str] | None,
        QueryParameter(name="notUserId", max_items=MOST_NAMES, description=f"{OF_CALLS} {NONE_OF}"),
    ] = None,
    user_prefix: Annotated[
        str | None,
        QueryParameter(
            name="userPrefix", min_length=1, max_length=256, description=f"{OF_CALLS} How ids of users begin."
        ),
    ] = None,
    client_id: ClientNames = None,
    not_client: Annotated[
        list[str] | None,
        QueryParameter(name="notClientId", max_items=MOST_NAMES, description=f"{OF_CALLS} {NONE_OF}"),
    ] = None,
    min_cost: Annotated[
        str | None, QueryParameter(name="minCost", max_length=40, description=f"{OF_CALLS} In USD, inclusive.")
    ] = None,
    max_cost: Annotated[
        str | None, QueryParameter(name="maxCost", max_length=40, description=f"{OF_CALLS} In USD, inclusive.")
    ] = None,
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
    least, most = _amount("minCost", min_cost), _amount("maxCost", max_cost)
    if least is not None and most is not None and least > most:
        raise invalid("minCost", f"must not exceed maxCost ({max_cost})")
    for field, values in (("status", status), ("notStatus", not_status)):
        for value in values or ():
            chosen(field, value, CallStatus)
    for client in client_id or ():
        visible_client(request.user, client)
    return CallFilters(
        status=wanted_names("status", status, not_status),
        users=_several("userId", user_id, not_user),
        clients=_several("clientId", client_id, not_client),
        user_prefix=user_prefix,
        min_cost=least,
        max_cost=most,
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


QUERIES = {
    "report_query": Provide(provide_ledger_query),
    "timed_query": Provide(provide_timed_query),
    "compare_with": Provide(provide_wish),
    "call_filters": Provide(provide_call_filters),
}
