"""Reports for administrators."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.errors import invalid
from app.reports.breakdowns import USER_ORDERS, ModelsReport, ProvidersReport, UsersReport
from app.reports.call_lists import CallFilters, Order
from app.reports.calls import MAX_CALLS, CallDetail, CallsReport
from app.reports.explained import ExplainReport
from app.reports.latency import LatencyReport
from app.reports.overview import OverviewReport
from app.reports.parts.buckets import Step
from app.reports.parts.series import SeriesBy
from app.reports.periods import Compare, Days, Wish, against, complete_days
from app.reports.quality import DataQualityReport
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.retention import MOST_WEEKS, WEEKS, RetentionReport
from app.reports.stats import StatsReport
from app.reports.timeline import TimelineBy, TimelineReport
from app.reports.usage import UsageReport
from routes.dependencies import Cursor, NameFilter, chosen
from routes.queries import SEVERAL_OWNERS

MAX_USERS = 100
SORT = f"One of {', '.join(USER_ORDERS)}; a leading minus sorts in descending order."
ORDER = f"One of {', '.join(Order)}; the newest first by default."
WEEKS_OF_COHORTS = "How many weeks that are over, the last of them the one before this."
SERIES = "Adds `series`, one row per day and name, by provider, model or feature."
STEP = "`minute` (up to 24 hours), `hour` (up to 14 days) or `day`; the shortest that the window may have by default."
TIMELINE_BY = "Adds `series`, by provider, model, feature or serviceType."


class AdminController(Controller):
    """Reports over all calls, or one client's. An administrator of one client sees only that client."""

    path = "/api/admin"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get("/ai/overview", summary="Today and month to date")
    async def overview(
        self,
        reports: NamedDependency[Reports],
        synthetic_mode: NamedDependency[Synthetic],
        scoped_client: NamedDependency[str | None],
    ) -> OverviewReport:
        return await reports.overview(synthetic_mode, scoped_client)

    @get("/ai/usage", summary="Usage of one window, by day, hour, feature, model, provider and user")
    async def usage(
        self,
        reports: NamedDependency[Reports],
        timed_query: NamedDependency[ReportQuery],
        compare_with: NamedDependency[Wish | None],
        wanted_series: Annotated[str | None, QueryParameter(name="series", max_length=32, description=SERIES)] = None,
    ) -> UsageReport:
        """Percentiles of up to 300 calls are exact, of more within 1 %, and by model or feature within 2 %."""
        return await reports.usage(
            timed_query,
            compare=compare_with,
            series_by=chosen("series", wanted_series, SeriesBy),
        )

    @get("/ai/timeline", summary="Requests, tokens and cost by minute, hour or day")
    async def timeline(
        self,
        reports: NamedDependency[Reports],
        timed_query: NamedDependency[ReportQuery],
        step: Annotated[str | None, QueryParameter(max_length=32, description=STEP)] = None,
        by: Annotated[str | None, QueryParameter(max_length=32, description=TIMELINE_BY)] = None,
    ) -> TimelineReport:
        """Hours are those of the clock in the deployment's zone; one that occurs twice, as clocks are set back, is two
        buckets.
        """
        return await reports.timeline(timed_query, chosen("step", step, Step), chosen("by", by, TimelineBy))

    @get("/ai/explain", summary="Why the cost of a window differs from another's")
    async def explain(
        self,
        reports: NamedDependency[Reports],
        report_query: NamedDependency[ReportQuery],
        compare_with: NamedDependency[Wish | None],
    ) -> ExplainReport:
        """The change by volume, mix of models, tokens of a call, price and caching, by feature, model and user. All
        parts sum to it exactly. The days before the window are compared with where nothing else is named. A window that
        ends today is compared without today, unless the other days are named.
        """
        wish = compare_with or Compare.PREVIOUS
        if isinstance(wish, Days):
            return await reports.explain(against(report_query, *wish))
        if (comparison := complete_days(report_query, reports.now(), wish)) is None:
            raise invalid("from", "is today, of which no day is over yet: name other days, or what to compare it with")
        return await reports.explain(comparison)

    @get("/ai/latency", summary="Request duration, time to first token, output speed, and errors")
    async def latency(
        self, reports: NamedDependency[Reports], timed_query: NamedDependency[ReportQuery]
    ) -> LatencyReport:
        """By day, model, provider and feature, the slowest first. Percentiles of up to 300 calls are exact, of more
        within 1 %, and by model or feature within 2 %.
        """
        return await reports.latency(timed_query)

    @get("/ai/providers", summary="Providers: requests, success, latency, speed, service types")
    async def providers(
        self,
        reports: NamedDependency[Reports],
        report_query: NamedDependency[ReportQuery],
        compare_with: NamedDependency[Wish | None],
    ) -> ProvidersReport:
        return await reports.providers(report_query, compare_with)

    @get("/ai/models", summary="Models: cost, tokens, media, users, latency, speed")
    async def models(
        self,
        reports: NamedDependency[Reports],
        report_query: NamedDependency[ReportQuery],
        compare_with: NamedDependency[Wish | None],
    ) -> ModelsReport:
        return await reports.models(report_query, compare_with)

    @get("/ai/users", summary="Users, paginated")
    async def users(
        self,
        reports: NamedDependency[Reports],
        report_query: NamedDependency[ReportQuery],
        compare_with: NamedDependency[Wish | None],
        *,
        sort: Annotated[str, QueryParameter(description=SORT, max_length=32)] = "-requests",
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_USERS)] = 20,
        cursor: Cursor = None,
    ) -> UsersReport:
        return await reports.users(report_query, sort, limit=limit, cursor=cursor, compare=compare_with)

    @get("/ai/retention", summary="Features: who came back in the weeks after the first")
    async def retention(
        self,
        reports: NamedDependency[Reports],
        synthetic_mode: NamedDependency[Synthetic],
        scoped_client: NamedDependency[str | None],
        *,
        weeks: Annotated[int, QueryParameter(ge=1, le=MOST_WEEKS, description=WEEKS_OF_COHORTS)] = WEEKS,
        feature: NameFilter = None,
    ) -> RetentionReport:
        """Weekly cohorts, Monday to Sunday in the deployment's zone, by the first use of a feature ever."""
        return await reports.retention(weeks, synthetic_mode, scoped_client, feature)

    @get("/ai/calls", summary="Calls in the ledger, paginated", opt=SEVERAL_OWNERS)
    async def calls(
        self,
        reports: NamedDependency[Reports],
        timed_query: NamedDependency[ReportQuery],
        call_filters: NamedDependency[CallFilters],
        *,
        sort: Annotated[str, QueryParameter(max_length=32, description=ORDER)] = Order.NEWEST.value,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_CALLS)] = 50,
        cursor: Cursor = None,
    ) -> CallsReport:
        """In order of a figure: of the calls of which it is known."""
        order = Order(chosen("sort", sort, Order) or Order.NEWEST)
        return await reports.calls(timed_query, call_filters, order=order, limit=limit, cursor=cursor)

    @get("/ai/calls/{call_id:str}", summary="One call of the ledger, in full detail")
    async def call(
        self, call_id: FromPath[str], reports: NamedDependency[Reports], scoped_client: NamedDependency[str | None]
    ) -> CallDetail:
        """404 for an unknown call, and for another client's."""
        return await reports.call(call_id, scoped_client)

    @get("/ai/data-quality", summary="Unpriced, estimated and unmapped calls, and impossible provider/model pairs")
    async def data_quality(
        self, reports: NamedDependency[Reports], report_query: NamedDependency[ReportQuery]
    ) -> DataQualityReport:
        return await reports.data_quality(report_query)

    @get("/stats", summary="The main dashboard")
    async def stats(
        self,
        reports: NamedDependency[Reports],
        synthetic_mode: NamedDependency[Synthetic],
        scoped_client: NamedDependency[str | None],
    ) -> StatsReport:
        return await reports.stats(synthetic_mode, scoped_client)
