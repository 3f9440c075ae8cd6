"""What a client, or one of its users, can read of its own calls."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.reports.analytics import AnalyticsReport, AnalyticsType
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from routes.dependencies import chosen


class AnalyticsController(Controller):
    """One client's figures, or one user's; the deployment's administrator may request any, or all."""

    path = "/api/analytics"
    tags = ("analytics",)
    guards = (requires(Scope.READ),)

    @get("/", summary="Usage by day, week, month and conversation")
    async def analytics(
        self,
        reports: NamedDependency[Reports],
        report_query: NamedDependency[ReportQuery],
        wanted: Annotated[str, QueryParameter(name="type", max_length=32)] = AnalyticsType.ALL.value,
    ) -> AnalyticsReport:
        return await reports.analytics(report_query, chosen("type", wanted, AnalyticsType) or AnalyticsType.ALL)
