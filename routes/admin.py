"""What administrators read."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth import Scope, requires
from app.reports.answers import (
    CallsReport,
    DataQualityReport,
    ModelsReport,
    OverviewReport,
    ProvidersReport,
    StatsReport,
    UsageReport,
    UsersReport,
)
from app.reports.breakdowns import USER_ORDERS
from app.reports.calls import MAX_CALLS
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from models import CallStatus, CostSource
from routes.dependencies import Cursor, chosen

MAX_USERS = 100
SORT = f"One of {', '.join(USER_ORDERS)}; a leading minus sorts downwards."


class AdminController(Controller):
    """Reports over everyone's calls, or one client's. An administrator of one client sees that one."""

    path = "/api/admin"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get("/ai/overview", summary="Today and the month so far")
    async def overview(
        self, reports: NamedDependency[Reports], shown: NamedDependency[Synthetic], about: NamedDependency[str | None]
    ) -> OverviewReport:
        return await reports.overview(shown, about)

    @get("/ai/usage", summary="One window, by day, hour, feature, model, provider and user")
    async def usage(self, reports: NamedDependency[Reports], asked: NamedDependency[ReportQuery]) -> UsageReport:
        return await reports.usage(asked)

    @get("/ai/providers", summary="Providers: requests, success, latency, service types")
    async def providers(
        self, reports: NamedDependency[Reports], asked: NamedDependency[ReportQuery]
    ) -> ProvidersReport:
        return await reports.providers(asked)

    @get("/ai/models", summary="Models: cost, tokens, media, users")
    async def models(self, reports: NamedDependency[Reports], asked: NamedDependency[ReportQuery]) -> ModelsReport:
        return await reports.models(asked)

    @get("/ai/users", summary="Users, page by page")
    async def users(
        self,
        reports: NamedDependency[Reports],
        asked: NamedDependency[ReportQuery],
        sort: Annotated[str, QueryParameter(description=SORT, max_length=32)] = "-requests",
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_USERS)] = 20,
        cursor: Cursor = None,
    ) -> UsersReport:
        return await reports.users(asked, sort, limit=limit, cursor=cursor)

    @get("/ai/calls", summary="The ledger, newest first, page by page")
    async def calls(
        self,
        reports: NamedDependency[Reports],
        asked: NamedDependency[ReportQuery],
        status: Annotated[str | None, QueryParameter(max_length=32)] = None,
        cost_source: Annotated[str | None, QueryParameter(name="costSource", max_length=32)] = None,
        *,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_CALLS)] = 50,
        cursor: Cursor = None,
    ) -> CallsReport:
        return await reports.calls(
            asked,
            status=chosen("status", status, CallStatus),
            cost_source=chosen("costSource", cost_source, CostSource),
            limit=limit,
            cursor=cursor,
        )

    @get("/ai/data-quality", summary="Unpriced, estimated and unmapped calls, and impossible provider/model pairs")
    async def data_quality(
        self, reports: NamedDependency[Reports], asked: NamedDependency[ReportQuery]
    ) -> DataQualityReport:
        return await reports.data_quality(asked)

    @get("/stats", summary="The main dashboard")
    async def stats(
        self, reports: NamedDependency[Reports], shown: NamedDependency[Synthetic], about: NamedDependency[str | None]
    ) -> StatsReport:
        return await reports.stats(shown, about)
